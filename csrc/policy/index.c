#include "policy/index.h"

#include "policy/reach.h"

fua_status fua_index_containers(fua_engine *engine, uint32_t page) {
    size_t count;
    engine->above.count = 0;
    fua_status status = FUA_OK;
    if (fua_rules_first(&engine->rules[FUA_TYPE_G2], 1, page) == FUA_NO_ROW) {
        return FUA_OK;
    }
    status = fua_reach(engine, FUA_TYPE_G2, page, FUA_NO_ID, false, &count);
    for (size_t i = 1; i < count && status == FUA_OK; i++) {
        status = fua_ids_push(engine->al, &engine->above, engine->reached[i].id);
    }
    return status;
}

bool fua_index_allows(const fua_engine *engine, const uint32_t *fields) {
    return fua_text_equal(fua_intern_text(&engine->strings, fields[FUA_P_EFT]), fua_text_of("allow"));
}

fua_status fua_index_add(fua_engine *engine, const uint32_t *fields, uint32_t key) {
    bool allow = fua_index_allows(engine, fields);
    fua_grants *grants = &engine->grants;
    fua_status status = fua_grants_add(grants, fields[FUA_P_SUB], fields[FUA_P_OBJ], key, fields[FUA_P_GROUP],
                                       allow ? FUA_GRANT_ALLOW : FUA_GRANT_DENY);
    if (status != FUA_OK || !allow) {
        return status;
    }
    status = fua_index_containers(engine, fields[FUA_P_OBJ]);
    for (size_t i = 0; i < engine->above.count && status == FUA_OK; i++) {
        status = fua_grants_add(grants, fields[FUA_P_SUB], engine->above.ids[i], key, fields[FUA_P_GROUP],
                                FUA_GRANT_ALLOW);
    }
    return status;
}

fua_status fua_index_remove(fua_engine *engine, const uint32_t *fields, uint32_t key) {
    bool allow = fua_index_allows(engine, fields);
    fua_grants *grants = &engine->grants;
    fua_status status = allow ? fua_index_containers(engine, fields[FUA_P_OBJ]) : FUA_OK;
    if (status != FUA_OK) {
        return status;
    }
    fua_grants_remove(grants, fields[FUA_P_SUB], fields[FUA_P_OBJ], key, fields[FUA_P_GROUP],
                      allow ? FUA_GRANT_ALLOW : FUA_GRANT_DENY);
    for (size_t i = 0; allow && i < engine->above.count; i++) {
        fua_grants_remove(grants, fields[FUA_P_SUB], engine->above.ids[i], key, fields[FUA_P_GROUP],
                          FUA_GRANT_ALLOW);
    }
    return FUA_OK;
}

uint32_t fua_index_key(const fua_engine *engine, const uint32_t *fields) {
    uint32_t act = fields[FUA_P_ACT];
    return fua_actions_find(&engine->actions, fua_intern_text(&engine->strings, act), act);
}

/* Counts (or uncounts) the allow rules of `page` at the containers in `gained` that are not in engine->above. */
static fua_status climb_rules(fua_engine *engine, uint32_t page, const fua_ids *gained, bool add) {
    const fua_rules *rules = &engine->rules[FUA_TYPE_P];
    fua_status status = FUA_OK;
    for (uint32_t row = fua_rules_first(rules, 1, page); row != FUA_NO_ROW && status == FUA_OK;
         row = fua_rules_next(rules, 1, row)) {
        const uint32_t *fields = fua_rules_fields(rules, row);
        if (!fua_index_allows(engine, fields)) {
            continue;
        }
        uint32_t key = fua_index_key(engine, fields);
        for (size_t i = 0; i < gained->count && status == FUA_OK; i++) {
            if (fua_ids_hold(&engine->above, gained->ids[i])) {
                continue;
            }
            if (add) {
                status = fua_grants_add(&engine->grants, fields[FUA_P_SUB], gained->ids[i], key,
                                        fields[FUA_P_GROUP], FUA_GRANT_ALLOW);
            } else {
                fua_grants_remove(&engine->grants, fields[FUA_P_SUB], gained->ids[i], key, fields[FUA_P_GROUP],
                                  FUA_GRANT_ALLOW);
            }
        }
    }
    return status;
}

fua_status fua_index_pages_changed(fua_engine *engine, uint32_t container, uint32_t page, bool added) {
    fua_ids gained = {NULL, 0, 0}, below = {NULL, 0, 0};
    size_t count = 0;
    fua_status status = fua_index_containers(engine, container);
    if (status == FUA_OK) {
        status = fua_ids_push(engine->al, &gained, container);
    }
    for (size_t i = 0; i < engine->above.count && status == FUA_OK; i++) {
        status = fua_ids_push(engine->al, &gained, engine->above.ids[i]);
    }
    if (status == FUA_OK) {
        status = fua_reach(engine, FUA_TYPE_G2, page, FUA_NO_ID, true, &count);
    }
    for (size_t i = 0; i < count && status == FUA_OK; i++) {
        status = fua_ids_push(engine->al, &below, engine->reached[i].id);
    }
    if (status == FUA_OK && fua_ids_hold(&below, container)) {
        engine->grants_stale = true; /* a ring of containers: counting path by path has no meaning there */
    } else {
        for (size_t i = 0; i < below.count && status == FUA_OK; i++) {
            if (fua_rules_first(&engine->rules[FUA_TYPE_P], 1, below.ids[i]) == FUA_NO_ROW) {
                continue;
            }
            status = fua_index_containers(engine, below.ids[i]);
            if (status == FUA_OK) {
                status = climb_rules(engine, below.ids[i], &gained, added);
            }
        }
    }
    fua_ids_free(engine->al, &gained);
    fua_ids_free(engine->al, &below);
    return status;
}

#define NAMES_A_RULE 4 /* the standing of a name takes a quarter of the time of a rule's grants */

fua_status fua_index_rebuild(fua_engine *engine, size_t most) {
    const fua_rules *rules = &engine->rules[FUA_TYPE_P];
    fua_status status = FUA_OK;
    if ((engine->stood == 0 && engine->settled == 0) || engine->settled_at != engine->generation) {
        fua_grants_clear(&engine->grants);
        engine->stood = engine->settled = 0;
        engine->settled_at = engine->generation;
        status = fua_grants_reserve(&engine->grants, rules->live);
    }
    if (status == FUA_OK) {
        status = fua_take_standings(engine, most < SIZE_MAX / NAMES_A_RULE ? most * NAMES_A_RULE : SIZE_MAX);
    }
    size_t end = most < rules->rows - engine->settled ? engine->settled + most : rules->rows;
    for (; engine->settled < end && status == FUA_OK; engine->settled++) {
        uint32_t row = (uint32_t)engine->settled;
        if (fua_rules_is_live(rules, row)) {
            const uint32_t *fields = fua_rules_fields(rules, row);
            status = fua_index_add(engine, fields, fua_index_key(engine, fields));
        }
    }
    bool done = status == FUA_OK && engine->stood == engine->strings.slot_count && engine->settled == rules->rows;
    if (status != FUA_OK || done) {
        engine->stood = engine->settled = 0;
    }
    engine->grants_stale = !done;
    return status;
}
