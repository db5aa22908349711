/* Rules come and go in the built-in model, one at a time and in loads, with memory that runs out: what the engine
 * answers is what the documentation says, worked out afresh from the set of rules.  A step takes a few bytes. */
#include <stdbool.h>

#include "../c/heap.h"
#include "fuzz.h"
#include "policy/engine.h"
#include "policy/explain.h"

enum { SUBJECTS = 8, PAGES = 5, PATTERNS = 6, GROUPS = 2, ACTIONS = 5 };

static const char *const SUBJECT[SUBJECTS] = {"u:0", "u:1", "u:root", "r:0", "r:1", "r:2",
                                              "r:a name that is longer than what fits beside its hash", "page"};
static const char *const PAGE[PAGES] = {"site", "app", "page", "r:0", ""};
static const char *const PATTERN[PATTERNS] = {"page", "page:*", "page:list", "*", "page:list:*x", ""};
static const char *const ACTION[ACTIONS] = {"page", "page:list", "page:list:a", "", "page:*"};
static const char *const GROUP[GROUPS] = {"page", "g"};
static const char *const EFFECT[2] = {"deny", "allow"};

typedef struct world {
    test_heap heap;
    fua_engine *engine;
    bool rule[SUBJECTS][PAGES][PATTERNS][GROUPS][2];
    bool link[SUBJECTS][SUBJECTS]; /* member, role */
    bool within[PAGES][PAGES];     /* container, page */
    const uint8_t *data;
    size_t left;
} world;

static size_t next(world *w, size_t below) {
    if (w->left == 0) {
        return 0;
    }
    w->left--;
    return *w->data++ % below;
}

/* --- the definition ------------------------------------------------------------------------------------------- */

/* above[i]: `start` leads to i over links[from * count + to]. */
static void mark(const bool *links, size_t count, size_t start, bool *above) {
    above[start] = true;
    for (size_t to = 0; to < count; to++) {
        if (links[start * count + to] && !above[to]) {
            mark(links, count, to, above);
        }
    }
}

static bool leads(const bool *links, size_t count, size_t from, size_t to) {
    bool above[SUBJECTS] = {false};
    mark(links, count, from, above);
    return above[to];
}

static uint32_t level_of(const world *w, size_t role) {
    uint32_t level = 0;
    for (size_t same = 0; same < SUBJECTS; same++) { /* members of a cycle share a level */
        if (!leads(w->link[0], SUBJECTS, role, same) || !leads(w->link[0], SUBJECTS, same, role)) {
            continue;
        }
        for (size_t member = 0; member < SUBJECTS; member++) {
            if (w->link[member][same] && !leads(w->link[0], SUBJECTS, role, member)) {
                uint32_t least = level_of(w, member) + 1;
                level = least > level ? least : level;
            }
        }
    }
    return level;
}

static bool pattern_matches(size_t pattern, size_t action) {
    const char *star = strchr(PATTERN[pattern], '*');
    return star == NULL ? strcmp(PATTERN[pattern], ACTION[action]) == 0
                        : strncmp(PATTERN[pattern], ACTION[action], (size_t)(star - PATTERN[pattern])) == 0;
}

typedef struct request {
    size_t sub, page, action, group;
} request;

typedef struct answer {
    bool allowed, decided;
    size_t relevant;
    uint32_t row;
} answer;

static uint32_t row_of(const world *w, size_t sub, size_t page, size_t pattern, size_t group, size_t effect) {
    const fua_text fields[5] = {fua_text_of(SUBJECT[sub]), fua_text_of(PAGE[page]), fua_text_of(PATTERN[pattern]),
                                fua_text_of(GROUP[group]), fua_text_of(EFFECT[effect])};
    return fua_engine_find(w->engine, FUA_TYPE_P, fields, 5);
}

static bool containers_hold(const world *w, size_t container, size_t page) {
    return leads(w->within[0], PAGES, container, page);
}

static answer define(const world *w, request r) {
    answer a = {strcmp(SUBJECT[r.sub], "u:root") == 0, false, 0, FUA_NO_ROW};
    bool super = a.allowed, above[SUBJECTS] = {false};
    uint32_t lowest = UINT32_MAX, first[2] = {FUA_NO_ROW, FUA_NO_ROW};
    mark(w->link[0], SUBJECTS, r.sub, above);
    for (size_t sub = 0; sub < SUBJECTS; sub++) {
        uint32_t level = above[sub] ? level_of(w, sub) : 0;
        for (size_t page = 0; above[sub] && page < PAGES; page++) {
            for (size_t k = 0; k < PATTERNS * 2; k++) {
                size_t pattern = k / 2, effect = k % 2;
                bool there = page == r.page || (effect == 1 && containers_hold(w, r.page, page));
                if (!w->rule[sub][page][pattern][r.group][effect] || !there || !pattern_matches(pattern, r.action)) {
                    continue;
                }
                a.relevant++;
                if (level < lowest) {
                    lowest = level;
                    first[0] = first[1] = FUA_NO_ROW;
                }
                uint32_t row = row_of(w, sub, page, pattern, r.group, effect);
                CHECK(row != FUA_NO_ROW);
                if (level == lowest && row < first[effect]) {
                    first[effect] = row;
                }
            }
        }
    }
    a.decided = !super && a.relevant > 0;
    if (a.decided) {
        a.allowed = first[0] == FUA_NO_ROW;
        a.row = first[a.allowed];
    }
    return a;
}

