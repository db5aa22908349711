/* The engine under an allocator that fails once, at every allocation in turn: the failure is reported, nothing has
 * changed, the next try works, and nothing leaks. */
#include <string.h>

#include "check.h"
#include "policy/engine.h"

static const fua_hash_key KEY = {1, 2};

static const char MODEL[] = "[request_definition]\nr = sub, dom, obj, act\n"
                            "[policy_definition]\np = sub, dom, obj, act, eft\n"
                            "[role_definition]\ng = _, _, _\n"
                            "[policy_effect]\ne = priority(p.eft) || deny\n"
                            "[matchers]\nm = r.sub == 'root' || (g(r.sub, p.sub, r.dom) && r.dom == p.dom && \\\n"
                            "    keyMatch(r.obj, p.obj) && !(r.act != p.act))\n";

typedef struct step {
    bool adding;
    size_t type;
    const char *fields[5];
} step;

static const step STEPS[] = {
    {true, 1, {"u:a", "r:x"}},
    {true, 0, {"r:x", "page", "page:*", "page", "allow"}},
    {true, 2, {"site", "app"}},
    {true, 2, {"app", "page"}},
    {true, 0, {"u:a", "page", "page:list", "page", "deny"}},
    {true, 1, {"r:x", "r:y"}},
    {true, 1, {"r:y", "r:z"}},
    {true, 0, {"r:z", "other", "*", "page", "allow"}},
    {false, 0, {"u:a", "page", "page:list", "page", "deny"}},
    {true, 2, {"site", "other"}},
    {false, 1, {"r:x", "r:y"}},
    {true, 1, {"u:a", "r:z"}},
    {false, 2, {"app", "page"}},
    {true, 0, {"u:b", "page", "page", "page", "allow"}},
    {false, 0, {"r:x", "page", "page:*", "page", "allow"}},
    {false, 1, {"u:a", "r:z"}},
};
#define STEP_COUNT (sizeof STEPS / sizeof *STEPS)

static const char *const SUBJECTS[] = {"u:a", "u:b", "r:y", "u:root", "nobody"};
static const char *const OBJECTS[] = {"site", "app", "page", "other"};
static const char *const ACTIONS[] = {"page", "page:list"};

static size_t texts_of(const step *change, fua_text *fields) {
    size_t count = change->type == 0 ? 5 : 2;
    for (size_t i = 0; i < count; i++) {
        fields[i] = fua_text_of(change->fields[i]);
    }
    return count;
}

static fua_engine *new_engine(const fua_allocator *al) {
    fua_model *model = NULL;
    fua_engine *engine = NULL;
    if (fua_model_builtin(al, &model) != FUA_OK) {
        return NULL;
    }
    if (fua_engine_new(al, model, KEY, &engine) != FUA_OK) {
        fua_model_free(model);
        return NULL;
    }
    return engine;
}

static fua_status apply(fua_engine *engine, const step *change) {
    fua_text fields[5];
    size_t count = texts_of(change, fields);
    if (change->adding) {
        bool added = false;
        fua_status status = fua_engine_check(engine, change->type, fields, count);
        return status != FUA_OK ? status : fua_engine_add(engine, change->type, fields, count, &added);
    }
    uint32_t row = fua_engine_find(engine, change->type, fields, count);
    CHECK(row != FUA_NO_ROW);
    fua_engine_remove(engine, change->type, row);
    return FUA_OK;
}

