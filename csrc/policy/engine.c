#include "policy/engine.h"

#include <string.h>

#include "policy/index.h"
#include "policy/reach.h"

/* --- life ---------------------------------------------------------------------------------------------------- */

fua_status fua_engine_new(const fua_allocator *al, fua_model *model, fua_hash_key key, fua_engine **out) {
    fua_engine *engine = fua_calloc(al, 1, sizeof *engine);
    if (engine == NULL) {
        return FUA_ERR_NOMEM;
    }
    engine->al = al;
    engine->model = model;
    fua_intern_init(&engine->strings, al, key);
    for (size_t type = 0; type < model->type_count; type++) {
        fua_rules_init(&engine->rules[type], al, model->types[type].width);
    }
    fua_levels_init(&engine->levels, al);
    fua_actions_init(&engine->actions, al, key);
    fua_grants_init(&engine->grants, al);
    fua_idmap_init(&engine->seen, al);
    *out = engine;
    return FUA_OK;
}

void fua_engine_free(fua_engine *engine) {
    if (engine == NULL) {
        return;
    }
    for (size_t type = 0; type < engine->model->type_count; type++) {
        fua_rules_free(&engine->rules[type]);
    }
    fua_levels_free(&engine->levels);
    fua_actions_free(&engine->actions);
    fua_grants_free(&engine->grants);
    fua_idmap_free(&engine->seen);
    fua_custom_free(engine->al, &engine->custom);
    fua_free(engine->al, engine->reached);
    fua_ids_free(engine->al, &engine->keys);
    fua_ids_free(engine->al, &engine->work);
    fua_ids_free(engine->al, &engine->above);
    fua_intern_free(&engine->strings);
    fua_model_free(engine->model);
    fua_free(engine->al, engine);
}

/* --- derived data -------------------------------------------------------------------------------------------- */

void fua_engine_begin_load(fua_engine *engine) {
    engine->grants_stale = true;
    engine->levels.stale = true;
    engine->generation++;
}

/* Custom models order by level over the role type "g", wherever it stands; FUA_TYPE_G in the built-in one. */
static size_t level_type(const fua_engine *engine) {
    int type = fua_model_type(engine->model, fua_text_of("g"));
    return type < 0 ? 0 : (size_t)type;
}

fua_status fua_engine_settle_some(fua_engine *engine, size_t rules, bool *done) {
    fua_status status = FUA_OK;
    if (level_type(engine) == 0) {
        engine->levels.stale = false;
    } else {
        status = fua_levels_refresh(&engine->levels, &engine->rules[level_type(engine)]);
    }
    if (!engine->model->builtin) {
        engine->grants_stale = false;
    } else if (status == FUA_OK && engine->grants_stale) {
        status = fua_index_rebuild(engine, rules);
    }
    *done = status == FUA_OK && !engine->grants_stale;
    return status;
}

fua_status fua_engine_settle(fua_engine *engine) {
    bool done;
    return fua_engine_settle_some(engine, SIZE_MAX, &done);
}

/* --- changing rules ------------------------------------------------------------------------------------------ */

fua_status fua_engine_check(const fua_engine *engine, size_t type, const fua_text *fields, size_t count) {
    if (count != engine->rules[type].width) {
        return FUA_ERR_ARITY;
    }
    if (!engine->model->builtin || type != FUA_TYPE_P) {
        return FUA_OK;
    }
    if (fua_text_equal(fields[FUA_P_SUB], fua_text_of(FUA_SUPER_SUBJECT))) {
        return FUA_ERR_ROOT;
    }
    fua_text effect = fields[FUA_P_EFT];
    bool known = fua_text_equal(effect, fua_text_of("allow")) || fua_text_equal(effect, fua_text_of("deny"));
    return known ? FUA_OK : FUA_ERR_EFFECT;
}

/* The ids of all fields without taking references; false when one is unknown. */
static bool find_ids(const fua_engine *engine, const fua_text *fields, size_t count, uint32_t *ids) {
    for (size_t i = 0; i < count; i++) {
        ids[i] = fua_intern_find(&engine->strings, fields[i]);
        if (ids[i] == FUA_NO_ID) {
            return false;
        }
    }
    return true;
}

uint32_t fua_engine_find(const fua_engine *engine, size_t type, const fua_text *fields, size_t count) {
    uint32_t ids[FUA_RULE_MAX_FIELDS];
    if (count != engine->rules[type].width || !find_ids(engine, fields, count, ids)) {
        return FUA_NO_ROW;
    }
    return fua_rules_find(&engine->rules[type], ids);
}