/* --- asking the engine ---------------------------------------------------------------------------------------- */

/* One failure is told; the next try works. */
#define AGAIN(w, status, call)                                                                                        \
    do {                                                                                                              \
        status = (call);                                                                                              \
        if (status == FUA_ERR_NOMEM) {                                                                                \
            CHECK((w)->heap.failed);                                                                                  \
            status = (call);                                                                                          \
        }                                                                                                             \
    } while (0)

static void ask(world *w) {
    request r = {next(w, SUBJECTS), next(w, PAGES), next(w, ACTIONS), next(w, GROUPS)};
    const fua_text texts[4] = {fua_text_of(SUBJECT[r.sub]), fua_text_of(PAGE[r.page]), fua_text_of(ACTION[r.action]),
                               fua_text_of(GROUP[r.group])};
    answer wanted = define(w, r);
    bool allowed = false, each[2] = {false, false};
    uint32_t row = FUA_NO_ROW;
    fua_status status;
    AGAIN(w, status, fua_engine_decide(w->engine, texts, 4, &allowed));
    CHECK(status == FUA_OK && allowed == wanted.allowed);
    AGAIN(w, status, fua_engine_explain(w->engine, texts, 4, &allowed, &row));
    CHECK(status == FUA_OK && allowed == wanted.allowed && row == wanted.row);
    const fua_text twice[6] = {texts[1], texts[2], texts[3], texts[1], texts[2], texts[3]};
    AGAIN(w, status, fua_engine_decide_each(w->engine, texts[0], twice, 2, 3, each));
    CHECK(status == FUA_OK && each[0] == wanted.allowed && each[1] == wanted.allowed);
    fua_explanation why;
    AGAIN(w, status, fua_explain(w->engine, texts, 4, &why));
    CHECK(status == FUA_OK && why.allowed == wanted.allowed && why.row == wanted.row);
    CHECK(why.count == wanted.relevant || strcmp(SUBJECT[r.sub], "u:root") == 0);
    fua_explanation_free(w->engine, &why);
    uint32_t id = fua_intern_find(&w->engine->strings, texts[0]);
    AGAIN(w, status, fua_engine_settle(w->engine));
    CHECK(status == FUA_OK);
    CHECK(id == FUA_NO_ID || fua_levels_of(&w->engine->levels, id) == level_of(w, r.sub));
}

static void ask_reach(world *w) {
    size_t start = next(w, SUBJECTS);
    bool upward = next(w, 2) == 1, above[SUBJECTS] = {false}, turned[SUBJECTS][SUBJECTS];
    for (size_t i = 0; i < SUBJECTS; i++) {
        for (size_t k = 0; k < SUBJECTS; k++) {
            turned[i][k] = upward ? w->link[i][k] : w->link[k][i];
        }
    }
    mark(turned[0], SUBJECTS, start, above);
    const fua_reached *ids = NULL;
    size_t count = 0, wanted = 0;
    fua_status status;
    AGAIN(w, status, fua_engine_reach(w->engine, FUA_TYPE_G, fua_text_of(SUBJECT[start]), NULL, upward, &ids, &count));
    for (size_t i = 0; i < SUBJECTS; i++) {
        wanted += above[i] && i != start;
    }
    CHECK(status == FUA_OK && count == wanted);
}

/* --- changing it ---------------------------------------------------------------------------------------------- */

static void set(world *w, size_t type, const fua_text *fields, size_t count, bool *there, bool wanted) {
    uint32_t row = fua_engine_find(w->engine, type, fields, count);
    CHECK((row != FUA_NO_ROW) == *there);
    if (wanted) {
        bool added = false;
        fua_status status;
        CHECK(fua_engine_check(w->engine, type, fields, count) == FUA_OK);
        AGAIN(w, status, fua_engine_add(w->engine, type, fields, count, &added));
        CHECK(status == FUA_OK && added == !*there);
    } else if (row != FUA_NO_ROW) {
        fua_engine_remove(w->engine, type, row);
    }
    *there = wanted;
}

static void set_rule(world *w, bool wanted) {
    size_t sub = next(w, SUBJECTS), page = next(w, PAGES), pattern = next(w, PATTERNS), rest = next(w, 4);
    const fua_text fields[5] = {fua_text_of(SUBJECT[sub]), fua_text_of(PAGE[page]), fua_text_of(PATTERN[pattern]),
                                fua_text_of(GROUP[rest / 2]), fua_text_of(EFFECT[rest % 2])};
    if (strcmp(SUBJECT[sub], "u:root") == 0) {
        CHECK(fua_engine_check(w->engine, FUA_TYPE_P, fields, 5) == FUA_ERR_ROOT);
        return;
    }
    set(w, FUA_TYPE_P, fields, 5, &w->rule[sub][page][pattern][rest / 2][rest % 2], wanted);
}