static void check_same(fua_engine *engine, fua_engine *mirror) {
    for (size_t type = 0; type < 3; type++) {
        CHECK(engine->rules[type].live == mirror->rules[type].live);
    }
    for (size_t s = 0; s < sizeof SUBJECTS / sizeof *SUBJECTS; s++) {
        for (size_t o = 0; o < sizeof OBJECTS / sizeof *OBJECTS; o++) {
            for (size_t a = 0; a < sizeof ACTIONS / sizeof *ACTIONS; a++) {
                fua_text request[4] = {fua_text_of(SUBJECTS[s]), fua_text_of(OBJECTS[o]), fua_text_of(ACTIONS[a]),
                                       fua_text_of("page")};
                bool left = false, right = false;
                fua_status status = fua_engine_decide(engine, request, 4, &left);
                if (status == FUA_ERR_NOMEM) { /* the one failure; an answer is never guessed */
                    status = fua_engine_decide(engine, request, 4, &left);
                }
                CHECK_OK(status);
                CHECK_OK(fua_engine_decide(mirror, request, 4, &right));
                CHECK(left == right);
            }
        }
    }
}

/* Applies every step under the heap's failure; false when the engine could not even be made. */
static bool run_steps(test_heap *heap) {
    fua_allocator al = test_allocator(heap);
    fua_engine *mirror = new_engine(fua_allocator_default()), *engine = new_engine(&al);
    CHECK(mirror != NULL);
    if (engine == NULL) {
        CHECK(heap->failed);
        fua_engine_free(mirror);
        return false;
    }
    for (size_t i = 0; i < STEP_COUNT; i++) {
        fua_status status = apply(engine, &STEPS[i]);
        if (status == FUA_ERR_NOMEM) {
            CHECK(heap->failed);
            check_same(engine, mirror);
            status = apply(engine, &STEPS[i]);
        }
        CHECK_OK(status);
        CHECK_OK(apply(mirror, &STEPS[i]));
        check_same(engine, mirror);
    }
    fua_engine_free(engine);
    fua_engine_free(mirror);
    return true;
}

static void test_every_allocation_may_fail(void) {
    size_t failures = 0;
    for (size_t n = 1;; n++) {
        test_heap heap = {0, n, 0, false};
        (void)run_steps(&heap);
        CHECK(heap.live == 0);
        if (!heap.failed) {
            break;
        }
        failures++;
    }
    CHECK(failures > 50);
}

static void test_a_load_may_fail(void) {
    for (size_t n = 1;; n++) {
        test_heap heap = {0, n, 0, false};
        fua_allocator al = test_allocator(&heap);
        fua_engine *engine = new_engine(&al);
        fua_status status = engine == NULL ? FUA_ERR_NOMEM : FUA_OK;
        if (engine != NULL) {
            fua_engine_begin_load(engine);
            for (size_t i = 0; status == FUA_OK && i < STEP_COUNT; i++) {
                status = STEPS[i].adding ? apply(engine, &STEPS[i]) : FUA_OK;
            }
            if (status == FUA_OK) {
                status = fua_engine_settle(engine);
                if (status == FUA_ERR_NOMEM) {
                    CHECK_OK(fua_engine_settle(engine)); /* it can be asked again */
                }
            }
        }
        CHECK(status == FUA_OK || status == FUA_ERR_NOMEM);
        CHECK(heap.failed == (status == FUA_ERR_NOMEM));
        fua_engine_free(engine);
        CHECK(heap.live == 0);
        if (!heap.failed) {
            break;
        }
    }
}

static void test_reach_may_fail(void) {
    test_heap heap = {0, 0, 0, false};
    fua_allocator al = test_allocator(&heap);
    fua_engine *engine = new_engine(&al);
    const fua_reached *ids = NULL;
    size_t count = 9;
    CHECK(engine != NULL);
    CHECK_OK(apply(engine, &STEPS[0]));
    CHECK_OK(apply(engine, &STEPS[5]));
    heap.fail_at = heap.calls + 1;
    CHECK(fua_engine_reach(engine, FUA_TYPE_G, fua_text_of("u:a"), NULL, true, &ids, &count) == FUA_ERR_NOMEM);
    CHECK(count == 0);
    CHECK_OK(fua_engine_reach(engine, FUA_TYPE_G, fua_text_of("u:a"), NULL, true, &ids, &count));
    CHECK(count == 2 && fua_text_equal(fua_intern_text(&engine->strings, ids[1].id), fua_text_of("r:y")));
    fua_engine_free(engine);
    CHECK(heap.live == 0);
}

