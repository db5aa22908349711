/* Row filters: what a row has to be like to be seen, as terms over its columns.
 *
 * The terms of a branch all have to hold.  Branch 0 is the filter itself; every other branch is an alternative of a
 * group, and of each group one alternative has to hold.  A term is true, or not: SQL's unknown, which a row without a
 * value (NULL) gives in comparisons, counts as not true, and nothing here negates a term.
 *
 * Values are known by a number of the caller's (`ref`).  Those not known yet are a user's; without a user, a term that
 * has one is not true, whatever else stands in it.  Only some kinds say more, and only what holds in any database:
 * texts have no order and no inequality here, since a collation may take two different ones for equal. */
#ifndef FUA_FILTER_TERMS_H
#define FUA_FILTER_TERMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/text.h"

#define FUA_FILTER_NONE UINT32_MAX
#define FUA_FILTER_EXACT INT64_C(9007199254740992) /* 2^53: up to here integers and doubles compare alike everywhere */
#define FUA_FILTER_STEPS (UINT32_C(1) << 22)       /* comparisons that simplifying may take; then the rest stays */
#define FUA_FILTER_PARTS_MAX 8192                  /* terms, and branches; values are limited by memory alone */

typedef enum fua_value_kind {
    FUA_VALUE_OPAQUE,  /* equal to itself; all else is unknown */
    FUA_VALUE_INTEGER, /* up to FUA_FILTER_EXACT either way */
    FUA_VALUE_REAL,    /* finite, smaller than FUA_FILTER_EXACT; a column may round it, so that two become equal */
    FUA_VALUE_DATE,    /* days */
    FUA_VALUE_TIME,    /* microseconds; may be rounded, as reals */
    FUA_VALUE_AGO,     /* microseconds before a now that is not known yet; may be rounded */
    FUA_VALUE_LATER,   /* not known yet; may turn out to be NULL, or all such may be missing: see below */
    FUA_VALUE_KINDS
} fua_value_kind;

typedef struct fua_value {
    fua_value_kind kind;
    uint32_t ref;  /* the caller's number; the same number is the same value */
    uint32_t next; /* index of the term's next value, or FUA_FILTER_NONE */
    union {
        int64_t integer; /* all kinds but REAL, OPAQUE and LATER */
        double real;
    } as;
} fua_value;

typedef enum fua_filter_op {
    FUA_FILTER_IN,     /* equal to one of the values, or NULL if `null` is set; without values and `null` never true */
    FUA_FILTER_NOT_IN, /* different from all the values, and not NULL */
    FUA_FILTER_LT,
    FUA_FILTER_LE,
    FUA_FILTER_GT,
    FUA_FILTER_GE,
    FUA_FILTER_CLAUSE, /* a condition of the caller's, known by its number alone */
    FUA_FILTER_GONE    /* simplified away */
} fua_filter_op;

typedef struct fua_term {
    fua_filter_op op;
    bool null;            /* of FUA_FILTER_IN */
    uint32_t column;      /* index in `columns`; of a clause its number */
    uint32_t branch;      /* index in `branches` */
    uint32_t first, last; /* values, linked by `next`; FUA_FILTER_NONE where there are none */
} fua_term;

typedef struct fua_branch {
    uint32_t group; /* from 1 on; 0 for the filter itself */
    bool never;     /* cannot hold */
    bool gone;      /* simplified away */
} fua_branch;

typedef struct fua_filter {
    const fua_allocator *al; /* borrowed */
    fua_text *columns;       /* owned, as is each text */
    fua_term *terms;         /* owned */
    fua_value *values;       /* owned */
    fua_branch *branches;    /* owned; those of a group stand together, in its order */
    size_t column_count, column_cap, term_count, term_cap, value_count, value_cap, branch_count, branch_cap;
    uint32_t group_count;
    uint32_t steps; /* comparisons left */
} fua_filter;

/* A filter that lets every row pass.  fua_filter_free is due whatever the status. */
fua_status fua_filter_init(fua_filter *filter, const fua_allocator *al);
void fua_filter_free(fua_filter *filter);

/* The index of a column, made if new; the name is copied.  FUA_ERR_SYNTAX for an empty one, or one with a NUL. */
fua_status fua_filter_column(fua_filter *filter, fua_text name, uint32_t *column);
/* A new group; the branches made from now on are its alternatives.  Without any it is never satisfied.
 * FUA_ERR_LIMIT beyond FUA_FILTER_PARTS_MAX groups, branches or terms. */
fua_status fua_filter_group(fua_filter *filter);
fua_status fua_filter_branch(fua_filter *filter, uint32_t *branch);
fua_status fua_filter_term(fua_filter *filter, uint32_t branch, fua_filter_op op, uint32_t column, bool null);
/* A value for the newest term (`next` is set here); FUA_ERR_ARG for one outside its kind's range. */
fua_status fua_filter_value(fua_filter *filter, fua_value value);
/* FUA_ERR_ARITY when a comparison has not one value, or a clause has any; before anything else is done with terms. */
fua_status fua_filter_check(const fua_filter *filter);

/* Whether a branch has no terms (left): then it always holds. */
bool fua_filter_is_empty(const fua_filter *filter, uint32_t branch);
/* Whether a group has to be looked at: no, where one of its alternatives always holds. */
bool fua_filter_group_counts(const fua_filter *filter, uint32_t group);

static inline bool fua_filter_in_branch(const fua_term *term, uint32_t branch) {
    return term->branch == branch && term->op != FUA_FILTER_GONE;
}

static inline bool fua_filter_in_group(const fua_branch *branch, uint32_t group) {
    return branch->group == group && !branch->gone;
}

/* What may be true of the order of two values; all of it when nothing is known. */
enum { FUA_ORDER_LESS = 1, FUA_ORDER_SAME = 2, FUA_ORDER_MORE = 4, FUA_ORDER_ANY = 7 };
unsigned fua_value_order(const fua_value *left, const fua_value *right);

#endif
