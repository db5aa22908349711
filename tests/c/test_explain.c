/* Explanations: the decision's own rule among the relevant ones, the paths to them, and an allocator that fails once, at
 * every allocation in turn. */
#include <string.h>

#include "check.h"
#include "policy/explain.h"

static const fua_hash_key KEY = {3, 4};

typedef struct stored {
    size_t type;
    const char *fields[5];
} stored;

static const stored RULES[] = {
    {1, {"u:a", "r:x"}},
    {1, {"r:x", "r:y"}},
    {1, {"r:y", "r:x"}}, /* a cycle, as a loaded policy may have one */
    {1, {"r:y", "r:z"}},
    {2, {"site", "app"}},
    {2, {"app", "page"}},
    {2, {"app", "site"}},
    {0, {"r:x", "page", "*", "page", "allow"}},
    {0, {"r:z", "site", "page", "page", "deny"}},
    {0, {"r:y", "page", "page", "page", "allow"}},
    {0, {"r:y", "page", "page", "page", "deny"}}, /* does not climb to the site */
    {0, {"u:b", "site", "page", "page", "allow"}},
};

static size_t texts_of(const stored *rule, fua_text *fields) {
    size_t count = rule->type == 0 ? 5 : 2;
    for (size_t i = 0; i < count; i++) {
        fields[i] = fua_text_of(rule->fields[i]);
    }
    return count;
}

/* An engine with all of RULES, made before the heap fails. */
static fua_engine *loaded(const fua_allocator *al) {
    fua_model *model = NULL;
    fua_engine *engine = NULL;
    CHECK_OK(fua_model_builtin(al, &model));
    CHECK_OK(fua_engine_new(al, model, KEY, &engine));
    fua_engine_begin_load(engine);
    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++) {
        fua_text fields[5];
        bool added = false;
        size_t count = texts_of(&RULES[i], fields);
        CHECK_OK(fua_engine_add(engine, RULES[i].type, fields, count, &added));
    }
    CHECK_OK(fua_engine_settle(engine));
    return engine;
}

static bool same_path(const fua_engine *engine, const fua_ids *path, const char *const *names, size_t count) {
    for (size_t i = 0; i < count && i < path->count; i++) {
        if (!fua_text_equal(fua_intern_text(&engine->strings, path->ids[i]), fua_text_of(names[i]))) {
            return false;
        }
    }
    return path->count == count;
}

static void check_explanation(const fua_engine *engine, const fua_explanation *why) {
    static const size_t relevant[] = {7, 9, 8}; /* of RULES: r:x and r:y share a level, r:z is above */
    static const char *const roles[] = {"u:a", "r:x", "r:y", "r:z"};
    static const char *const pages[] = {"site", "app", "page"};
    CHECK(why->allowed);
    CHECK(why->count == 3);
    for (size_t i = 0; i < 3; i++) {
        fua_text fields[5];
        size_t count = texts_of(&RULES[relevant[i]], fields);
        CHECK(why->relevant[i].row == fua_engine_find(engine, 0, fields, count));
        CHECK(why->relevant[i].level == (i < 2 ? 1 : 2));
    }
    CHECK(why->row == why->relevant[0].row);
    fua_ids path;
    CHECK_OK(fua_explain_path(engine, &why->subjects, fua_intern_find(&engine->strings, fua_text_of("r:z")), &path));
    CHECK(same_path(engine, &path, roles, 4));
    fua_free(engine->al, path.ids);
    CHECK_OK(fua_explain_path(engine, &why->pages, fua_intern_find(&engine->strings, fua_text_of("page")), &path));
    CHECK(same_path(engine, &path, pages, 3));
    fua_free(engine->al, path.ids);
    CHECK_OK(fua_explain_path(engine, &why->subjects, fua_intern_find(&engine->strings, fua_text_of("u:b")), &path));
    CHECK(path.count == 0 && path.ids == NULL);
}

static void test_every_allocation_may_fail(void) {
    fua_text request[4] = {fua_text_of("u:a"), fua_text_of("site"), fua_text_of("page"), fua_text_of("page")};
    size_t failures = 0;
    for (size_t n = 1;; n++) {
        test_heap heap = {0, 0, 0, false};
        fua_allocator al = test_allocator(&heap);
        fua_engine *engine = loaded(&al);
        fua_explanation why;
        fua_ids path = {NULL, 0, 0};
        heap.fail_at = heap.calls + n;
        fua_status status = fua_explain(engine, request, 4, &why);
        CHECK(status == (heap.failed ? FUA_ERR_NOMEM : FUA_OK));
        if (status == FUA_OK) {
            uint32_t id = fua_intern_find(&engine->strings, fua_text_of("r:z"));
            status = fua_explain_path(engine, &why.subjects, id, &path);
            CHECK(status == (heap.failed ? FUA_ERR_NOMEM : FUA_OK));
            CHECK((path.count == 4) == (status == FUA_OK));
            fua_free(&al, path.ids);
            heap.fail_at = 0;
            check_explanation(engine, &why);
            fua_explanation_free(engine, &why);
        }
        heap.fail_at = 0;
        CHECK_OK(fua_explain(engine, request, 4, &why)); /* the next try works */
        check_explanation(engine, &why);
        fua_explanation_free(engine, &why);
        fua_engine_free(engine);
        CHECK(heap.live == 0);
        if (!heap.failed) {
            break;
        }
        failures++;
    }
    CHECK(failures > 5);
}

static void test_requests_without_rules(void) {
    fua_engine *engine = loaded(fua_allocator_default());
    fua_text request[4] = {fua_text_of("u:root"), fua_text_of("site"), fua_text_of("page"), fua_text_of("page")};
    fua_explanation why;
    CHECK_OK(fua_explain(engine, request, 4, &why));
    CHECK(why.allowed && why.row == FUA_NO_ROW && why.count == 0);
    fua_explanation_free(engine, &why);
    request[0] = fua_text_of("nobody");
    CHECK_OK(fua_explain(engine, request, 4, &why));
    CHECK(!why.allowed && why.row == FUA_NO_ROW && why.count == 0);
    fua_explanation_free(engine, &why);
    CHECK(fua_explain(engine, request, 3, &why) == FUA_ERR_ARITY);
    fua_engine_free(engine);
}

int main(void) {
    test_every_allocation_may_fail();
    test_requests_without_rules();
    return 0;
}
