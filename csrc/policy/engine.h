/* The policy engine: sets of rules, the role graph over them, and decisions.
 *
 * Rules are the only truth.  Levels, grants and action keys are derived from them, kept up to date change by
 * change, and computed afresh (fua_engine_settle) after a bulk load or when an update ran out of memory.  A
 * decision that cannot be computed is an error, never an answer.
 *
 * An engine has one owner at a time: callers serialise calls, decisions included (they use its scratch).
 *
 * engine.c changes rules and keeps what is derived from them up to date, with index.h and reach.h; decide.c decides,
 * cycle.c looks for cycles. */
#ifndef FUA_POLICY_ENGINE_H
#define FUA_POLICY_ENGINE_H

#include "base/text.h"
#include "data/idmap.h"
#include "data/ids.h"
#include "policy/actions.h"
#include "policy/custom.h"
#include "policy/grants.h"
#include "policy/levels.h"
#include "policy/model.h"
#include "policy/rules.h"
#include "policy/standing.h"

typedef struct fua_engine {
    const fua_allocator *al; /* borrowed; outlives the engine */
    fua_model *model;        /* owned */
    fua_intern strings;
    fua_rules rules[FUA_MODEL_MAX_TYPES]; /* by policy type of the model */
    uint64_t generation;     /* changes whenever an answer could */
    /* derived, built-in model only */
    fua_levels levels;
    fua_actions actions;
    fua_grants grants;
    bool grants_stale;
    size_t stood;             /* slots of strings that a rebuild has given their standings so far */
    size_t settled;           /* rows that it has counted among the grants */
    uint64_t settled_at;      /* the generation it began with; another one begins it anew */
    /* scratch */
    fua_reached *reached; /* owned */
    size_t reached_cap;
    fua_idmap seen;
    fua_ids keys, work, above;
    fua_custom custom; /* evaluator of other models */
} fua_engine;

/* Makes an empty engine; takes the model over (stolen) on success only. */
fua_status fua_engine_new(const fua_allocator *al, fua_model *model, fua_hash_key key, fua_engine **out);
void fua_engine_free(fua_engine *engine);

/* Whether a rule may enter: FUA_OK, FUA_ERR_ARITY, FUA_ERR_EFFECT or FUA_ERR_ROOT. */
fua_status fua_engine_check(const fua_engine *engine, size_t type, const fua_text *fields, size_t count);
/* The row of a rule, or FUA_NO_ROW. */
uint32_t fua_engine_find(const fua_engine *engine, size_t type, const fua_text *fields, size_t count);
/* Adds a checked rule; *added is false when it was there.  On failure nothing has changed. */
fua_status fua_engine_add(fua_engine *engine, size_t type, const fua_text *fields, size_t count, bool *added);
/* Takes the rule of a live row out. */
void fua_engine_remove(fua_engine *engine, size_t type, uint32_t row);
/* The text of a field; borrowed until a rule comes or goes. */
fua_text fua_engine_field(const fua_engine *engine, size_t type, uint32_t row, size_t field);

/* From here to fua_engine_settle additions only collect rules. */
void fua_engine_begin_load(fua_engine *engine);
/* Brings everything derived up to date. */
fua_status fua_engine_settle(fua_engine *engine);
/* The same in pieces, for an owner that has other things to do: at most `rules` more permission rules, and names in
 * proportion.  *done says whether that was the end; a change in between begins it anew. */
fua_status fua_engine_settle_some(fua_engine *engine, size_t rules, bool *done);

/* Looks for a cycle that the new links (count pairs: member, role) would close, as if the rows in `gone` were not
 * there.  FUA_ERR_CYCLE fills `path`: the ids along it, first one repeated at the end, each with a reference that
 * fua_engine_release_ids gives back. */
fua_status fua_engine_find_cycle(fua_engine *engine, size_t type, const fua_text *links, size_t count,
                                 const uint32_t *gone, size_t gone_count, fua_ids *path);
void fua_engine_release_ids(fua_engine *engine, fua_ids *ids);

/* Whether a request is allowed.  FUA_ERR_ARITY when count is not what the model defines. */
fua_status fua_engine_decide(fua_engine *engine, const fua_text *request, size_t count, bool *allowed);
/* The same, and the row of the rule that decided: FUA_NO_ROW where none did. */
fua_status fua_engine_explain(fua_engine *engine, const fua_text *request, size_t count, bool *allowed, uint32_t *row);

/* Whether requests that begin with one subject are allowed: `count` times the `width` fields that follow it.  What
 * depends on the subject is worked out once. */
fua_status fua_engine_decide_each(fua_engine *engine, fua_text subject, const fua_text *requests, size_t count,
                                  size_t width, bool *allowed);

/* Everything reachable from `start` over links of one role type, nearest first, without the start; where the links
 * carry a domain, only those of `domain`.  Upward follows member -> role.  The result is borrowed from the engine
 * until its next call. */
fua_status fua_engine_reach(fua_engine *engine, size_t type, fua_text start, const fua_text *domain, bool upward,
                            const fua_reached **ids, size_t *count);
/* A subject on a cycle of role links in a loaded policy, or false. */
bool fua_engine_cycle_in_policy(fua_engine *engine, fua_text *subject);

#endif
