#include "policy/engine.h"

#include <string.h>

void fua_engine_release_ids(fua_engine *engine, fua_ids *ids) {
    fua_intern_release_all(&engine->strings, ids->ids, ids->count);
    fua_ids_free(engine->al, ids);
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
        fua_ids_free(engine->al, path);
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
    fua_ids_free(engine->al, &search.older);
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
