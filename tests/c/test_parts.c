/* The parts of data and policy that allocate, one by one: each allocation fails once, and they are held to arrays. */
#include <string.h>

#include "check.h"
#include "data/ids.h"
#include "policy/actions.h"
#include "policy/engine.h"
#include "policy/explain.h"
#include "policy/grants.h"
#include "policy/levels.h"
#include "policy/rules.h"

static const fua_hash_key KEY = {5, 6};

static fua_status run_ids(const fua_allocator *al) {
    fua_ids ids = {NULL, 0, 0};
    fua_status status = FUA_OK;
    for (uint32_t i = 0; i < 100 && status == FUA_OK; i++) {
        status = fua_ids_push(al, &ids, i * 3);
        CHECK(ids.count == i + (status == FUA_OK) && fua_ids_hold(&ids, i * 3) == (status == FUA_OK));
    }
    fua_ids_free(al, &ids);
    CHECK(ids.ids == NULL && ids.count == 0);
    return status;
}

static fua_status run_idmap(const fua_allocator *al) {
    fua_idmap map;
    fua_idmap_init(&map, al);
    fua_status status = FUA_OK;
    for (uint32_t i = 0; i < 300 && status == FUA_OK; i++) {
        status = fua_idmap_set(&map, i * 7, i);
        CHECK(fua_idmap_get(&map, i * 7, 1000) == (status == FUA_OK ? i : 1000));
        CHECK(i == 0 || fua_idmap_get(&map, (i - 1) * 7, 1000) == i - 1);
    }
    fua_idmap_free(&map);
    return status;
}

static fua_status run_intern(const fua_allocator *al) {
    fua_intern in;
    uint32_t ids[40];
    size_t count = 0;
    fua_status status = FUA_OK;
    fua_intern_init(&in, al, KEY);
    while (count < 40 && status == FUA_OK) {
        char first[64], second[64];
        (void)snprintf(first, sizeof first, "%zu", count);
        (void)snprintf(second, sizeof second, "a text that is too long to stand beside its own hash: %zu", count);
        fua_text texts[2] = {fua_text_of(first), fua_text_of(second)};
        status = fua_intern_acquire_all(&in, texts, 2, ids + count);
        CHECK(in.used == count + (status == FUA_OK ? 2 : 0));
        count += status == FUA_OK ? 2 : 0;
    }
    fua_intern_release_all(&in, ids, count);
    CHECK(in.used == 0);
    fua_intern_free(&in);
    return status;
}

static const char *const PATTERNS[] = {"page", "page:*", "*", "page:list:*", "p*", "page:*x",
                                       "a rather long prefix of 32 characters:*"};
#define PATTERN_COUNT (sizeof PATTERNS / sizeof *PATTERNS)

static fua_status run_actions(const fua_allocator *al) {
    fua_actions actions;
    uint32_t keys[PATTERN_COUNT];
    size_t count = 0, length = 0, found = 0;
    fua_status status = FUA_OK;
    fua_actions_init(&actions, al, KEY);
    CHECK(fua_actions_next(&actions, fua_text_of("page"), &length) == FUA_NO_ID);
    while (count < PATTERN_COUNT && status == FUA_OK) {
        status = fua_actions_acquire(&actions, fua_text_of(PATTERNS[count]), (uint32_t)count, &keys[count]);
        count += status == FUA_OK;
    }
    if (status == FUA_OK) {
        CHECK(keys[0] == 0 && keys[1] == keys[5] && (keys[2] & FUA_PREFIX_TAG) != 0);
        while (fua_actions_next(&actions, fua_text_of("page:list"), &length) != FUA_NO_ID) {
            found++;
        }
        CHECK(found == 3); /* "", "p", "page:" */
        CHECK(fua_actions_find(&actions, fua_text_of("page:*y"), 9) == keys[1]);
        CHECK(fua_actions_find(&actions, fua_text_of("nothing*"), 9) == FUA_NO_ID);
        length = 0;
        CHECK(fua_actions_next(&actions, fua_text_of(""), &length) == keys[2]);
        CHECK(fua_actions_next(&actions, fua_text_of(""), &length) == FUA_NO_ID);
        length = 2;
        /* beginnings as long as some that are in use */
        CHECK(fua_actions_next(&actions, fua_text_of("nopes:"), &length) == FUA_NO_ID);
    }
    while (count > 0) {
        fua_actions_release(&actions, keys[--count]);
    }
    CHECK(actions.longest == 0 && actions.prefixes.used == 0);
    fua_actions_free(&actions);
    return status;
}

