/* Standings of subjects against the definition: random role links come and go, in between everybody is asked. */
#include <string.h>

#include "check.h"
#include "policy/engine.h"

#define PEOPLE 14 /* more than a standing holds */

static const fua_hash_key KEY = {3, 4};

typedef struct world {
    fua_engine *engine;
    bool link[PEOPLE][PEOPLE]; /* member, role */
    bool rule[PEOPLE][2];      /* has a deny, an allow */
    char names[PEOPLE][40];
} world;

static uint32_t level_of(const world *w, size_t subject) {
    uint32_t level = 0;
    for (size_t member = 0; member < subject; member++) { /* links go from lower to higher numbers: no cycles */
        if (w->link[member][subject] && level_of(w, member) + 1 > level) {
            level = level_of(w, member) + 1;
        }
    }
    return level;
}

static void mark_above(const world *w, size_t subject, bool *above) {
    above[subject] = true;
    for (size_t role = subject + 1; role < PEOPLE; role++) {
        if (w->link[subject][role] && !above[role]) {
            mark_above(w, role, above);
        }
    }
}

static bool allowed_by_definition(const world *w, size_t subject) {
    bool above[PEOPLE] = {false};
    uint32_t lowest = UINT32_MAX;
    bool allowed = false;
    mark_above(w, subject, above);
    for (size_t i = 0; i < PEOPLE; i++) {
        uint32_t level = above[i] ? level_of(w, i) : UINT32_MAX;
        if (!above[i] || !(w->rule[i][0] || w->rule[i][1]) || level > lowest) {
            continue;
        }
        allowed = !w->rule[i][0] && (level < lowest || allowed);
        lowest = level;
    }
    return allowed;
}

/* Adds or removes one rule; with a heap that may fail, tries until it works. */
static void toggle(world *w, size_t type, const fua_text *fields, size_t count, bool *there) {
    if (*there) {
        fua_engine_remove(w->engine, type, fua_engine_find(w->engine, type, fields, count));
    } else {
        bool added = false;
        while (fua_engine_add(w->engine, type, fields, count, &added) == FUA_ERR_NOMEM) {
        }
        CHECK(added);
    }
    *there = !*there;
}

static void change(world *w, uint64_t *random) {
    size_t low = test_random(random) % PEOPLE, high = test_random(random) % PEOPLE;
    if (low < high) {
        if (!w->link[low][high] && test_random(random) % 4 > 0) {
            return; /* few links, or hardly a subject had so few roles that they fit */
        }
        fua_text fields[2] = {fua_text_of(w->names[low]), fua_text_of(w->names[high])};
        toggle(w, FUA_TYPE_G, fields, 2, &w->link[low][high]);
    } else {
        size_t effect = test_random(random) % 2;
        fua_text fields[5] = {fua_text_of(w->names[low]), fua_text_of("page"), fua_text_of("page"),
                              fua_text_of("page"), fua_text_of(effect == 0 ? "deny" : "allow")};
        toggle(w, FUA_TYPE_P, fields, 5, &w->rule[low][effect]);
    }
}

static void ask_everybody(world *w) {
    for (size_t i = 0; i < PEOPLE; i++) {
        fua_text request[4] = {fua_text_of(w->names[i]), fua_text_of("page"), fua_text_of("page"),
                               fua_text_of("page")};
        bool allowed, each;
        fua_status status;
        while ((status = fua_engine_decide(w->engine, request, 4, &allowed)) == FUA_ERR_NOMEM) {
            CHECK(!allowed);
        }
        CHECK_OK(status);
        CHECK(allowed == allowed_by_definition(w, i));
        while ((status = fua_engine_decide_each(w->engine, request[0], request + 1, 1, 3, &each)) == FUA_ERR_NOMEM) {
        }
        CHECK(status == FUA_OK && each == allowed);
    }
}

