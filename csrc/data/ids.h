/* Growing lists of ids. */
#ifndef FUA_DATA_IDS_H
#define FUA_DATA_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/status.h"

typedef struct fua_ids {
    uint32_t *ids; /* owned */
    size_t count, cap;
} fua_ids;

/* Appends an id; on failure nothing has changed. */
fua_status fua_ids_push(const fua_allocator *al, fua_ids *ids, uint32_t id);
bool fua_ids_hold(const fua_ids *ids, uint32_t id);
/* Frees and empties. */
void fua_ids_free(const fua_allocator *al, fua_ids *ids);

#endif
