#include "policy/custom.h"

#include <string.h>

#include "policy/engine.h"

void fua_custom_free(const fua_allocator *al, fua_custom *custom) {
    for (size_t i = 0; i < custom->count; i++) {
        fua_idmap_free(&custom->reaches[i].ids);
    }
    fua_free(al, custom->reaches);
    *custom = (fua_custom){NULL, 0, 0};
}

typedef struct decision {
    fua_engine *engine;
    const fua_matcher *matcher;
    const fua_text *request;
    const uint32_t *rule; /* fields of the rule under test; NULL stands for a rule of empty texts */
    /* what the rules seen so far amount to */
    bool any_allow, any_deny;
    int64_t best_order; /* priority effects: the order of the best match */
    uint32_t best_row, allow_row, deny_row;
    bool best_allows, has_best;
} decision;

static fua_text value_of(const decision *d, uint32_t id) {
    const fua_node *node = &d->matcher->nodes[id];
    switch (node->kind) {
    case FUA_NODE_REQUEST: return d->request[node->index];
    case FUA_NODE_RULE:
        return d->rule == NULL ? fua_text_of("") : fua_intern_text(&d->engine->strings, d->rule[node->index]);
    default: return node->text;
    }
}

/* The subjects above `member`, itself included; made once a decision. */
static fua_status reach_of(decision *d, size_t type, uint32_t member, uint32_t domain, fua_custom_reach **out) {
    fua_engine *engine = d->engine;
    fua_custom *custom = &engine->custom;
    for (size_t i = 0; i < custom->count; i++) {
        fua_custom_reach *known = &custom->reaches[i];
        if (known->type == type && known->member == member && known->domain == domain) {
            *out = known;
            return FUA_OK;
        }
    }
    void *block = custom->reaches;
    fua_status status = fua_grow(engine->al, &block, &custom->cap, custom->count + 1, sizeof *custom->reaches);
    custom->reaches = block;
    if (status != FUA_OK) {
        return status;
    }
    fua_custom_reach *fresh = &custom->reaches[custom->count++];
    fresh->type = type;
    fresh->member = member;
    fresh->domain = domain;
    fua_idmap_init(&fresh->ids, engine->al);
    const fua_reached *above = NULL;
    size_t count = 0;
    fua_text domain_text = domain == FUA_NO_ID ? fua_text_of("") : fua_intern_text(&engine->strings, domain);
    status = fua_engine_reach(engine, type, fua_intern_text(&engine->strings, member),
                              domain == FUA_NO_ID ? NULL : &domain_text, true, &above, &count);
    if (status == FUA_OK) {
        status = fua_idmap_set(&fresh->ids, member, 1);
    }
    for (size_t i = 0; i < count && status == FUA_OK; i++) {
        status = fua_idmap_set(&fresh->ids, above[i].id, 1);
    }
    *out = fresh;
    return status;
}

static fua_status has_role(decision *d, const fua_node *node, bool *holds) {
    fua_text member = value_of(d, node->args[0]), role = value_of(d, node->args[1]);
    *holds = fua_text_equal(member, role);
    if (*holds) {
        return FUA_OK;
    }
    const fua_intern *strings = &d->engine->strings;
    uint32_t domain = FUA_NO_ID;
    if (node->args[2] != FUA_NO_NODE) {
        domain = fua_intern_find(strings, value_of(d, node->args[2]));
        if (domain == FUA_NO_ID) {
            return FUA_OK;
        }
    }
    uint32_t member_id = fua_intern_find(strings, member), role_id = fua_intern_find(strings, role);
    if (member_id == FUA_NO_ID || role_id == FUA_NO_ID) {
        return FUA_OK;
    }
    fua_custom_reach *above = NULL;
    fua_status status = reach_of(d, node->index, member_id, domain, &above);
    *holds = status == FUA_OK && fua_idmap_get(&above->ids, role_id, 0) != 0;
    return status;
}

