/* The decision index of the built-in model: (subject, object, action key, group) -> what rules say there.
 *
 * An allow rule also counts at every container above its object, so that "a right on a page opens the containers
 * above it" is one look-up and not a walk over all pages of a site.
 *
 * Most look-ups find nothing, and most of the engine's memory is here. So each slot has a tag, one byte of its hash,
 * in an array of its own that stays near the processor where the slots themselves do not: eight tags are compared at
 * once, in one cache line, and a slot is read only where its tag agrees. The table grows by half and not to the next
 * power of two: a hash is scaled to the number of such groups of eight. */
#ifndef FUA_POLICY_GRANTS_H
#define FUA_POLICY_GRANTS_H

#include <stdint.h>

#include "base/alloc.h"
#include "base/status.h"

typedef struct fua_grant {
    uint32_t sub, obj, act, group;
    uint32_t allow; /* rules with this object or one below it */
    uint32_t deny;  /* rules with just this object */
} fua_grant;

typedef struct fua_grants {
    const fua_allocator *al; /* borrowed */
    fua_grant *slots;        /* owned */
    uint8_t *tags;           /* owned; 0 where a slot is empty */
    size_t slot_count, used;
} fua_grants;

typedef enum fua_grant_kind { FUA_GRANT_ALLOW, FUA_GRANT_DENY } fua_grant_kind;

void fua_grants_init(fua_grants *grants, const fua_allocator *al);
void fua_grants_free(fua_grants *grants);
/* Forgets all entries, keeps the memory. */
void fua_grants_clear(fua_grants *grants);
/* What is known about a key; NULL for nothing.  Borrowed until the next change. */
const fua_grant *fua_grants_find(const fua_grants *grants, uint32_t sub, uint32_t obj, uint32_t act, uint32_t group);
/* Says that fua_grants_find will be asked for a key soon. */
void fua_grants_prefetch(const fua_grants *grants, uint32_t sub, uint32_t obj, uint32_t act, uint32_t group);
/* Makes room for `count` entries in all: a table that is filled at once need not grow step by step. */
fua_status fua_grants_reserve(fua_grants *grants, size_t count);
/* Counts one more rule. */
fua_status fua_grants_add(fua_grants *grants, uint32_t sub, uint32_t obj, uint32_t act, uint32_t group,
                          fua_grant_kind kind);
/* Counts one rule less; the key must be there. */
void fua_grants_remove(fua_grants *grants, uint32_t sub, uint32_t obj, uint32_t act, uint32_t group,
                       fua_grant_kind kind);

#endif