static fua_status run_grants(const fua_allocator *al) {
    enum { SIDE = 6 };
    uint32_t counts[SIDE][SIDE][2];
    uint64_t random = 8;
    fua_grants grants;
    fua_status status;
    memset(counts, 0, sizeof counts);
    fua_grants_init(&grants, al);
    CHECK(fua_grants_find(&grants, 0, 0, 0, 0) == NULL);
    status = fua_grants_reserve(&grants, 4);
    CHECK(fua_grants_reserve(&grants, (size_t)UINT32_MAX + 1) == FUA_ERR_OVERFLOW);
    for (int turn = 0; turn < 600 && status == FUA_OK; turn++) {
        uint32_t sub = test_random(&random) % SIDE, obj = test_random(&random) % SIDE;
        fua_grant_kind kind = test_random(&random) % 2 == 0 ? FUA_GRANT_ALLOW : FUA_GRANT_DENY;
        uint32_t *count = &counts[sub][obj][kind == FUA_GRANT_DENY];
        if (*count > 0 && test_random(&random) % 2 == 0) {
            fua_grants_remove(&grants, sub, obj, 1, 2, kind);
            --*count;
        } else {
            status = fua_grants_add(&grants, sub, obj, 1, 2, kind);
            *count += status == FUA_OK;
        }
        const fua_grant *grant = fua_grants_find(&grants, sub, obj, 1, 2);
        CHECK((grant == NULL) == (counts[sub][obj][0] == 0 && counts[sub][obj][1] == 0));
        CHECK(grant == NULL || (grant->allow == counts[sub][obj][0] && grant->deny == counts[sub][obj][1]));
        fua_grants_prefetch(&grants, sub, obj, 1, 2);
    }
    for (uint32_t i = 0; i < 200 && status == FUA_OK; i++) {
        status = fua_grants_add(&grants, 100 + i, i, i, i, FUA_GRANT_ALLOW);
    }
    fua_grants_clear(&grants);
    CHECK(fua_grants_find(&grants, 100, 0, 0, 0) == NULL && grants.used == 0);
    fua_grants_free(&grants);
    return status;
}

static fua_status run_rules(const fua_allocator *al) {
    enum { SIDE = 9 };
    bool there[SIDE][SIDE];
    uint64_t random = 9;
    fua_rules rules;
    fua_status status = FUA_OK;
    size_t live = 0;
    memset(there, 0, sizeof there);
    fua_rules_init(&rules, al, 2);
    for (int turn = 0; turn < 400 && status == FUA_OK; turn++) {
        uint32_t fields[2] = {test_random(&random) % SIDE, test_random(&random) % SIDE}, row, chained = 0, held = 0;
        bool *known = &there[fields[0]][fields[1]];
        row = fua_rules_find(&rules, fields);
        CHECK((row != FUA_NO_ROW) == *known);
        if (*known) {
            fua_rules_remove(&rules, row);
            *known = false;
            live--;
        } else {
            status = fua_rules_add(&rules, fields, &row);
            *known = status == FUA_OK;
            live += *known;
        }
        CHECK(rules.live == live);
        for (size_t chain = 0; chain < FUA_CHAINS; chain++) {
            for (row = fua_rules_first(&rules, chain, fields[chain]); row != FUA_NO_ROW;
                 row = fua_rules_next(&rules, chain, row)) {
                CHECK(fua_rules_is_live(&rules, row) && fua_rules_fields(&rules, row)[chain] == fields[chain]);
                chained++;
            }
        }
        for (size_t i = 0; i < SIDE; i++) {
            held += (uint32_t)there[fields[0]][i] + (uint32_t)there[i][fields[1]];
        }
        CHECK(chained == held);
    }
    fua_rules_free(&rules);
    return status;
}