static void test_cycles_are_found_and_leave_nothing(void) {
    static const step links[] = {{true, 1, {"a", "b"}}, {true, 1, {"b", "c"}}};
    fua_text closing[2] = {fua_text_of("c"), fua_text_of("a")};
    for (size_t n = 1;; n++) {
        test_heap heap = {0, 0, 0, false};
        fua_allocator al = test_allocator(&heap);
        fua_engine *engine = new_engine(&al);
        CHECK(engine != NULL);
        CHECK_OK(apply(engine, &links[0]));
        CHECK_OK(apply(engine, &links[1]));
        size_t strings = engine->strings.used;
        fua_ids path = {NULL, 0, 0};
        heap.fail_at = heap.calls + n;
        fua_status status = fua_engine_find_cycle(engine, FUA_TYPE_G, closing, 1, NULL, 0, &path);
        if (status == FUA_ERR_CYCLE) {
            CHECK(path.count == 4 && path.ids[0] == path.ids[3]);
            fua_engine_release_ids(engine, &path);
        }
        CHECK(status == (heap.failed ? FUA_ERR_NOMEM : FUA_ERR_CYCLE));
        CHECK(engine->strings.used == strings);
        fua_engine_free(engine);
        CHECK(heap.live == 0);
        if (!heap.failed) {
            break;
        }
    }
}

/* A custom model, from its text to a decision. */
static fua_status run_custom(const fua_allocator *al, bool *allowed) {
    fua_model *model = NULL;
    fua_engine *engine = NULL;
    fua_model_error error;
    fua_status status = fua_model_parse(al, fua_text_of(MODEL), &model, &error);
    if (status != FUA_OK) {
        return status;
    }
    status = fua_engine_new(al, model, KEY, &engine);
    if (status != FUA_OK) {
        fua_model_free(model);
        return status;
    }
    fua_text link[3] = {fua_text_of("al"), fua_text_of("admin"), fua_text_of("d1")};
    fua_text rule[5] = {fua_text_of("admin"), fua_text_of("d1"), fua_text_of("/a/*"), fua_text_of("read"),
                        fua_text_of("allow")};
    fua_text request[4] = {fua_text_of("al"), fua_text_of("d1"), fua_text_of("/a/b"), fua_text_of("read")};
    bool added;
    status = fua_engine_add(engine, 1, link, 3, &added);
    if (status == FUA_OK) {
        status = fua_engine_add(engine, 0, rule, 5, &added);
    }
    if (status == FUA_OK) {
        status = fua_engine_decide(engine, request, 4, allowed);
    }
    fua_engine_free(engine);
    return status;
}

static void test_custom_models_may_fail(void) {
    for (size_t n = 1;; n++) {
        test_heap heap = {0, n, 0, false};
        fua_allocator al = test_allocator(&heap);
        bool allowed = false;
        fua_status status = run_custom(&al, &allowed);
        CHECK(status == FUA_OK || (status == FUA_ERR_NOMEM && heap.failed)); /* some failures only cost time */
        CHECK(allowed == (status == FUA_OK));
        CHECK(heap.live == 0);
        if (!heap.failed) {
            break;
        }
    }
}

/* Any beginning of a model text, and any byte of it changed, is read or refused. */
static void test_damaged_models(void) {
    size_t size = sizeof MODEL - 1;
    for (size_t at = 0; at < size; at++) {
        for (int kind = 0; kind < 12; kind++) {
            size_t length = kind == 0 ? at : size;
            char *text = malloc(length + 1);
            CHECK(text != NULL);
            memcpy(text, MODEL, length);
            if (kind > 0) {
                text[at] = "\0\n\\(),'*=!&"[kind - 1];
            }
            fua_model *model = NULL;
            fua_model_error error = {0, ""};
            fua_status status =
                fua_model_parse(fua_allocator_default(), (fua_text){text, length}, &model, &error);
            CHECK(status == FUA_OK || status == FUA_ERR_SYNTAX || status == FUA_ERR_UNSUPPORTED);
            CHECK((status == FUA_OK) == (model != NULL));
            CHECK(status == FUA_OK || error.message[0] != '\0');
            CHECK(memchr(error.message, '\0', sizeof error.message) != NULL);
            fua_model_free(model);
            free(text);
        }
    }
}