static void set_link(world *w, bool wanted) {
    size_t member = next(w, SUBJECTS), role = next(w, SUBJECTS);
    const fua_text fields[2] = {fua_text_of(SUBJECT[member]), fua_text_of(SUBJECT[role])};
    set(w, FUA_TYPE_G, fields, 2, &w->link[member][role], wanted);
}

static void set_page(world *w, bool wanted) {
    size_t container = next(w, PAGES), page = next(w, PAGES);
    const fua_text fields[2] = {fua_text_of(PAGE[container]), fua_text_of(PAGE[page])};
    set(w, FUA_TYPE_G2, fields, 2, &w->within[container][page], wanted);
}

/* Two new links, one old one gone: whether that closes a cycle, and which. */
static void look_for_cycle(world *w) {
    bool links[SUBJECTS][SUBJECTS];
    size_t ends[4] = {next(w, SUBJECTS), next(w, SUBJECTS), next(w, SUBJECTS), next(w, SUBJECTS)};
    size_t member = next(w, SUBJECTS), role = next(w, SUBJECTS), strings = w->engine->strings.used;
    const fua_text old[2] = {fua_text_of(SUBJECT[member]), fua_text_of(SUBJECT[role])};
    fua_text texts[4];
    memcpy(links, w->link, sizeof links);
    links[member][role] = false;
    for (size_t i = 0; i < 4; i++) {
        texts[i] = fua_text_of(SUBJECT[ends[i]]);
    }
    links[ends[0]][ends[1]] = links[ends[2]][ends[3]] = true;
    bool closes = leads(links[0], SUBJECTS, ends[1], ends[0]) || leads(links[0], SUBJECTS, ends[3], ends[2]);
    uint32_t gone = fua_engine_find(w->engine, FUA_TYPE_G, old, 2);
    fua_ids path;
    fua_status status;
    AGAIN(w, status, fua_engine_find_cycle(w->engine, FUA_TYPE_G, texts, 2, &gone, gone != FUA_NO_ROW, &path));
    CHECK(status == (closes ? FUA_ERR_CYCLE : FUA_OK));
    size_t before = SUBJECTS;
    for (size_t i = 0; closes && i < path.count; i++) {
        fua_text name = fua_intern_text(&w->engine->strings, path.ids[i]);
        size_t at = 0;
        while (!fua_text_equal(name, fua_text_of(SUBJECT[at]))) {
            at++;
        }
        CHECK(before == SUBJECTS || links[before][at]);
        before = at;
    }
    CHECK(!closes || (path.count >= 2 && path.ids[0] == path.ids[path.count - 1]));
    if (closes) {
        fua_engine_release_ids(w->engine, &path);
    }
    CHECK(w->engine->strings.used == strings);
}

static void settle_a_little(world *w) {
    bool done;
    fua_status status;
    size_t most = next(w, 8) + 1;
    AGAIN(w, status, fua_engine_settle_some(w->engine, most, &done));
    CHECK(status == FUA_OK);
}

static void look_for_cycle_in_policy(world *w) {
    fua_text subject;
    fua_status status;
    bool any = false;
    AGAIN(w, status, fua_engine_settle(w->engine));
    for (size_t i = 0; i < SUBJECTS * SUBJECTS; i++) {
        any = any || (w->link[i / SUBJECTS][i % SUBJECTS] && leads(w->link[0], SUBJECTS, i % SUBJECTS, i / SUBJECTS));
    }
    CHECK(status == FUA_OK && fua_engine_cycle_in_policy(w->engine, &subject) == any);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    world w;
    memset(&w, 0, sizeof w);
    w.data = data;
    w.left = size < 600 ? size : 600;
    fua_allocator al = test_allocator(&w.heap);
    fua_model *model = NULL;
    CHECK(fua_model_builtin(&al, &model) == FUA_OK);
    CHECK(fua_engine_new(&al, model, (fua_hash_key){1, 2}, &w.engine) == FUA_OK);
    while (w.left > 0) {
        switch (next(&w, 20)) {
        case 0: case 1: case 2: case 3: case 4: set_rule(&w, true); break;
        case 5: set_rule(&w, false); break;
        case 6: case 7: case 8: set_link(&w, true); break;
        case 9: set_link(&w, false); break;
        case 10: case 11: set_page(&w, true); break;
        case 12: set_page(&w, false); break;
        case 13: fua_engine_begin_load(w.engine); break;
        case 14: settle_a_little(&w); break;
        case 15: ask_reach(&w); break;
        case 16: look_for_cycle(&w); break;
        case 17: look_for_cycle_in_policy(&w); break;
        case 18:
            w.heap.failed = false;
            w.heap.fail_at = w.heap.calls + 1 + next(&w, 16);
            break;
        default: ask(&w);
        }
    }
    w.data = data;
    w.left = size < 32 ? size : 32;
    for (int i = 0; i < 8; i++) {
        ask(&w);
    }
    fua_engine_free(w.engine);
    CHECK(w.heap.live == 0);
    return 0;
}