/* The roles of one subject changed. */
static void forget_standing(fua_engine *engine, uint32_t subject) {
    if (!engine->levels.stale) { /* else the stamp will move on */
        fua_standing_forget(fua_intern_at(&engine->strings, subject)->note);
    }
}

/* Derived data of a new rule.  Where it fails, it is marked stale and made anew by the next decision. */
static void rule_added(fua_engine *engine, size_t type, const uint32_t *fields, uint32_t key) {
    if (type == level_type(engine) && type != 0) {
        fua_levels_link_added(&engine->levels, &engine->rules[type], fields[0], fields[1]);
        forget_standing(engine, fields[0]);
    }
    if (engine->model->builtin && type == FUA_TYPE_P && !engine->grants_stale &&
        fua_index_add(engine, fields, key) != FUA_OK) {
        engine->grants_stale = true;
    }
}

fua_status fua_engine_add(fua_engine *engine, size_t type, const fua_text *fields, size_t count, bool *added) {
    uint32_t ids[FUA_RULE_MAX_FIELDS] = {0}, row, key = FUA_NO_ID;
    fua_rules *rules = &engine->rules[type];
    bool keyed = engine->model->builtin && type == FUA_TYPE_P;
    *added = false;
    if (count != rules->width) {
        return FUA_ERR_ARITY;
    }
    for (size_t i = 0; i < count; i += FUA_INTERN_BATCH) {
        size_t some = count - i < FUA_INTERN_BATCH ? count - i : FUA_INTERN_BATCH;
        fua_status status = fua_intern_acquire_all(&engine->strings, fields + i, some, ids + i);
        if (status != FUA_OK) {
            fua_intern_release_all(&engine->strings, ids, i);
            return status;
        }
    }
    for (size_t chain = 0; chain < FUA_CHAINS && chain < count; chain++) {
        fua_rules_prefetch_rows(rules, chain, ids[chain]); /* they get a new neighbour */
    }
    if (fua_rules_find(rules, ids) != FUA_NO_ROW) {
        fua_intern_release_all(&engine->strings, ids, count);
        return FUA_OK;
    }
    fua_status status = FUA_OK;
    if (keyed) {
        status = fua_actions_acquire(&engine->actions, fields[FUA_P_ACT], ids[FUA_P_ACT], &key);
    }
    if (status == FUA_OK && engine->model->builtin && type == FUA_TYPE_G2 && !engine->grants_stale &&
        fua_index_pages_changed(engine, ids[0], ids[1], true) != FUA_OK) {
        engine->grants_stale = true;
    }
    if (status == FUA_OK) {
        status = fua_rules_add(rules, ids, &row);
        if (status != FUA_OK) {
            engine->grants_stale = engine->grants_stale || type == FUA_TYPE_G2;
            if (keyed) {
                fua_actions_release(&engine->actions, key);
            }
        }
    }
    if (status != FUA_OK) {
        fua_intern_release_all(&engine->strings, ids, count);
        return status;
    }
    rule_added(engine, type, ids, key);
    engine->generation++;
    *added = true;
    return FUA_OK;
}

void fua_engine_remove(fua_engine *engine, size_t type, uint32_t row) {
    fua_rules *rules = &engine->rules[type];
    uint32_t ids[FUA_RULE_MAX_FIELDS];
    memcpy(ids, fua_rules_fields(rules, row), rules->width * sizeof *ids);
    bool builtin = engine->model->builtin;
    uint32_t key = builtin && type == FUA_TYPE_P ? fua_index_key(engine, ids) : FUA_NO_ID;
    fua_rules_remove(rules, row);
    engine->generation++;
    if (type == level_type(engine) && type != 0) {
        fua_levels_link_removed(&engine->levels, rules, ids[0], ids[1]);
        forget_standing(engine, ids[0]);
    }
    if (builtin && type == FUA_TYPE_P) {
        if (!engine->grants_stale && fua_index_remove(engine, ids, key) != FUA_OK) {
            engine->grants_stale = true;
        }
        fua_actions_release(&engine->actions, key);
    }
    if (builtin && type == FUA_TYPE_G2 && !engine->grants_stale &&
        fua_index_pages_changed(engine, ids[0], ids[1], false) != FUA_OK) {
        engine->grants_stale = true;
    }
    fua_intern_release_all(&engine->strings, ids, rules->width);
}

fua_text fua_engine_field(const fua_engine *engine, size_t type, uint32_t row, size_t field) {
    return fua_intern_text(&engine->strings, fua_rules_fields(&engine->rules[type], row)[field]);
}
