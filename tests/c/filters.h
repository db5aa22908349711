/* What a filter says of a row, worked out term by term: the test and the fuzz target compare with it.
 *
 * A world is what the core does not know: the values behind the refs as some database sees them.  Integers and dates
 * are what they are; reals and times are rounded in one of several ways that keep the order; all else is chance. */
#ifndef FUA_TESTS_FILTERS_H
#define FUA_TESTS_FILTERS_H

#include <math.h>

#include "filter/terms.h"

#define WORLD_REFS 64
#define WORLD_NULL NAN /* no value */

typedef struct filter_world {
    double values[WORLD_REFS]; /* by ref */
    bool clauses[8];           /* by number */
    bool nobody;               /* there is no user: terms with a value not known yet are not true */
} filter_world;

static inline double world_down(double value) { /* to an integer; no other function of libm is needed */
    double whole = (double)(int64_t)value;
    return whole > value ? whole - 1 : whole;
}

static inline double world_round(double value, uint32_t how) {
    switch (how % 3) {
    case 0: return value;
    case 1: return world_down(value);
    default: return -world_down(-value);
    }
}

/* `chance` gives the next number of some sequence. */
static inline void world_fill(filter_world *world, const fua_filter *filter, uint32_t (*chance)(void *), void *state) {
    uint32_t how = chance(state);
    double now = (double)(chance(state) % 8);
    world->nobody = chance(state) % 4 == 0;
    for (size_t i = 0; i < WORLD_REFS; i++) {
        world->values[i] = (double)(chance(state) % 5);
    }
    for (size_t i = 0; i < 8; i++) {
        world->clauses[i] = chance(state) % 2 == 0;
    }
    for (size_t i = 0; i < filter->value_count; i++) {
        const fua_value *value = &filter->values[i];
        double *known = &world->values[value->ref % WORLD_REFS];
        switch (value->kind) {
        case FUA_VALUE_INTEGER:
        case FUA_VALUE_DATE: *known = (double)value->as.integer; break;
        case FUA_VALUE_REAL: *known = world_round(value->as.real, how); break;
        case FUA_VALUE_TIME: *known = world_round((double)value->as.integer / 2, how); break;
        case FUA_VALUE_AGO: *known = world_round(now - (double)value->as.integer / 2, how); break;
        case FUA_VALUE_LATER: *known = *known == 0 ? WORLD_NULL : *known; break;
        default: break;
        }
    }
}

static inline bool world_term(const filter_world *world, const fua_filter *f, const fua_term *term, const double *row) {
    if (term->op == FUA_FILTER_CLAUSE) {
        return world->clauses[term->column % 8];
    }
    double at = row[term->column], bound = 0;
    bool found = term->null && isnan(at);
    for (uint32_t v = term->first; v != FUA_FILTER_NONE; v = f->values[v].next) {
        if (world->nobody && f->values[v].kind == FUA_VALUE_LATER) {
            return false;
        }
        bound = world->values[f->values[v].ref % WORLD_REFS];
        found = found || at == bound || (isnan(at) && isnan(bound));
    }
    switch (term->op) {
    case FUA_FILTER_IN: return found;
    case FUA_FILTER_NOT_IN: return !found && !isnan(at);
    case FUA_FILTER_LT: return at < bound;
    case FUA_FILTER_LE: return at <= bound;
    case FUA_FILTER_GT: return at > bound;
    default: return at >= bound;
    }
}

static inline bool world_branch(const filter_world *world, const fua_filter *f, uint32_t branch, const double *row) {
    for (size_t i = 0; i < f->term_count; i++) {
        if (fua_filter_in_branch(&f->terms[i], branch) && !world_term(world, f, &f->terms[i], row)) {
            return false;
        }
    }
    return true;
}

/* Whether a row, by its columns, passes. */
static inline bool world_passes(const filter_world *world, const fua_filter *f, const double *row) {
    bool passes = !f->branches[0].never && world_branch(world, f, 0, row);
    for (uint32_t group = 1; group <= f->group_count && passes; group++) {
        passes = false;
        for (uint32_t b = 1; b < f->branch_count; b++) {
            passes = passes || (fua_filter_in_group(&f->branches[b], group) && world_branch(world, f, b, row));
        }
    }
    return passes;
}

#endif
