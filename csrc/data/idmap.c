#include "data/idmap.h"

#include <string.h>

#include "base/prefetch.h"
#include "data/hash.h"

void fua_idmap_init(fua_idmap *map, const fua_allocator *al) {
    memset(map, 0, sizeof *map);
    map->al = al;
}

void fua_idmap_free(fua_idmap *map) {
    fua_free(map->al, map->slots);
    fua_idmap_init(map, map->al);
}

static size_t home_of(const fua_idmap *map, uint32_t key) {
    return (size_t)fua_mix(0, key) & (map->slot_count - 1);
}

static size_t find_slot(const fua_idmap *map, uint32_t key) {
    size_t slot = home_of(map, key);
    while (map->slots[slot].key != FUA_NO_ID && map->slots[slot].key != key) {
        slot = (slot + 1) & (map->slot_count - 1);
    }
    return slot;
}

fua_status fua_idmap_reserve(fua_idmap *map, size_t extra) {
    size_t next = map->slot_count < 8 ? 8 : map->slot_count;
    if (extra > SIZE_MAX / 32 - map->used) {
        return FUA_ERR_OVERFLOW;
    }
    while ((map->used + extra) * 10 > next * 7) {
        next *= 2;
    }
    if (next == map->slot_count) {
        return FUA_OK;
    }
    fua_idmap grown = *map;
    grown.slots = fua_alloc(map->al, next, sizeof *grown.slots);
    if (grown.slots == NULL) {
        return FUA_ERR_NOMEM;
    }
    memset(grown.slots, 0xff, next * sizeof *grown.slots);
    grown.slot_count = next;
    for (size_t i = 0; i < map->slot_count; i++) {
        if (map->slots[i].key != FUA_NO_ID) {
            grown.slots[find_slot(&grown, map->slots[i].key)] = map->slots[i];
        }
    }
    fua_free(map->al, map->slots);
    *map = grown;
    return FUA_OK;
}

void fua_idmap_prefetch(const fua_idmap *map, uint32_t key) {
    if (map->used > 0) {
        FUA_PREFETCH(&map->slots[home_of(map, key)]);
    }
}

uint32_t fua_idmap_get(const fua_idmap *map, uint32_t key, uint32_t missing) {
    if (map->used == 0) {
        return missing;
    }
    const fua_idmap_slot *slot = &map->slots[find_slot(map, key)];
    return slot->key == key ? slot->value : missing;
}

fua_status fua_idmap_set(fua_idmap *map, uint32_t key, uint32_t value) {
    fua_status status = fua_idmap_reserve(map, 1);
    if (status != FUA_OK) {
        return status;
    }
    fua_idmap_slot *slot = &map->slots[find_slot(map, key)];
    if (slot->key != key) {
        slot->key = key;
        map->used++;
    }
    slot->value = value;
    return FUA_OK;
}

void fua_idmap_remove(fua_idmap *map, uint32_t key) {
    if (map->used == 0) {
        return;
    }
    size_t mask = map->slot_count - 1;
    size_t hole = find_slot(map, key);
    if (map->slots[hole].key != key) {
        return;
    }
    for (size_t next = (hole + 1) & mask; map->slots[next].key != FUA_NO_ID; next = (next + 1) & mask) {
        size_t home = home_of(map, map->slots[next].key);
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            map->slots[hole] = map->slots[next];
            hole = next;
        }
    }
    map->slots[hole].key = FUA_NO_ID;
    map->used--;
}

void fua_idmap_clear(fua_idmap *map) {
    if (map->used > 0) {
        memset(map->slots, 0xff, map->slot_count * sizeof *map->slots);
        map->used = 0;
    }
}
