/* The set of rules of one policy type (p, g, g2, ...): rows of interned fields, each row once.
 *
 * Rows keep the order in which they came.  Besides the hash table that makes the set, rows with the same
 * first field and rows with the same second field are chained, so that "the rules of a subject" and "the
 * members of a role" are lists to follow, never scans.  For role links the chains are the graph itself. */
#ifndef FUA_POLICY_RULES_H
#define FUA_POLICY_RULES_H

#include <stdbool.h>

#include "base/prefetch.h"
#include "data/intern.h"

#define FUA_NO_ROW UINT32_MAX
#define FUA_RULE_MAX_FIELDS 16
#define FUA_CHAINS 2 /* chained fields: the first and the second */

typedef struct fua_rules {
    const fua_allocator *al; /* borrowed */
    size_t width;            /* fields of a rule, 1 .. FUA_RULE_MAX_FIELDS */
    uint32_t *records;       /* owned; a row's: next and previous row of each chain, then its fields.  A dead row is
                              * its own next one. */
    size_t rows, cap;        /* rows in use, dead ones included; room for */
    size_t live;             /* rules */
    uint32_t *heads[FUA_CHAINS]; /* owned; id -> newest row of its chain, FUA_NO_ROW for none */
    size_t heads_cap[FUA_CHAINS];
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

#define FUA_LINKS ((size_t)2 * FUA_CHAINS) /* what stands before the fields of a record */

static inline uint32_t *fua_rules_record(const fua_rules *rules, uint32_t row) {
    return &rules->records[(size_t)row * (FUA_LINKS + rules->width)];
}

/* The fields of a row; borrowed until the next add. */
static inline const uint32_t *fua_rules_fields(const fua_rules *rules, uint32_t row) {
    return fua_rules_record(rules, row) + FUA_LINKS;
}

static inline bool fua_rules_is_live(const fua_rules *rules, uint32_t row) {
    return fua_rules_record(rules, row)[0] != row;
}

/* Follows the rows whose field number `chain` (0 or 1) is `id`, newest first; FUA_NO_ROW ends. */
static inline uint32_t fua_rules_first(const fua_rules *rules, size_t chain, uint32_t id) {
    return id < rules->heads_cap[chain] ? rules->heads[chain][id] : FUA_NO_ROW;
}

static inline uint32_t fua_rules_next(const fua_rules *rules, size_t chain, uint32_t row) {
    return fua_rules_record(rules, row)[chain];
}

/* Says that the rows of a chain will soon be followed. */
static inline void fua_rules_prefetch(const fua_rules *rules, size_t chain, uint32_t id) {
    if (id < rules->heads_cap[chain]) {
        FUA_PREFETCH(&rules->heads[chain][id]);
    }
}

/* The same one step further: the newest row itself. */
static inline void fua_rules_prefetch_rows(const fua_rules *rules, size_t chain, uint32_t id) {
    uint32_t row = fua_rules_first(rules, chain, id);
    if (row != FUA_NO_ROW) {
        FUA_PREFETCH(fua_rules_record(rules, row));
    }
}

#endif