/* `stamp` is where the numbers of the levels begin, `sparse` how many changes come between two questions. */
static void test_random_changes(uint64_t random, uint32_t stamp, uint32_t sparse, bool failing) {
    test_heap heap = {0, 0, 0, false};
    fua_allocator al = test_allocator(&heap);
    fua_model *model = NULL;
    world w;
    memset(&w, 0, sizeof w);
    CHECK_OK(fua_model_builtin(&al, &model));
    CHECK_OK(fua_engine_new(&al, model, KEY, &w.engine));
    w.engine->levels.stamp = stamp;
    for (size_t i = 0; i < PEOPLE; i++) { /* long names are not kept in the slot */
        (void)snprintf(w.names[i], sizeof w.names[i], i % 3 == 0 ? "a name that does not fit a slot %zu" : "r:%zu", i);
    }
    for (int turn = 0; turn < 3000; turn++) {
        if (failing) {
            heap.fail_at = heap.calls + 1 + test_random(&random) % 3;
        }
        change(&w, &random);
        if (turn % 500 == 499) {
            fua_engine_begin_load(w.engine); /* everything derived is made anew */
        }
        if (test_random(&random) % sparse == 0) {
            ask_everybody(&w);
        }
    }
    CHECK(stamp == 1 || w.engine->levels.stamp == 0); /* it does not begin anew */
    fua_engine_free(w.engine);
    CHECK(heap.live == 0);
}

static void test_a_note_holds_what_fits(void) {
    uint32_t note[FUA_INTERN_NOTE] = {0};
    fua_reached written[FUA_STANDING_MOST + 1], read[FUA_STANDING_MOST];
    for (uint32_t i = 0; i <= FUA_STANDING_MOST; i++) {
        written[i] = (fua_reached){i + 7, i / 2 * 3};
    }
    CHECK(fua_standing_read(note, 1, 7, read) == 0); /* a new note */
    fua_standing_write(note, 5, written, FUA_STANDING_MOST + 1);
    CHECK(fua_standing_read(note, 5, 7, read) == 0);
    for (size_t count = 1; count <= FUA_STANDING_MOST; count++) {
        fua_standing_write(note, 5, written, count);
        CHECK(fua_standing_read(note, 5, 7, read) == count);
        for (uint32_t i = 0; i < count; i++) {
            CHECK(read[i].id == i + 7 && read[i].level == i / 2);
        }
        CHECK(fua_standing_read(note, 6, 7, read) == 0);
        CHECK(fua_standing_read(note, 0, 7, read) == 0);
    }
    fua_standing_forget(note);
    CHECK(fua_standing_read(note, 5, 7, read) == 0);
    fua_standing_write(note, 0, written, 2); /* numbers have run out */
    CHECK(fua_standing_read(note, 0, 7, read) == 0);
}

/* Two names of one hash: the one that nobody gave anything has not what the other one has. */
static void test_names_of_one_hash(void) {
    fua_model *model = NULL;
    fua_engine *engine = NULL;
    CHECK_OK(fua_model_builtin(fua_allocator_default(), &model));
    CHECK_OK(fua_engine_new(fua_allocator_default(), model, KEY, &engine));
    fua_text page = fua_text_of("page"), rich = fua_text_of("u:88579"), poor = fua_text_of("u:192161");
    fua_text rule[5] = {rich, page, page, page, fua_text_of("allow")};
    fua_text other[5] = {poor, page, page, page, fua_text_of("deny")};
    fua_text first[4] = {rich, page, page, page}, second[4] = {poor, page, page, page};
    fua_text texts[2] = {rich, poor};
    uint32_t hashes[2];
    bool added, allowed;
    fua_intern_begin(&engine->strings, texts, 2, hashes);
    CHECK(hashes[0] == hashes[1]);
    CHECK_OK(fua_engine_add(engine, FUA_TYPE_P, rule, 5, &added));
    CHECK(fua_engine_decide(engine, first, 4, &allowed) == FUA_OK && allowed);
    CHECK(fua_engine_decide(engine, second, 4, &allowed) == FUA_OK && !allowed);
    CHECK_OK(fua_engine_add(engine, FUA_TYPE_P, other, 5, &added)); /* now it has an id of its own */
    CHECK(fua_engine_decide(engine, first, 4, &allowed) == FUA_OK && allowed);
    CHECK(fua_engine_decide(engine, second, 4, &allowed) == FUA_OK && !allowed);
    fua_engine_free(engine);
}

int main(void) {
    test_names_of_one_hash();
    test_a_note_holds_what_fits();
    test_random_changes(1, 1, 1, false);
    test_random_changes(2, 1, 4, false);
    test_random_changes(3, 1, 1, true);
    test_random_changes(4, UINT32_MAX - 20, 2, false);
    return 0;
}
