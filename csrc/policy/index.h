/* The decision index of the built-in model: grants, counted at the pages of the rules and at the containers above them.
 * Internal to policy.  A function that fails leaves the index half-changed; the caller marks it stale. */
#ifndef FUA_POLICY_INDEX_H
#define FUA_POLICY_INDEX_H

#include "policy/engine.h"

/* The containers above a page, nearest first, into engine->above (a copy: grants outlive the next reach). */
fua_status fua_index_containers(fua_engine *engine, uint32_t page);
/* Whether the effect of a permission rule is to allow. */
bool fua_index_allows(const fua_engine *engine, const uint32_t *fields);
/* The key under which the grants of a permission rule stand. */
uint32_t fua_index_key(const fua_engine *engine, const uint32_t *fields);

/* Counts a permission rule, or uncounts it. */
fua_status fua_index_add(fua_engine *engine, const uint32_t *fields, uint32_t key);
fua_status fua_index_remove(fua_engine *engine, const uint32_t *fields, uint32_t key);
/* A link container -> page came (it is not in the rules yet) or went (it is out of them): the rules of that page
 * and of all below gain or lose the containers that no other path gives them. */
fua_status fua_index_pages_changed(fua_engine *engine, uint32_t container, uint32_t page, bool added);
/* Standings and grants from the rules, of the latter at most so many at once; engine->grants_stale says whether that
 * was the end. */
fua_status fua_index_rebuild(fua_engine *engine, size_t most);

#endif
