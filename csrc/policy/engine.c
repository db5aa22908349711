#include "policy/engine.h"

#include <stdlib.h>
#include <string.h>

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

static void free_ids(const fua_engine *engine, fua_ids *ids) {
    fua_free(engine->al, ids->ids);
    *ids = (fua_ids){NULL, 0, 0};
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
    free_ids(engine, &engine->keys);
    free_ids(engine, &engine->work);
    free_ids(engine, &engine->above);
    fua_intern_free(&engine->strings);
    fua_model_free(engine->model);
    fua_free(engine->al, engine);
}

fua_status fua_ids_push(const fua_allocator *al, fua_ids *ids, uint32_t id) {
    void *block = ids->ids;
    fua_status status = fua_grow(al, &block, &ids->cap, ids->count + 1, sizeof *ids->ids);
    ids->ids = block;
    if (status == FUA_OK) {
        ids->ids[ids->count++] = id;
    }
    return status;
}

static bool holds(const fua_ids *ids, uint32_t id) {
    for (size_t i = 0; i < ids->count; i++) {
        if (ids->ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* --- reach --------------------------------------------------------------------------------------------------- */

#define SMALL_REACH 24 /* up to here membership is looked up in the list itself */

static bool already_reached(const fua_engine *engine, size_t count, uint32_t id) {
    if (count > SMALL_REACH) {
        return fua_idmap_get(&engine->seen, id, 0) != 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (engine->reached[i].id == id) {
            return true;
        }
    }
    return false;
}

static fua_status mark_reached(fua_engine *engine, size_t *count, uint32_t id) {
    void *block = engine->reached;
    fua_status status = fua_grow(engine->al, &block, &engine->reached_cap, *count + 1, sizeof *engine->reached);
    engine->reached = block;
    if (status != FUA_OK) {
        return status;
    }
    engine->reached[(*count)++] = (fua_reached){id, 0};
    if (*count <= SMALL_REACH) {
        return FUA_OK;
    }
    if (*count == SMALL_REACH + 1) { /* from now on the map answers, so it gets all of them */
        for (size_t i = 0; i < *count && status == FUA_OK; i++) {
            status = fua_idmap_set(&engine->seen, engine->reached[i].id, 1);
        }
        return status;
    }
    return fua_idmap_set(&engine->seen, id, 1);
}

/* Breadth first from `start`, which stands first in engine->reached. */
static fua_status reach(fua_engine *engine, size_t type, uint32_t start, uint32_t domain, bool upward, size_t *count) {
    const fua_rules *links = &engine->rules[type];
    size_t from = upward ? 0 : 1, to = upward ? 1 : 0;
    *count = 0;
    fua_status status = mark_reached(engine, count, start);
    for (size_t next = 0; next < *count && status == FUA_OK; next++) {
        uint32_t row = fua_rules_first(links, from, engine->reached[next].id);
        for (; row != FUA_NO_ROW && status == FUA_OK; row = fua_rules_next(links, from, row)) {
            const uint32_t *fields = fua_rules_fields(links, row);
            if (links->width > 2 && fields[2] != domain) {
                continue;
            }
            if (!already_reached(engine, *count, fields[to])) {
                status = mark_reached(engine, count, fields[to]);
                fua_rules_prefetch(links, from, fields[to]);
            }
        }
    }
    if (*count > SMALL_REACH) {
        if (engine->seen.slot_count > 4096) {
            fua_idmap_free(&engine->seen); /* clearing a huge map would cost every later call */
        } else {
            fua_idmap_clear(&engine->seen);
        }
    }
    return status;
}

fua_status fua_engine_reach(fua_engine *engine, size_t type, fua_text start, const fua_text *domain, bool upward,
                            const fua_reached **ids, size_t *count) {
    uint32_t id = fua_intern_find(&engine->strings, start);
    uint32_t domain_id = domain == NULL ? FUA_NO_ID : fua_intern_find(&engine->strings, *domain);
    *count = 0;
    if (id == FUA_NO_ID) {
        return FUA_OK;
    }
    fua_status status = reach(engine, type, id, domain_id, upward, count);
    *ids = engine->reached + 1;
    *count = *count > 0 ? *count - 1 : 0;
    return status;
}

/* --- subjects ------------------------------------------------------------------------------------------------ */

static int by_level(const void *left, const void *right) {
    const fua_reached *a = left, *b = right;
    return a->level < b->level ? -1 : a->level > b->level;
}

/* The subject and its roles, lowest level first, into engine->reached. */
static fua_status subjects_by_level(fua_engine *engine, uint32_t subject, size_t *count) {
    fua_status status = reach(engine, FUA_TYPE_G, subject, FUA_NO_ID, true, count);
    if (status != FUA_OK) {
        return status;
    }
    for (size_t i = 0; i < *count; i++) {
        fua_idmap_prefetch(&engine->levels.index, engine->reached[i].id);
    }
    for (size_t i = 0; i < *count; i++) {
        engine->reached[i].level = fua_levels_of(&engine->levels, engine->reached[i].id);
    }
    if (*count > SMALL_REACH) {
        qsort(engine->reached, *count, sizeof *engine->reached, by_level);
        return FUA_OK;
    }
    for (size_t i = 1; i < *count; i++) {
        fua_reached moved = engine->reached[i];
        size_t j = i;
        for (; j > 0 && engine->reached[j - 1].level > moved.level; j--) {
            engine->reached[j] = engine->reached[j - 1];
        }
        engine->reached[j] = moved;
    }
    return FUA_OK;
}

/* The same, from the subject's standing where that is current. */
static fua_status subjects_of(fua_engine *engine, fua_intern_slot *subject, size_t *count) {
    void *block = engine->reached;
    fua_status status =
        fua_grow(engine->al, &block, &engine->reached_cap, FUA_STANDING_MOST, sizeof *engine->reached);
    engine->reached = block;
    if (status != FUA_OK) {
        return status;
    }
    *count = fua_standing_read(subject->note, engine->levels.stamp, subject->id, engine->reached);
    if (*count == 0) {
        status = subjects_by_level(engine, subject->id, count);
        if (status == FUA_OK) {
            fua_standing_write(subject->note, engine->levels.stamp, engine->reached, *count);
        }
    }
    return status;
}

/* Standings of the next `most` names, so that the first request of each finds one. */
static fua_status take_standings(fua_engine *engine, size_t most) {
    size_t left = engine->strings.slot_count - engine->stood, end = engine->stood + (most < left ? most : left);
    fua_status status = FUA_OK;
    for (; engine->stood < end && status == FUA_OK; engine->stood++) {
        fua_intern_slot *subject = &engine->strings.slots[engine->stood];
        size_t count;
        if (subject->id != FUA_NO_ID) {
            status = subjects_of(engine, subject, &count);
        }
    }
    return status;
}

/* --- grants: the decision index of the built-in model --------------------------------------------------------- */

/* The containers above a page, nearest first, into engine->above (a copy: grants outlive the next reach). */
static fua_status containers_above(fua_engine *engine, uint32_t page) {
    size_t count;
    engine->above.count = 0;
    fua_status status = FUA_OK;
    if (fua_rules_first(&engine->rules[FUA_TYPE_G2], 1, page) == FUA_NO_ROW) {
        return FUA_OK;
    }
    status = reach(engine, FUA_TYPE_G2, page, FUA_NO_ID, false, &count);
    for (size_t i = 1; i < count && status == FUA_OK; i++) {
        status = fua_ids_push(engine->al, &engine->above, engine->reached[i].id);
    }
    return status;
}

static bool allows(const fua_engine *engine, const uint32_t *fields) {
    return fua_text_equal(fua_intern_text(&engine->strings, fields[FUA_P_EFT]), fua_text_of("allow"));
}

static fua_status grant_rule(fua_engine *engine, const uint32_t *fields, uint32_t key) {
    bool allow = allows(engine, fields);
    fua_grants *grants = &engine->grants;
    fua_status status = fua_grants_add(grants, fields[FUA_P_SUB], fields[FUA_P_OBJ], key, fields[FUA_P_GROUP],
                                       allow ? FUA_GRANT_ALLOW : FUA_GRANT_DENY);
    if (status != FUA_OK || !allow) {
        return status;
    }
    status = containers_above(engine, fields[FUA_P_OBJ]);
    for (size_t i = 0; i < engine->above.count && status == FUA_OK; i++) {
        status = fua_grants_add(grants, fields[FUA_P_SUB], engine->above.ids[i], key, fields[FUA_P_GROUP],
                                FUA_GRANT_ALLOW);
    }
    return status;
}

static fua_status ungrant_rule(fua_engine *engine, const uint32_t *fields, uint32_t key) {
    bool allow = allows(engine, fields);
    fua_grants *grants = &engine->grants;
    fua_status status = allow ? containers_above(engine, fields[FUA_P_OBJ]) : FUA_OK;
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

static uint32_t key_of_row(const fua_engine *engine, const uint32_t *fields) {
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
        if (!allows(engine, fields)) {
            continue;
        }
        uint32_t key = key_of_row(engine, fields);
        for (size_t i = 0; i < gained->count && status == FUA_OK; i++) {
            if (holds(&engine->above, gained->ids[i])) {
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

/* A link container -> page came (it is not in the rules yet) or went (it is out of them): the rules of that page
 * and of all below gain or lose the containers that no other path gives them. */
static fua_status pages_changed(fua_engine *engine, uint32_t container, uint32_t page, bool added) {
    fua_ids gained = {NULL, 0, 0}, below = {NULL, 0, 0};
    size_t count = 0;
    fua_status status = containers_above(engine, container);
    if (status == FUA_OK) {
        status = fua_ids_push(engine->al, &gained, container);
    }
    for (size_t i = 0; i < engine->above.count && status == FUA_OK; i++) {
        status = fua_ids_push(engine->al, &gained, engine->above.ids[i]);
    }
    if (status == FUA_OK) {
        status = reach(engine, FUA_TYPE_G2, page, FUA_NO_ID, true, &count);
    }
    for (size_t i = 0; i < count && status == FUA_OK; i++) {
        status = fua_ids_push(engine->al, &below, engine->reached[i].id);
    }
    if (status == FUA_OK && holds(&below, container)) {
        engine->grants_stale = true; /* a ring of containers: counting path by path has no meaning there */
    } else {
        for (size_t i = 0; i < below.count && status == FUA_OK; i++) {
            if (fua_rules_first(&engine->rules[FUA_TYPE_P], 1, below.ids[i]) == FUA_NO_ROW) {
                continue;
            }
            status = containers_above(engine, below.ids[i]);
            if (status == FUA_OK) {
                status = climb_rules(engine, below.ids[i], &gained, added);
            }
        }
    }
    free_ids(engine, &gained);
    free_ids(engine, &below);
    return status;
}

#define NAMES_A_RULE 4 /* the standing of a name takes a quarter of the time of a rule's grants */

/* Standings and grants, of the latter at most so many at once. */
static fua_status rebuild(fua_engine *engine, size_t most) {
    const fua_rules *rules = &engine->rules[FUA_TYPE_P];
    fua_status status = FUA_OK;
    if ((engine->stood == 0 && engine->settled == 0) || engine->settled_at != engine->generation) {
        fua_grants_clear(&engine->grants);
        engine->stood = engine->settled = 0;
        engine->settled_at = engine->generation;
        status = fua_grants_reserve(&engine->grants, rules->live);
    }
    if (status == FUA_OK) {
        status = take_standings(engine, most < SIZE_MAX / NAMES_A_RULE ? most * NAMES_A_RULE : SIZE_MAX);
    }
    size_t end = most < rules->rows - engine->settled ? engine->settled + most : rules->rows;
    for (; engine->settled < end && status == FUA_OK; engine->settled++) {
        uint32_t row = (uint32_t)engine->settled;
        if (fua_rules_is_live(rules, row)) {
            const uint32_t *fields = fua_rules_fields(rules, row);
            status = grant_rule(engine, fields, key_of_row(engine, fields));
        }
    }
    bool done = status == FUA_OK && engine->stood == engine->strings.slot_count && engine->settled == rules->rows;
    if (status != FUA_OK || done) {
        engine->stood = engine->settled = 0;
    }
    engine->grants_stale = !done;
    return status;
}

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
        status = rebuild(engine, rules);
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

static void release_some(fua_engine *engine, const uint32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++) {
        fua_intern_release(&engine->strings, ids[i]);
    }
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
        grant_rule(engine, fields, key) != FUA_OK) {
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
            release_some(engine, ids, i);
            return status;
        }
    }
    for (size_t chain = 0; chain < FUA_CHAINS && chain < count; chain++) {
        fua_rules_prefetch_rows(rules, chain, ids[chain]); /* they get a new neighbour */
    }
    if (fua_rules_find(rules, ids) != FUA_NO_ROW) {
        release_some(engine, ids, count);
        return FUA_OK;
    }
    fua_status status = FUA_OK;
    if (keyed) {
        status = fua_actions_acquire(&engine->actions, fields[FUA_P_ACT], ids[FUA_P_ACT], &key);
    }
    if (status == FUA_OK && engine->model->builtin && type == FUA_TYPE_G2 && !engine->grants_stale &&
        pages_changed(engine, ids[0], ids[1], true) != FUA_OK) {
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
        release_some(engine, ids, count);
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
    uint32_t key = builtin && type == FUA_TYPE_P ? key_of_row(engine, ids) : FUA_NO_ID;
    fua_rules_remove(rules, row);
    engine->generation++;
    if (type == level_type(engine) && type != 0) {
        fua_levels_link_removed(&engine->levels, rules, ids[0], ids[1]);
        forget_standing(engine, ids[0]);
    }
    if (builtin && type == FUA_TYPE_P) {
        if (!engine->grants_stale && ungrant_rule(engine, ids, key) != FUA_OK) {
            engine->grants_stale = true;
        }
        fua_actions_release(&engine->actions, key);
    }
    if (builtin && type == FUA_TYPE_G2 && !engine->grants_stale &&
        pages_changed(engine, ids[0], ids[1], false) != FUA_OK) {
        engine->grants_stale = true;
    }
    release_some(engine, ids, rules->width);
}

fua_text fua_engine_field(const fua_engine *engine, size_t type, uint32_t row, size_t field) {
    return fua_intern_text(&engine->strings, fua_rules_fields(&engine->rules[type], row)[field]);
}

/* --- cycles -------------------------------------------------------------------------------------------------- */

void fua_engine_release_ids(fua_engine *engine, fua_ids *ids) {
    release_some(engine, ids->ids, ids->count);
    free_ids(engine, ids);
}

typedef struct cycle_search {
    fua_ids links;      /* member, role, member, role, ...; each with a reference */
    fua_idmap pending;  /* member -> 1 + index of its newest new link */
    fua_ids older;      /* per new link: 1 + index of the member's next older one, or 0 */
    fua_idmap gone;     /* rows to leave out */
    fua_idmap from;     /* visited subject -> the one it was reached from */
} cycle_search;

static fua_status step(fua_engine *engine, cycle_search *search, uint32_t subject, uint32_t role) {
    if (fua_idmap_get(&search->from, role, FUA_NO_ID) != FUA_NO_ID) {
        return FUA_OK;
    }
    fua_status status = fua_idmap_set(&search->from, role, subject);
    return status == FUA_OK ? fua_ids_push(engine->al, &engine->work, role) : status;
}

/* Everything above `role`, with new links, into search->from; stops early at `member`. */
static fua_status search_above(fua_engine *engine, size_t type, cycle_search *search, uint32_t member, uint32_t role) {
    const fua_rules *links = &engine->rules[type];
    fua_idmap_clear(&search->from);
    engine->work.count = 0;
    fua_status status = step(engine, search, role, role);
    while (status == FUA_OK && engine->work.count > 0 &&
           fua_idmap_get(&search->from, member, FUA_NO_ID) == FUA_NO_ID) {
        uint32_t subject = engine->work.ids[--engine->work.count];
        for (uint32_t row = fua_rules_first(links, 0, subject); row != FUA_NO_ROW && status == FUA_OK;
             row = fua_rules_next(links, 0, row)) {
            if (fua_idmap_get(&search->gone, row, 0) == 0) {
                status = step(engine, search, subject, fua_rules_fields(links, row)[1]);
            }
        }
        for (uint32_t next = fua_idmap_get(&search->pending, subject, 0); next != 0 && status == FUA_OK;
             next = search->older.ids[next - 1]) {
            status = step(engine, search, subject, search->links.ids[2 * (next - 1) + 1]);
        }
    }
    return status;
}

static fua_status name_cycle(fua_engine *engine, cycle_search *search, uint32_t member, uint32_t role, fua_ids *path) {
    fua_status status = fua_ids_push(engine->al, path, member);
    for (uint32_t id = member; status == FUA_OK && id != role;) {
        id = fua_idmap_get(&search->from, id, role);
        status = fua_ids_push(engine->al, path, id);
    }
    if (status == FUA_OK) {
        status = fua_ids_push(engine->al, path, member);
    }
    if (status != FUA_OK) {
        free_ids(engine, path);
        return status;
    }
    /* Walked from the end; turn it round: member -> role -> ... -> member. */
    for (size_t i = 0, j = path->count - 1; i < j; i++, j--) {
        uint32_t id = path->ids[i];
        path->ids[i] = path->ids[j];
        path->ids[j] = id;
    }
    for (size_t i = 0; i < path->count; i++) {
        fua_intern_retain(&engine->strings, path->ids[i]);
    }
    return FUA_ERR_CYCLE;
}

static fua_status search_cycles(fua_engine *engine, size_t type, cycle_search *search, size_t count, fua_ids *path) {
    fua_status status = FUA_OK;
    for (size_t i = 0; i < count && status == FUA_OK; i++) {
        uint32_t member = search->links.ids[2 * i];
        status = fua_ids_push(engine->al, &search->older, fua_idmap_get(&search->pending, member, 0));
        if (status == FUA_OK) {
            status = fua_idmap_set(&search->pending, member, (uint32_t)i + 1);
        }
    }
    for (size_t i = 0; i < count && status == FUA_OK; i++) {
        uint32_t member = search->links.ids[2 * i], role = search->links.ids[2 * i + 1];
        status = search_above(engine, type, search, member, role);
        if (status == FUA_OK && fua_idmap_get(&search->from, member, FUA_NO_ID) != FUA_NO_ID) {
            status = name_cycle(engine, search, member, role, path);
        }
    }
    return status;
}

fua_status fua_engine_find_cycle(fua_engine *engine, size_t type, const fua_text *links, size_t count,
                                 const uint32_t *gone, size_t gone_count, fua_ids *path) {
    cycle_search search;
    memset(&search, 0, sizeof search);
    fua_idmap_init(&search.pending, engine->al);
    fua_idmap_init(&search.gone, engine->al);
    fua_idmap_init(&search.from, engine->al);
    *path = (fua_ids){NULL, 0, 0};
    fua_status status = count < UINT32_MAX / 2 ? FUA_OK : FUA_ERR_OVERFLOW;
    for (size_t i = 0; i < 2 * count && status == FUA_OK; i++) {
        uint32_t id;
        status = fua_intern_acquire(&engine->strings, links[i], &id);
        if (status == FUA_OK) {
            status = fua_ids_push(engine->al, &search.links, id);
            if (status != FUA_OK) {
                fua_intern_release(&engine->strings, id);
            }
        }
    }
    for (size_t i = 0; i < gone_count && status == FUA_OK; i++) {
        status = fua_idmap_set(&search.gone, gone[i], 1);
    }
    if (status == FUA_OK) {
        status = search_cycles(engine, type, &search, count, path);
    }
    fua_engine_release_ids(engine, &search.links);
    free_ids(engine, &search.older);
    fua_idmap_free(&search.pending);
    fua_idmap_free(&search.gone);
    fua_idmap_free(&search.from);
    return status;
}

bool fua_engine_cycle_in_policy(fua_engine *engine, fua_text *subject) {
    if (engine->levels.stale || engine->levels.cycle_id == FUA_NO_ID) {
        return false;
    }
    *subject = fua_intern_text(&engine->strings, engine->levels.cycle_id);
    return true;
}

/* --- decisions of the built-in model -------------------------------------------------------------------------- */

typedef struct verdict {
    bool decided, allowed;
    uint32_t level;
} verdict;

/* Says that judge will be asked. */
static void fetch_grants(const fua_engine *engine, size_t count, uint32_t obj, uint32_t group) {
    for (size_t i = 0; i < count && i < SMALL_REACH; i++) {
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
    for (size_t i = 0; i < count && status == FUA_OK; i++) { /* a copy: containers_above reuses engine->reached */
        if (engine->reached[i].level == result.level) {
            status = fua_ids_push(engine->al, &subjects, engine->reached[i].id);
        }
    }
    for (size_t i = 0; i < subjects.count && status == FUA_OK; i++) {
        for (uint32_t at = fua_rules_first(rules, 0, subjects.ids[i]); at != FUA_NO_ROW && status == FUA_OK;
             at = fua_rules_next(rules, 0, at)) {
            const uint32_t *fields = fua_rules_fields(rules, at);
            fua_text act = fua_intern_text(&engine->strings, fields[FUA_P_ACT]), prefix;
            bool matches = fua_action_prefix(act, &prefix)
                               ? request[FUA_P_ACT].size >= prefix.size &&
                                     fua_text_equal(prefix, (fua_text){request[FUA_P_ACT].data, prefix.size})
                               : fua_text_equal(act, request[FUA_P_ACT]);
            if (at > *row || !matches || fields[FUA_P_GROUP] != group || allows(engine, fields) != result.allowed) {
                continue;
            }
            if (fields[FUA_P_OBJ] != obj) {
                status = result.allowed ? containers_above(engine, fields[FUA_P_OBJ]) : FUA_OK;
                if (!result.allowed || status != FUA_OK || !holds(&engine->above, obj)) {
                    continue;
                }
            }
            *row = at;
        }
    }
    free_ids(engine, &subjects);
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
            status = subjects_of(engine, found[FUA_P_SUB], &count);
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
    fua_status status = subjects_of(engine, fua_intern_at(&engine->strings, sub), &subjects);
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
