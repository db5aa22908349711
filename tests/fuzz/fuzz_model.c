/* Model texts made of any bytes: read or refused with a message, also where memory runs out; and what is read decides
 * as its matcher says, tried rule by rule in full.  A first byte of '=' puts the rest into a model as its matcher. */
#include <stdbool.h>
#include <stdio.h>

#include "../c/heap.h"
#include "fuzz.h"
#include "policy/engine.h"

enum { WORDS = 7, RULES = 24 };

static const char *const WORD[WORDS] = {"alice", "admin", "d", "/a/b", "/a/*", "allow", "deny"};

/* --- the definition ------------------------------------------------------------------------------------------- */

typedef struct trial {
    const fua_engine *engine;
    const fua_text *request;
    uint32_t row; /* FUA_NO_ROW: a rule of empty texts */
} trial;

static fua_text value_of(const trial *t, uint32_t id) {
    const fua_node *node = &t->engine->model->matcher.nodes[id];
    if (node->kind == FUA_NODE_REQUEST) {
        return t->request[node->index];
    }
    if (node->kind == FUA_NODE_RULE) {
        return t->row == FUA_NO_ROW ? fua_text_of("") : fua_engine_field(t->engine, 0, t->row, node->index);
    }
    CHECK(node->kind == FUA_NODE_TEXT);
    return node->text;
}

/* Over at most `left` links, so that cycles end. */
static bool has_role(const fua_engine *engine, size_t type, fua_text member, fua_text role, const fua_text *domain,
                     size_t left) {
    const fua_rules *links = &engine->rules[type];
    if (fua_text_equal(member, role)) {
        return true;
    }
    for (uint32_t row = 0; left > 0 && row < links->rows; row++) {
        if (fua_text_equal(fua_engine_field(engine, type, row, 0), member) &&
            (domain == NULL || fua_text_equal(fua_engine_field(engine, type, row, 2), *domain)) &&
            has_role(engine, type, fua_engine_field(engine, type, row, 1), role, domain, left - 1)) {
            return true;
        }
    }
    return false;
}

static bool key_match(fua_text text, fua_text pattern) {
    for (size_t i = 0; i < pattern.size && pattern.data[i] != '*'; i++) {
        if (i >= text.size || text.data[i] != pattern.data[i]) {
            return false;
        }
    }
    return (pattern.size > 0 && memchr(pattern.data, '*', pattern.size) != NULL) || text.size == pattern.size;
}

static bool holds(const trial *t, uint32_t id) {
    const fua_node *node = &t->engine->model->matcher.nodes[id];
    fua_text domain;
    switch (node->kind) {
    case FUA_NODE_TRUE: return true;
    case FUA_NODE_FALSE: return false;
    case FUA_NODE_EQUAL: return fua_text_equal(value_of(t, node->args[0]), value_of(t, node->args[1]));
    case FUA_NODE_NOT_EQUAL: return !fua_text_equal(value_of(t, node->args[0]), value_of(t, node->args[1]));
    case FUA_NODE_KEY_MATCH: return key_match(value_of(t, node->args[0]), value_of(t, node->args[1]));
    case FUA_NODE_NOT: return !holds(t, node->args[0]);
    case FUA_NODE_AND: return holds(t, node->args[0]) && holds(t, node->args[1]);
    case FUA_NODE_OR: return holds(t, node->args[0]) || holds(t, node->args[1]);
    case FUA_NODE_ROLE:
        if (node->args[2] != FUA_NO_NODE) {
            domain = value_of(t, node->args[2]);
        }
        return has_role(t->engine, node->index, value_of(t, node->args[0]), value_of(t, node->args[1]),
                        node->args[2] != FUA_NO_NODE ? &domain : NULL, WORDS);
    default: abort();
    }
}

/* What the priority effects order rules by; less goes first. */
static long order_of(fua_engine *engine, uint32_t row) {
    const fua_model *model = engine->model;
    if (model->effect == FUA_EFFECT_SUBJECT_PRIORITY) {
        return fua_levels_of(&engine->levels, fua_rules_fields(&engine->rules[0], row)[0]);
    }
    if (model->priority_field >= 0) {
        fua_text text = fua_engine_field(engine, 0, row, (size_t)model->priority_field);
        return text.size == 1 && text.data[0] >= '0' && text.data[0] <= '9' ? text.data[0] - '0' : 1000;
    }
    return 0;
}

static bool define(fua_engine *engine, const fua_text *request) {
    const fua_model *model = engine->model;
    bool any[2] = {false, false}, best = false, has_best = false;
    long lowest = 0;
    trial t = {engine, request, FUA_NO_ROW};
    if (engine->rules[0].live == 0) {
        any[1] = best = has_best = holds(&t, model->matcher.root);
    }
    for (t.row = 0; t.row < engine->rules[0].rows; t.row++) {
        bool allow = true, deny = false;
        if (model->effect_field >= 0) {
            fua_text effect = fua_engine_field(engine, 0, t.row, (size_t)model->effect_field);
            allow = fua_text_equal(effect, fua_text_of("allow"));
            deny = fua_text_equal(effect, fua_text_of("deny"));
        }
        if ((allow || deny) && holds(&t, model->matcher.root)) {
            any[allow] = true;
            if (!has_best || order_of(engine, t.row) < lowest) {
                has_best = true;
                best = allow;
                lowest = order_of(engine, t.row);
            }
        }
    }
    switch (model->effect) {
    case FUA_EFFECT_ALLOW_OVERRIDE: return any[1];
    case FUA_EFFECT_DENY_OVERRIDE: return !any[0];
    case FUA_EFFECT_ALLOW_AND_DENY: return any[1] && !any[0];
    default: return has_best && best;
    }
}

