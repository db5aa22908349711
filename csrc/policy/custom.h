/* Decisions of models read from text: the compiled matcher over candidate rules.
 *
 * The matcher is taken apart at its top-level || and &&.  Conditions on the request alone are settled first; an
 * equality or role condition on the first or second field of the rule gives a chain of candidates to follow; only
 * a matcher without either makes the engine look at every rule. */
#ifndef FUA_POLICY_CUSTOM_H
#define FUA_POLICY_CUSTOM_H

#include <stdbool.h>

#include "base/status.h"
#include "base/text.h"
#include "data/idmap.h"

struct fua_engine;

/* The subjects reachable from one member (in one domain), kept for the length of a decision. */
typedef struct fua_custom_reach {
    size_t type;
    uint32_t member, domain;
    fua_idmap ids;
} fua_custom_reach;

typedef struct fua_custom {
    fua_custom_reach *reaches; /* owned */
    size_t count, cap;
} fua_custom;

void fua_custom_free(const fua_allocator *al, fua_custom *custom);

fua_status fua_custom_decide(struct fua_engine *engine, const fua_text *request, bool *allowed, uint32_t *row);

#endif