/* A ladder of roles that grows and shrinks; levels that run out of memory are stale and come back with a refresh. */
static fua_status run_levels(const fua_allocator *al) {
    enum { STEPS = 12 };
    fua_rules links;
    fua_levels levels;
    fua_status status = FUA_OK;
    fua_rules_init(&links, fua_allocator_default(), 2);
    fua_levels_init(&levels, al);
    for (uint32_t i = 0; i < 2 * STEPS && status == FUA_OK; i++) {
        uint32_t top = i < STEPS ? i + 1 : 2 * STEPS - 1 - i, fields[2] = {top, top + 1}, row;
        if (i < STEPS) {
            fields[0] = top - 1;
            fields[1] = top;
            CHECK_OK(fua_rules_add(&links, fields, &row));
            fua_levels_link_added(&levels, &links, fields[0], fields[1]);
        } else {
            row = fua_rules_find(&links, fields);
            CHECK(row != FUA_NO_ROW);
            fua_rules_remove(&links, row);
            fua_levels_link_removed(&levels, &links, fields[0], fields[1]);
        }
        status = fua_levels_refresh(&levels, &links);
        CHECK(status == FUA_OK || levels.stale);
        if (status == FUA_ERR_NOMEM) {
            CHECK_OK(fua_levels_refresh(&levels, &links));
        }
        for (uint32_t id = 0; id <= top; id++) {
            CHECK(fua_levels_of(&levels, id) == id);
        }
        if (i == 2 * STEPS - 2) {
            break; /* one link is left */
        }
    }
    fua_levels_free(&levels);
    fua_rules_free(&links);
    return status;
}

static fua_engine *new_engine(const fua_allocator *al) {
    fua_model *model = NULL;
    fua_engine *engine = NULL;
    if (fua_model_builtin(al, &model) == FUA_OK && fua_engine_new(al, model, KEY, &engine) != FUA_OK) {
        fua_model_free(model);
    }
    return engine;
}

static fua_status add(fua_engine *engine, size_t type, size_t count, const char *const *texts) {
    fua_text fields[5];
    bool added;
    for (size_t i = 0; i < count; i++) {
        fields[i] = fua_text_of(texts[i]);
    }
    return fua_engine_add(engine, type, fields, count, &added);
}