/* --- reading and asking --------------------------------------------------------------------------------------- */

static fua_status add(fua_engine *engine, size_t type, uint32_t *chance) {
    fua_text fields[FUA_RULE_MAX_FIELDS];
    size_t width = engine->rules[type].width;
    bool added;
    for (size_t i = 0; i < width; i++) {
        *chance = *chance * 1103515245U + 12345U;
        uint32_t number = *chance >> 16;
        bool is_effect = type == 0 && (int)i == engine->model->effect_field && number % 8 != 0;
        fields[i] = fua_text_of(is_effect ? WORD[5 + number / 8 % 2] : WORD[number / 8 % WORDS]);
        if (type == 0 && (int)i == engine->model->priority_field) {
            fields[i] = (fua_text){&"0123-x"[number / 8 % 6], 1};
        }
    }
    fua_status status = fua_engine_check(engine, type, fields, width);
    return status == FUA_OK ? fua_engine_add(engine, type, fields, width, &added) : status;
}

/* With `rules` of each type; the heap may fail once anywhere. */
static fua_status decide_some(fua_engine *engine, uint32_t chance, size_t rules) {
    fua_status status = FUA_OK;
    for (size_t i = 0; i < rules && status == FUA_OK; i++) {
        for (size_t type = 0; type < engine->model->type_count && status == FUA_OK; type++) {
            status = type > 0 && i > 5 ? FUA_OK : add(engine, type, &chance);
        }
    }
    for (size_t i = 0; i < 12 && status == FUA_OK; i++) {
        fua_text request[FUA_RULE_MAX_FIELDS];
        bool allowed = false, same = false;
        uint32_t row = FUA_NO_ROW;
        for (size_t k = 0; k < engine->model->request_width; k++) {
            chance = chance * 1103515245U + 12345U;
            request[k] = fua_text_of(WORD[(chance >> 16) % WORDS]);
        }
        status = fua_engine_decide(engine, request, engine->model->request_width, &allowed);
        if (status == FUA_OK) {
            CHECK(allowed == define(engine, request));
            status = fua_engine_explain(engine, request, engine->model->request_width, &same, &row);
            CHECK(status != FUA_OK || same == allowed);
        }
    }
    return status;
}

static fua_status run(const fua_allocator *al, fua_text text, uint32_t chance, size_t rules) {
    fua_model_error error = {0, ""};
    fua_model *model = NULL;
    fua_engine *engine = NULL;
    fua_status status = fua_model_parse(al, text, &model, &error);
    CHECK((status == FUA_OK) == (model != NULL));
    CHECK((status == FUA_ERR_SYNTAX || status == FUA_ERR_UNSUPPORTED) == (error.message[0] != '\0'));
    CHECK(memchr(error.message, '\0', sizeof error.message) != NULL && error.line <= text.size + 1);
    if (status == FUA_OK) {
        status = fua_engine_new(al, model, (fua_hash_key){1, 2}, &engine);
        if (status != FUA_OK) {
            fua_model_free(model);
        }
    }
    if (status == FUA_OK) {
        status = decide_some(engine, chance, rules);
    }
    fua_engine_free(engine);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char before[] = "[request_definition]\nr = sub, dom, obj, act\n"
                                 "[policy_definition]\np = sub, dom, obj, eft\n"
                                 "[role_definition]\ng = _, _\ng2 = _, _, _\n[policy_effect]\n"
                                 "e = some(where (p.eft == allow)) && !some(where (p.eft == deny))\n[matchers]\nm = ";
    size_t head = size > 0 && data[0] == '=' ? sizeof before - 1 : 0, skip = head > 0;
    char *joined = malloc(head + size + 1);
    CHECK(joined != NULL);
    memcpy(joined, before, head);
    if (size > skip) {
        memcpy(joined + head, data + skip, size - skip);
    }
    size_t length = head + size - skip;
    char *text = exact_copy(joined, length);
    uint32_t chance = size > 0 ? (uint32_t)size * 256 + data[size - 1] : 0;
    test_heap heap = {0, 0, 0, false}, failing = {0, 1 + chance % 97, 0, false};
    fua_allocator al = test_allocator(&heap), short_one = test_allocator(&failing);
    fua_status status = run(&al, (fua_text){text, length}, chance, chance % RULES);
    CHECK(status == FUA_OK || status == FUA_ERR_SYNTAX || status == FUA_ERR_UNSUPPORTED);
    CHECK(heap.live == 0);
    fua_status other = run(&short_one, (fua_text){text, length}, chance, chance % RULES);
    CHECK(other == status || (other == FUA_ERR_NOMEM && failing.failed));
    CHECK(failing.live == 0);
    free(text);
    free(joined);
    return 0;
}
