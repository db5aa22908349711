/* Action patterns under keyMatch: a `*` ends the pattern, which then matches everything that starts with what
 * stands before it; without one, only the equal action matches.
 *
 * Each pattern becomes a key: the id of an exact action, or the tagged id of a prefix.  A request's action asks
 * for the few keys that match it, whatever the number of patterns: its own id and one look-up for each prefix
 * length in use. */
#ifndef FUA_POLICY_ACTIONS_H
#define FUA_POLICY_ACTIONS_H

#include "data/intern.h"

#define FUA_PREFIX_TAG UINT32_C(0x80000000)

typedef struct fua_actions {
    fua_intern prefixes;
    uint32_t *by_length; /* owned; by_length[n] counts live prefix references of n bytes */
    size_t length_cap;
    size_t longest;      /* no live prefix is longer */
} fua_actions;

void fua_actions_init(fua_actions *actions, const fua_allocator *al, fua_hash_key key);
void fua_actions_free(fua_actions *actions);

/* The part of a pattern before its `*`; false when it has none. */
bool fua_action_prefix(fua_text pattern, fua_text *prefix);
/* Whether a pattern matches an action. */
bool fua_action_matches(fua_text pattern, fua_text action);
/* The key of a pattern whose text has the interned id `id`, with one more reference. */
fua_status fua_actions_acquire(fua_actions *actions, fua_text pattern, uint32_t id, uint32_t *key);
/* The key of a pattern in use; takes no reference.  FUA_NO_ID when its prefix is not in use. */
uint32_t fua_actions_find(const fua_actions *actions, fua_text pattern, uint32_t id);
void fua_actions_release(fua_actions *actions, uint32_t key);

/* Calls for the prefixes that match a request's action: starts with *length = 0, returns the next key and moves
 * *length past it; FUA_NO_ID when there is none. */
uint32_t fua_actions_next(const fua_actions *actions, fua_text action, size_t *length);

#endif