/* More roles and pages than are looked up in a list: a user with `width` roles, one of which decides. */
static fua_status many_roles(const fua_allocator *al, size_t width) {
    fua_engine *engine = new_engine(al);
    char role[32];
    const char *const link[2] = {"u:a", role}, *const up[2] = {role, "r:top"}, *const page[2] = {"site", role};
    const fua_text request[4] = {fua_text_of("u:a"), fua_text_of("site"), fua_text_of("page"), fua_text_of("page")};
    const char *const rules[2][5] = {{"r:top", "r:7", "page", "page", "deny"}, {"r:3", "r:7", "p*", "page", "allow"}};
    fua_status status = engine == NULL ? FUA_ERR_NOMEM : FUA_OK;
    for (size_t i = 0; i < width && status == FUA_OK; i++) {
        (void)snprintf(role, sizeof role, "r:%zu", i);
        status = add(engine, FUA_TYPE_G, 2, link);
        status = status == FUA_OK ? add(engine, FUA_TYPE_G, 2, up) : status;
        status = status == FUA_OK ? add(engine, FUA_TYPE_G2, 2, page) : status;
    }
    for (size_t i = 0; i < 2 && status == FUA_OK; i++) {
        status = add(engine, FUA_TYPE_P, 5, rules[i]);
    }
    bool allowed = false, each = false;
    uint32_t row = FUA_NO_ROW;
    fua_explanation why;
    const fua_reached *ids = NULL;
    size_t count = 0;
    status = status == FUA_OK ? fua_engine_explain(engine, request, 4, &allowed, &row) : status;
    CHECK(status != FUA_OK || (allowed && row == 1));
    status = status == FUA_OK ? fua_engine_decide_each(engine, request[0], request + 1, 1, 3, &each) : status;
    CHECK(status != FUA_OK || each);
    status = status == FUA_OK ? fua_engine_reach(engine, FUA_TYPE_G, request[0], NULL, true, &ids, &count) : status;
    CHECK(status != FUA_OK || count == width + 1);
    if (status == FUA_OK && (status = fua_explain(engine, request, 4, &why)) == FUA_OK) {
        CHECK(why.allowed && why.row == 1 && why.count == 1);
        fua_explanation_free(engine, &why);
    }
    if (status == FUA_OK) {
        fua_engine_remove(engine, FUA_TYPE_P, 1);
        status = fua_engine_decide(engine, request, 4, &allowed);
        CHECK(status != FUA_OK || !allowed);
    }
    fua_engine_free(engine);
    return status;
}

static fua_status run_many_roles(const fua_allocator *al) {
    return many_roles(al, 40);
}

static const char CUSTOM[] = "[request_definition]\nr = sub, dom, obj\n"
                             "[policy_definition]\np = sub, dom, obj, priority\n"
                             "[role_definition]\ng2 = _, _\ng = _, _, _\n"
                             "[policy_effect]\ne = subjectPriority(p.eft) || deny\n"
                             "[matchers]\nm = (g(r.sub, p.sub, r.dom) && g2(p.obj, r.obj)) || r.obj == 'open'\n";

static fua_status run_custom(const fua_allocator *al) {
    fua_model *model = NULL;
    fua_engine *engine = NULL;
    fua_model_error error;
    fua_explanation why;
    fua_ids path;
    fua_status status = fua_model_parse(al, fua_text_of(CUSTOM), &model, &error);
    if (status == FUA_OK && (status = fua_engine_new(al, model, KEY, &engine)) != FUA_OK) {
        fua_model_free(model);
    }
    const char *const links[3][3] = {{"al", "team", "d"}, {"team", "staff", "d"}, {"al", "boss", "e"}};
    const char *const page[2] = {"page", "part"}, *const rule[4] = {"staff", "d", "page", "1"};
    for (size_t i = 0; i < 3 && status == FUA_OK; i++) {
        status = add(engine, 2, 3, links[i]);
    }
    status = status == FUA_OK ? add(engine, 1, 2, page) : status;
    status = status == FUA_OK ? add(engine, 0, 4, rule) : status;
    const fua_text request[4] = {fua_text_of("al"), fua_text_of("d"), fua_text_of("part"), fua_text_of("e")};
    const fua_text several[4] = {request[1], request[2], request[3], request[2]};
    bool allowed[2] = {false, true};
    CHECK(status != FUA_OK || fua_engine_decide_each(engine, request[0], several, 1, 3, allowed) == FUA_ERR_ARITY);
    status = status == FUA_OK ? fua_engine_decide_each(engine, request[0], several, 2, 2, allowed) : status;
    CHECK(status != FUA_OK || (allowed[0] && !allowed[1]));
    if (status == FUA_OK && (status = fua_explain(engine, request, 3, &why)) == FUA_OK) {
        CHECK(why.allowed && why.row == 0 && why.count == 1 && why.relevant[0].level == 2);
        uint32_t staff = fua_intern_find(&engine->strings, fua_text_of("staff"));
        status = fua_explain_path(engine, &why.subjects, staff, &path);
        CHECK(status != FUA_OK || path.count == 3);
        fua_ids_free(al, &path);
        fua_explanation_free(engine, &why);
    }
    if (status == FUA_OK) {
        fua_engine_remove(engine, 2, 1);
        status = fua_engine_decide(engine, request, 3, allowed);
        CHECK(status != FUA_OK || !allowed[0]);
    }
    fua_engine_free(engine);
    return status;
}

