/* A hash map from ids to 32-bit values: open addressing, no tombstones. */
#ifndef FUA_DATA_IDMAP_H
#define FUA_DATA_IDMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/intern.h"

typedef struct fua_idmap_slot {
    uint32_t key; /* FUA_NO_ID where empty */
    uint32_t value;
} fua_idmap_slot;

typedef struct fua_idmap {
    const fua_allocator *al; /* borrowed */
    fua_idmap_slot *slots;   /* owned, power of two */
    size_t slot_count, used;
} fua_idmap;

void fua_idmap_init(fua_idmap *map, const fua_allocator *al);
void fua_idmap_free(fua_idmap *map);
/* Makes room for `extra` more keys, so that as many fua_idmap_set calls cannot fail. */
fua_status fua_idmap_reserve(fua_idmap *map, size_t extra);
/* The value of a key, or `missing`. */
uint32_t fua_idmap_get(const fua_idmap *map, uint32_t key, uint32_t missing);
/* Says that fua_idmap_get will be asked for a key soon. */
void fua_idmap_prefetch(const fua_idmap *map, uint32_t key);
/* Sets a value; the key is never FUA_NO_ID. */
fua_status fua_idmap_set(fua_idmap *map, uint32_t key, uint32_t value);
void fua_idmap_remove(fua_idmap *map, uint32_t key);
/* Forgets all keys, keeps the memory. */
void fua_idmap_clear(fua_idmap *map);

#endif