/* Recursion is bounded by FUA_MATCHER_MAX_DEPTH for nesting and by the length of one expression for chains. */
static fua_status test(decision *d, uint32_t id, bool *holds) {
    const fua_node *node = &d->matcher->nodes[id];
    fua_status status = FUA_OK;
    switch (node->kind) {
    case FUA_NODE_TRUE: *holds = true; return FUA_OK;
    case FUA_NODE_FALSE: *holds = false; return FUA_OK;
    case FUA_NODE_EQUAL:
        *holds = fua_text_equal(value_of(d, node->args[0]), value_of(d, node->args[1]));
        return FUA_OK;
    case FUA_NODE_NOT_EQUAL:
        *holds = !fua_text_equal(value_of(d, node->args[0]), value_of(d, node->args[1]));
        return FUA_OK;
    case FUA_NODE_KEY_MATCH:
        *holds = fua_action_matches(value_of(d, node->args[1]), value_of(d, node->args[0]));
        return FUA_OK;
    case FUA_NODE_ROLE: return has_role(d, node, holds);
    case FUA_NODE_NOT:
        status = test(d, node->args[0], holds);
        *holds = !*holds;
        return status;
    case FUA_NODE_AND:
    case FUA_NODE_OR:
        status = test(d, node->args[0], holds);
        if (status == FUA_OK && *holds == (node->kind == FUA_NODE_AND)) {
            status = test(d, node->args[1], holds);
        }
        return status;
    default: *holds = false; return FUA_ERR_SYNTAX;
    }
}

/* The number in a priority field; what is not a number comes last. */
static int64_t number_of(fua_text text) {
    int64_t value = 0;
    size_t i = text.size > 0 && text.data[0] == '-' ? 1 : 0;
    if (text.size == i || text.size > 18) {
        return INT64_MAX;
    }
    for (size_t at = i; at < text.size; at++) {
        if (text.data[at] < '0' || text.data[at] > '9') {
            return INT64_MAX;
        }
        value = value * 10 + (text.data[at] - '0');
    }
    return i == 1 ? -value : value;
}

static void note_match(decision *d, uint32_t row) {
    const fua_engine *engine = d->engine;
    const fua_model *model = engine->model;
    bool allow = true;
    if (model->effect_field >= 0) {
        fua_text effect = fua_intern_text(&engine->strings, d->rule[model->effect_field]);
        allow = fua_text_equal(effect, fua_text_of("allow"));
        if (!allow && !fua_text_equal(effect, fua_text_of("deny"))) {
            return; /* Casbin's indeterminate: as if it had not matched */
        }
    }
    uint32_t *first = allow ? &d->allow_row : &d->deny_row;
    *first = row < *first ? row : *first;
    *(allow ? &d->any_allow : &d->any_deny) = true;
    int64_t order = 0;
    if (model->effect == FUA_EFFECT_SUBJECT_PRIORITY) {
        order = fua_levels_of(&engine->levels, d->rule[0]);
    } else if (model->priority_field >= 0) {
        order = number_of(fua_intern_text(&engine->strings, d->rule[model->priority_field]));
    }
    if (!d->has_best || order < d->best_order || (order == d->best_order && row < d->best_row)) {
        d->has_best = true;
        d->best_order = order;
        d->best_row = row;
        d->best_allows = allow;
    }
}

static fua_status try_row(decision *d, uint32_t condition, uint32_t row) {
    bool holds = false;
    d->rule = fua_rules_fields(&d->engine->rules[0], row);
    fua_status status = test(d, condition, &holds);
    if (status == FUA_OK && holds) {
        note_match(d, row);
    }
    return status;
}

/* A condition of the form request value == rule field 0 or 1, or role(request value, rule field 0 or 1, ...). */
static const fua_node *find_index(const decision *d, uint32_t id) {
    const fua_node *nodes = d->matcher->nodes, *node = &nodes[id];
    if (node->kind == FUA_NODE_AND) {
        const fua_node *left = find_index(d, node->args[0]);
        return left != NULL ? left : find_index(d, node->args[1]);
    }
    bool role = node->kind == FUA_NODE_ROLE;
    if (!role && node->kind != FUA_NODE_EQUAL) {
        return NULL;
    }
    const fua_node *field = &nodes[node->args[1]];
    bool domain_known = !role || node->args[2] == FUA_NO_NODE || !nodes[node->args[2]].on_rule;
    bool usable = domain_known && !nodes[node->args[0]].on_rule && field->kind == FUA_NODE_RULE &&
                  field->index < FUA_CHAINS && field->index < d->engine->rules[0].width;
    return usable ? node : NULL;
}

static fua_status try_chain(decision *d, uint32_t condition, size_t chain, uint32_t id) {
    const fua_rules *rules = &d->engine->rules[0];
    fua_status status = FUA_OK;
    for (uint32_t row = fua_rules_first(rules, chain, id); row != FUA_NO_ROW && status == FUA_OK;
         row = fua_rules_next(rules, chain, row)) {
        status = try_row(d, condition, row);
    }
    return status;
}