/* A model whose matcher, or whose definitions, are at a limit or one beyond it. */
static fua_status read_with(const char *before, const char *part, size_t times, const char *between,
                            const char *after) {
    size_t size = strlen(before) + times * (strlen(part) + strlen(between)) + strlen(after) + 1;
    char *text = malloc(size), *at = text;
    fua_model *model = NULL;
    fua_model_error error;
    CHECK(text != NULL);
    at += snprintf(at, size, "%s", before);
    for (size_t i = 0; i < times; i++) {
        at += snprintf(at, size - (size_t)(at - text), "%s%s", i > 0 ? between : "", part);
    }
    (void)snprintf(at, size - (size_t)(at - text), "%s", after);
    fua_status status = fua_model_parse(fua_allocator_default(), fua_text_of(text), &model, &error);
    CHECK((status == FUA_OK) == (model != NULL));
    fua_model_free(model);
    free(text);
    return status;
}

#define HEAD                                                                                                          \
    "[request_definition]\nr = sub\n[policy_definition]\np = sub\n[policy_effect]\ne = some(where (p.eft == allow))\n"
#define MATCHERS "[matchers]\nm = "

static void test_limits_of_models(void) {
    CHECK_OK(read_with(HEAD MATCHERS, "true", 2048, "||", "\n")); /* 2048 terms and 2047 nodes that join them */
    CHECK(read_with(HEAD MATCHERS, "true", 2049, "||", "\n") == FUA_ERR_UNSUPPORTED);
    CHECK_OK(read_with(HEAD MATCHERS, "!", FUA_MATCHER_MAX_DEPTH - 1, "", "true\n"));
    CHECK(read_with(HEAD MATCHERS, "!", FUA_MATCHER_MAX_DEPTH, "", "true\n") == FUA_ERR_SYNTAX);
    CHECK(read_with(HEAD MATCHERS, "(", 5000, "", "true\n") == FUA_ERR_SYNTAX);
    char roles[200] = HEAD "[role_definition]\n";
    for (int i = 1; i <= FUA_MODEL_MAX_TYPES; i++) {
        CHECK((read_with(roles, "", 0, "", MATCHERS "true\n") == FUA_OK) == (i <= FUA_MODEL_MAX_TYPES));
        (void)snprintf(roles + strlen(roles), sizeof roles - strlen(roles), "g%d=_,_\n", i);
    }
    CHECK(read_with(roles, "", 0, "", MATCHERS "true\n") == FUA_ERR_UNSUPPORTED);
    static const char names[] = "[request_definition]\nr = a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p";
    CHECK(read_with(names, "", 0, "", "\n") == FUA_ERR_SYNTAX); /* but for what the model lacks */
    CHECK(read_with(names, "", 0, "", ",q\n") == FUA_ERR_UNSUPPORTED);
}

int main(void) {
    CHECK(test_every_failure(run_ids) > 2);
    CHECK(test_every_failure(run_idmap) > 2);
    CHECK(test_every_failure(run_intern) > 20);
    CHECK(test_every_failure(run_actions) > 4);
    CHECK(test_every_failure(run_grants) > 4);
    CHECK(test_every_failure(run_rules) > 4);
    CHECK(test_every_failure(run_levels) > 10);
    CHECK(test_every_failure(run_many_roles) > 30);
    CHECK_OK(many_roles(fua_allocator_default(), 5000));
    CHECK(test_every_failure(run_custom) > 20);
    test_limits_of_models();
    return 0;
}
