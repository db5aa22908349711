#include "policy/engine.h"

#include <string.h>

#include "policy/index.h"
#include "policy/reach.h"

/* --- decisions of the built-in model -------------------------------------------------------------------------- */

typedef struct verdict {
    bool decided, allowed;
    uint32_t level;
} verdict;

/* Says that judge will be asked. */
static void fetch_grants(const fua_engine *engine, size_t count, uint32_t obj, uint32_t group) {
    for (size_t i = 0; i < count && i < FUA_SMALL_REACH; i++) {
        for (size_t k = 0; k < engine->keys.count; k++) {
            fua_grants_prefetch(&engine->grants, engine->reached[i].id, obj, engine->keys.ids[k], group);
        }
    }
}

/* The lowest level with a relevant rule decides; there, deny beats allow. */
static verdict judge(const fua_engine *engine, size_t count, uint32_t obj, uint32_t group) {
    verdict result = {false, false, 0};
    for (size_t i = 0; i < count; i++) {
        const fua_reached *subject = &engine->reached[i];
        if (result.decided && subject->level != result.level) {
            break;
        }
        for (size_t k = 0; k < engine->keys.count; k++) {
            const fua_grant *grant = fua_grants_find(&engine->grants, subject->id, obj, engine->keys.ids[k], group);
            if (grant == NULL) {
                continue;
            }
            if (grant->deny > 0) {
                return (verdict){true, false, subject->level};
            }
            result = (verdict){true, true, subject->level};
        }
    }
    return result;
}

/* The row behind a verdict: the oldest rule of its level and effect that is relevant to the request. */
static fua_status find_reason(fua_engine *engine, size_t count, verdict result, const fua_text *request, uint32_t obj,
                              uint32_t group, uint32_t *row) {
    const fua_rules *rules = &engine->rules[FUA_TYPE_P];
    fua_ids subjects = {NULL, 0, 0};
    fua_status status = FUA_OK;
    for (size_t i = 0; i < count && status == FUA_OK; i++) { /* a copy: fua_index_containers reuses engine->reached */
        if (engine->reached[i].level == result.level) {
            status = fua_ids_push(engine->al, &subjects, engine->reached[i].id);
        }
    }
    for (size_t i = 0; i < subjects.count && status == FUA_OK; i++) {
        for (uint32_t at = fua_rules_first(rules, 0, subjects.ids[i]); at != FUA_NO_ROW && status == FUA_OK;
             at = fua_rules_next(rules, 0, at)) {
            const uint32_t *fields = fua_rules_fields(rules, at);
            fua_text act = fua_intern_text(&engine->strings, fields[FUA_P_ACT]);
            if (at > *row || !fua_action_matches(act, request[FUA_P_ACT]) || fields[FUA_P_GROUP] != group ||
                fua_index_allows(engine, fields) != result.allowed) {
                continue;
            }
            if (fields[FUA_P_OBJ] != obj) {
                status = result.allowed ? fua_index_containers(engine, fields[FUA_P_OBJ]) : FUA_OK;
                if (!result.allowed || status != FUA_OK || !fua_ids_hold(&engine->above, obj)) {
                    continue;
                }
            }
            *row = at;
        }
    }
    fua_ids_free(engine->al, &subjects);
    return status;
}

/* The keys under which rules for an action stand, into engine->keys: those of the prefixes that it starts with.  The
 * action's own id is one more. */
static fua_status keys_of_prefixes(fua_engine *engine, fua_text action) {
    fua_status status = FUA_OK;
    engine->keys.count = 0;
    size_t length = 0;
    for (uint32_t key;
         status == FUA_OK && (key = fua_actions_next(&engine->actions, action, &length)) != FUA_NO_ID;) {
        status = fua_ids_push(engine->al, &engine->keys, key);
    }
    return status;
}