/* Of two definitions of a name the later one counts, and nothing of the earlier one. */
static void test_later_definitions_count(void) {
    static const char text[] = "[request_definition]\nr = sub, dom, obj\nr = sub, obj\n"
                               "[policy_definition]\np = sub, obj, eft, priority\np = sub, obj\n"
                               "[role_definition]\ng = _, _, _\ng = _, _\n[policy_effect]\n"
                               "e = !some(where (p.eft == deny))\ne = priority(p.eft) || deny\n"
                               "[matchers]\nm = false\nm = g(r.sub, p.sub) && r.obj == p.obj\n";
    fua_model *model = NULL;
    fua_engine *engine = NULL;
    fua_model_error error;
    bool added, allowed;
    CHECK_OK(fua_model_parse(fua_allocator_default(), fua_text_of(text), &model, &error));
    CHECK(model->type_count == 2 && model->types[0].width == 2 && model->types[1].width == 2);
    CHECK(model->effect_field == -1 && model->priority_field == -1 && model->request_width == 2);
    CHECK_OK(fua_engine_new(fua_allocator_default(), model, KEY, &engine));
    fua_text link[2] = {fua_text_of("al"), fua_text_of("admin")}, rule[2] = {fua_text_of("admin"), fua_text_of("o")};
    fua_text request[2] = {fua_text_of("al"), fua_text_of("o")};
    CHECK_OK(fua_engine_add(engine, 1, link, 2, &added));
    CHECK_OK(fua_engine_add(engine, 0, rule, 2, &added));
    CHECK_OK(fua_engine_decide(engine, request, 2, &allowed));
    CHECK(allowed);
    fua_engine_free(engine);
    static const char twice[] = "[policy_definition]\np = sub, obj, sub\n";
    CHECK(fua_model_parse(fua_allocator_default(), fua_text_of(twice), &model, &error) == FUA_ERR_SYNTAX);
    CHECK(error.line == 2 && strcmp(error.message, "a field is defined twice: 'sub'") == 0);
}

static void test_rules_that_do_not_fit(void) {
    fua_engine *engine = new_engine(fua_allocator_default());
    CHECK(engine != NULL);
    fua_text rule[5] = {fua_text_of("u:a"), fua_text_of("o"), fua_text_of("a"), fua_text_of("g"), fua_text_of("allow")};
    CHECK_OK(fua_engine_check(engine, 0, rule, 5));
    CHECK(fua_engine_check(engine, 0, rule, 4) == FUA_ERR_ARITY);
    CHECK(fua_engine_check(engine, 1, rule, 3) == FUA_ERR_ARITY);
    rule[4] = fua_text_of("Allow");
    CHECK(fua_engine_check(engine, 0, rule, 5) == FUA_ERR_EFFECT);
    rule[4] = fua_text_of("deny");
    rule[0] = fua_text_of("u:root");
    CHECK(fua_engine_check(engine, 0, rule, 5) == FUA_ERR_ROOT);
    CHECK_OK(fua_engine_check(engine, 1, rule, 2));
    bool allowed;
    CHECK(fua_engine_decide(engine, rule, 3, &allowed) == FUA_ERR_ARITY);
    fua_engine_free(engine);
    fua_engine_free(NULL);
    fua_model_free(NULL);
}

int main(void) {
    test_every_allocation_may_fail();
    test_a_load_may_fail();
    test_reach_may_fail();
    test_cycles_are_found_and_leave_nothing();
    test_custom_models_may_fail();
    test_damaged_models();
    test_later_definitions_count();
    test_rules_that_do_not_fit();
    return 0;
}
