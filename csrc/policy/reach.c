#include "policy/reach.h"

#include <stdlib.h>

static bool already_reached(const fua_engine *engine, size_t count, uint32_t id) {
    if (count > FUA_SMALL_REACH) {
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
    if (*count <= FUA_SMALL_REACH) {
        return FUA_OK;
    }
    if (*count == FUA_SMALL_REACH + 1) { /* from now on the map answers, so it gets all of them */
        for (size_t i = 0; i < *count && status == FUA_OK; i++) {
            status = fua_idmap_set(&engine->seen, engine->reached[i].id, 1);
        }
        return status;
    }
    return fua_idmap_set(&engine->seen, id, 1);
}

fua_status fua_reach(fua_engine *engine, size_t type, uint32_t start, uint32_t domain, bool upward, size_t *count) {
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
    if (*count > FUA_SMALL_REACH) {
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
    fua_status status = fua_reach(engine, type, id, domain_id, upward, count);
    if (status != FUA_OK) {
        *count = 0;
        return status;
    }
    *ids = engine->reached + 1;
    (*count)--;
    return FUA_OK;
}

/* --- subjects ------------------------------------------------------------------------------------------------ */

static int by_level(const void *left, const void *right) {
    const fua_reached *a = left, *b = right;
    return a->level < b->level ? -1 : a->level > b->level;
}

/* The subject and its roles, lowest level first, into engine->reached. */
static fua_status subjects_by_level(fua_engine *engine, uint32_t subject, size_t *count) {
    fua_status status = fua_reach(engine, FUA_TYPE_G, subject, FUA_NO_ID, true, count);
    if (status != FUA_OK) {
        return status;
    }
    for (size_t i = 0; i < *count; i++) {
        fua_idmap_prefetch(&engine->levels.index, engine->reached[i].id);
    }
    for (size_t i = 0; i < *count; i++) {
        engine->reached[i].level = fua_levels_of(&engine->levels, engine->reached[i].id);
    }
    if (*count > FUA_SMALL_REACH) {
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

fua_status fua_subjects_of(fua_engine *engine, fua_intern_slot *subject, size_t *count) {
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

fua_status fua_take_standings(fua_engine *engine, size_t most) {
    size_t left = engine->strings.slot_count - engine->stood, end = engine->stood + (most < left ? most : left);
    fua_status status = FUA_OK;
    for (; engine->stood < end && status == FUA_OK; engine->stood++) {
        fua_intern_slot *subject = &engine->strings.slots[engine->stood];
        size_t count;
        if (subject->id != FUA_NO_ID) {
            status = fua_subjects_of(engine, subject, &count);
        }
    }
    return status;
}