static fua_status try_index(decision *d, uint32_t condition, const fua_node *index) {
    const fua_intern *strings = &d->engine->strings;
    size_t chain = d->matcher->nodes[index->args[1]].index;
    uint32_t id = fua_intern_find(strings, value_of(d, index->args[0])), domain = FUA_NO_ID;
    if (id == FUA_NO_ID) {
        return FUA_OK;
    }
    if (index->kind == FUA_NODE_EQUAL) {
        return try_chain(d, condition, chain, id);
    }
    if (index->args[2] != FUA_NO_NODE) {
        domain = fua_intern_find(strings, value_of(d, index->args[2]));
    }
    if (index->args[2] != FUA_NO_NODE && domain == FUA_NO_ID) {
        return try_chain(d, condition, chain, id); /* no link of that domain: the subject itself remains */
    }
    fua_custom_reach *above = NULL;
    fua_status status = reach_of(d, index->index, id, domain, &above);
    if (status != FUA_OK) {
        return status;
    }
    size_t which = (size_t)(above - d->engine->custom.reaches); /* the array may move while rules are tried */
    size_t slots = above->ids.slot_count;
    for (size_t slot = 0; slot < slots && status == FUA_OK; slot++) {
        uint32_t key = d->engine->custom.reaches[which].ids.slots[slot].key;
        if (key != FUA_NO_ID) {
            status = try_chain(d, condition, chain, key);
        }
    }
    return status;
}

/* Conditions on the request alone inside a conjunction; false when one of them fails. */
static fua_status request_allows(decision *d, uint32_t id, bool *holds) {
    const fua_node *node = &d->matcher->nodes[id];
    if (!node->on_rule) {
        return test(d, id, holds);
    }
    *holds = true;
    if (node->kind != FUA_NODE_AND) {
        return FUA_OK;
    }
    fua_status status = request_allows(d, node->args[0], holds);
    return status == FUA_OK && *holds ? request_allows(d, node->args[1], holds) : status;
}

static fua_status try_alternative(decision *d, uint32_t id) {
    const fua_node *node = &d->matcher->nodes[id];
    if (node->kind == FUA_NODE_OR) {
        fua_status status = try_alternative(d, node->args[0]);
        return status == FUA_OK ? try_alternative(d, node->args[1]) : status;
    }
    bool possible = false;
    fua_status status = request_allows(d, id, &possible);
    if (status != FUA_OK || !possible) {
        return status;
    }
    const fua_node *index = find_index(d, id);
    if (index != NULL) {
        return try_index(d, id, index);
    }
    const fua_rules *rules = &d->engine->rules[0];
    for (uint32_t row = 0; row < rules->rows && status == FUA_OK; row++) {
        if (fua_rules_is_live(rules, row)) {
            status = try_row(d, id, row);
        }
    }
    return status;
}

static bool conclude(const decision *d, uint32_t *row) {
    bool allowed = false;
    uint32_t reason = FUA_NO_ROW;
    switch (d->engine->model->effect) {
    case FUA_EFFECT_ALLOW_OVERRIDE:
        allowed = d->any_allow;
        reason = d->allow_row;
        break;
    case FUA_EFFECT_DENY_OVERRIDE:
        allowed = !d->any_deny;
        reason = d->deny_row;
        break;
    case FUA_EFFECT_ALLOW_AND_DENY:
        allowed = d->any_allow && !d->any_deny;
        reason = d->any_deny ? d->deny_row : FUA_NO_ROW;
        break;
    case FUA_EFFECT_PRIORITY:
    case FUA_EFFECT_SUBJECT_PRIORITY:
        allowed = d->has_best && d->best_allows;
        reason = d->has_best ? d->best_row : FUA_NO_ROW;
        break;
    }
    if (row != NULL) {
        *row = reason;
    }
    return allowed;
}

fua_status fua_custom_decide(fua_engine *engine, const fua_text *request, bool *allowed, uint32_t *row) {
    decision d;
    memset(&d, 0, sizeof d);
    d.engine = engine;
    d.matcher = &engine->model->matcher;
    d.request = request;
    d.best_row = d.allow_row = d.deny_row = FUA_NO_ROW;
    fua_status status = FUA_OK;
    bool matched = false;
    if (engine->rules[0].live == 0) {
        status = test(&d, d.matcher->root, &matched); /* Casbin: without rules the matcher itself is the answer */
        d.any_allow = d.has_best = d.best_allows = matched;
    } else {
        status = try_alternative(&d, d.matcher->root);
    }
    *allowed = status == FUA_OK && conclude(&d, row);
    fua_custom_free(engine->al, &engine->custom);
    return status;
}
