/* The set of rules of one policy type (p, g, g2, ...): rows of interned fields, each row once.
 *
 * Rows keep the order in which they came.  Besides the hash table that makes the set, rows with the same
 * first field and rows with the same second field are chained, so that "the rules of a subject" and "the
 * members of a role" are lists to follow, never scans.  For role links the chains are the graph itself. */
#ifndef FUA_POLICY_RULES_H
#define FUA_POLICY_RULES_H

#include <stdbool.h>

#include "data/idmap.h"
#include "data/intern.h"

#define FUA_NO_ROW UINT32_MAX
#define FUA_RULE_MAX_FIELDS 16
#define FUA_CHAINS 2 /* chained fields: the first and the second */

typedef struct fua_rules {
    const fua_allocator *al; /* borrowed */
    size_t width;            /* fields of a rule, 1 .. FUA_RULE_MAX_FIELDS */
    uint32_t *fields;        /* owned; width ids a row */
    uint32_t *next, *prev;   /* owned; FUA_CHAINS links a row; a dead row has next == its own number */
    size_t rows, cap;        /* rows in use, dead ones included; room for */
    size_t live;             /* rules */
    fua_idmap heads[FUA_CHAINS]; /* id -> newest row of its chain */
    uint32_t *slots;         /* owned hash table of rows, power of two */
    size_t slot_count;
} fua_rules;

void fua_rules_init(fua_rules *rules, const fua_allocator *al, size_t width);
/* Frees the rows, not the references to their ids. */
void fua_rules_free(fua_rules *rules);

/* The row that equals `fields`, or FUA_NO_ROW. */
uint32_t fua_rules_find(const fua_rules *rules, const uint32_t *fields);
/* Adds a rule that is not there; its ids now belong to the row.  On failure nothing has changed. */
fua_status fua_rules_add(fua_rules *rules, const uint32_t *fields, uint32_t *row);
/* Takes a live row out; its ids belong to the caller again. */
void fua_rules_remove(fua_rules *rules, uint32_t row);

/* The fields of a row; borrowed until the next add. */
static inline const uint32_t *fua_rules_fields(const fua_rules *rules, uint32_t row) {
    return &rules->fields[(size_t)row * rules->width];
}

static inline bool fua_rules_is_live(const fua_rules *rules, uint32_t row) {
    return rules->next[(size_t)row * FUA_CHAINS] != row;
}

/* Follows the rows whose field number `chain` (0 or 1) is `id`, newest first; FUA_NO_ROW ends. */
static inline uint32_t fua_rules_first(const fua_rules *rules, size_t chain, uint32_t id) {
    return fua_idmap_get(&rules->heads[chain], id, FUA_NO_ROW);
}

static inline uint32_t fua_rules_next(const fua_rules *rules, size_t chain, uint32_t row) {
    return rules->next[(size_t)row * FUA_CHAINS + chain];
}

#endif
