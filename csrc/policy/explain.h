/* Why a request is decided as it is: the rule that decided, the others that were relevant, and the links that lead
 * to them.  The decision and its rule are those of fua_engine_explain. */
#ifndef FUA_POLICY_EXPLAIN_H
#define FUA_POLICY_EXPLAIN_H

#include "policy/engine.h"

typedef struct fua_relevant {
    uint32_t row, level; /* a permission rule, and the level of its subject */
} fua_relevant;

typedef struct fua_explanation {
    bool allowed;
    uint32_t row;           /* of the rule that decided, or FUA_NO_ROW */
    fua_relevant *relevant; /* owned; lowest level first, within one oldest first; the deciding rule is one of them */
    size_t count, cap;
    fua_idmap subjects; /* subject -> the one whose role it is, nearest the request's; that one -> itself */
    fua_idmap pages;    /* page -> its container, nearest the request's; that one -> itself */
} fua_explanation;

/* Explains a request; `out` needs fua_explanation_free on success only.  FUA_ERR_ARITY when count is not what the
 * model defines.  Of other models than the built-in one, only the deciding rule counts as relevant. */
fua_status fua_explain(fua_engine *engine, const fua_text *request, size_t count, fua_explanation *out);
void fua_explanation_free(const fua_engine *engine, fua_explanation *explanation);

/* Follows `from` (subjects or pages) back from `id`: `path` becomes the ids from the request's own to `id`, or empty
 * where nothing leads there.  Its memory is owned by the caller: fua_free. */
fua_status fua_explain_path(const fua_engine *engine, const fua_idmap *from, uint32_t id, fua_ids *path);

#endif