static fua_status decide_builtin(fua_engine *engine, const fua_text *request, bool *allowed, uint32_t *row) {
    if (fua_text_equal(request[FUA_P_SUB], fua_text_of(FUA_SUPER_SUBJECT))) {
        *allowed = true;
        return FUA_OK;
    }
    uint32_t hashes[FUA_R_WIDTH], obj, group;
    fua_intern_slot *found[FUA_R_WIDTH];
    verdict result;
    fua_intern_begin(&engine->strings, request, FUA_R_WIDTH, hashes);
    fua_status status = keys_of_prefixes(engine, request[FUA_P_ACT]);
    size_t prefixes = engine->keys.count, count = 0;
    fua_intern_likely(&engine->strings, hashes, FUA_R_WIDTH, found);
    do { /* again only if a text has the hash of another one */
        if (found[FUA_P_SUB] == NULL || found[FUA_P_OBJ] == NULL || found[FUA_P_GROUP] == NULL) {
            return status; /* no rule names it */
        }
        engine->keys.count = prefixes;
        if (status == FUA_OK && found[FUA_P_ACT] != NULL) {
            status = fua_ids_push(engine->al, &engine->keys, found[FUA_P_ACT]->id);
        }
        if (status == FUA_OK) {
            status = fua_subjects_of(engine, found[FUA_P_SUB], &count);
        }
        if (status != FUA_OK) {
            return status;
        }
        obj = found[FUA_P_OBJ]->id;
        group = found[FUA_P_GROUP]->id;
        fetch_grants(engine, count, obj, group);
        result = judge(engine, count, obj, group);
    } while (!fua_intern_confirm(&engine->strings, request, hashes, FUA_R_WIDTH, found));
    if (row != NULL && result.decided) {
        status = find_reason(engine, count, result, request, obj, group, row);
    }
    *allowed = status == FUA_OK && result.allowed;
    return status;
}

static fua_status be_settled(fua_engine *engine) {
    return engine->grants_stale || engine->levels.stale ? fua_engine_settle(engine) : FUA_OK;
}

static fua_status decide(fua_engine *engine, const fua_text *request, size_t count, bool *allowed, uint32_t *row) {
    *allowed = false;
    if (count != engine->model->request_width) {
        return FUA_ERR_ARITY;
    }
    fua_status status = be_settled(engine);
    if (status != FUA_OK) {
        return status;
    }
    return engine->model->builtin ? decide_builtin(engine, request, allowed, row)
                                  : fua_custom_decide(engine, request, allowed, row);
}

static fua_status decide_each_builtin(fua_engine *engine, fua_text subject, const fua_text *requests, size_t count,
                                      bool *allowed) {
    const size_t width = FUA_R_WIDTH - 1;
    if (fua_text_equal(subject, fua_text_of(FUA_SUPER_SUBJECT))) {
        memset(allowed, true, count * sizeof *allowed);
        return FUA_OK;
    }
    uint32_t sub = fua_intern_find(&engine->strings, subject);
    if (sub == FUA_NO_ID) {
        return FUA_OK;
    }
    size_t subjects = 0; /* they stay in engine->reached: nothing below follows links */
    fua_status status = fua_subjects_of(engine, fua_intern_at(&engine->strings, sub), &subjects);
    for (size_t i = 0; i < count && status == FUA_OK; i++) {
        const fua_text *request = requests + i * width;
        uint32_t ids[FUA_R_WIDTH - 1];
        fua_intern_find_all(&engine->strings, request, width, ids);
        uint32_t obj = ids[FUA_P_OBJ - 1], act = ids[FUA_P_ACT - 1], group = ids[FUA_P_GROUP - 1];
        if (obj != FUA_NO_ID && group != FUA_NO_ID) {
            status = keys_of_prefixes(engine, request[FUA_P_ACT - 1]);
            if (status == FUA_OK && act != FUA_NO_ID) {
                status = fua_ids_push(engine->al, &engine->keys, act);
            }
            fetch_grants(engine, subjects, obj, group);
            allowed[i] = status == FUA_OK && judge(engine, subjects, obj, group).allowed;
        }
    }
    return status;
}

fua_status fua_engine_decide_each(fua_engine *engine, fua_text subject, const fua_text *requests, size_t count,
                                  size_t width, bool *allowed) {
    for (size_t i = 0; i < count; i++) {
        allowed[i] = false;
    }
    if (width + 1 != engine->model->request_width) {
        return FUA_ERR_ARITY;
    }
    fua_status status = be_settled(engine);
    if (status == FUA_OK && engine->model->builtin) {
        return decide_each_builtin(engine, subject, requests, count, allowed);
    }
    fua_text request[FUA_RULE_MAX_FIELDS];
    request[0] = subject;
    for (size_t i = 0; i < count && status == FUA_OK; i++) {
        for (size_t k = 0; k < width; k++) {
            request[k + 1] = requests[i * width + k];
        }
        status = decide(engine, request, width + 1, &allowed[i], NULL);
    }
    return status;
}

fua_status fua_engine_decide(fua_engine *engine, const fua_text *request, size_t count, bool *allowed) {
    return decide(engine, request, count, allowed, NULL);
}

fua_status fua_engine_explain(fua_engine *engine, const fua_text *request, size_t count, bool *allowed,
                              uint32_t *row) {
    *row = FUA_NO_ROW;
    return decide(engine, request, count, allowed, row);
}
