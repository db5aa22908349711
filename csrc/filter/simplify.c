#include "filter/simplify.h"

/*
 * All reasoning is about one column and two terms.  `known_true(term, value)` and `known_false(term, value)` say what
 * becomes of a term where the column equals a value, in every order that the values may have; from these two follow
 * implication and contradiction.  Nothing known means that both terms stay.
 */

#define REPEATED_WITHIN 64 /* first values of a list that the others are compared with, to find repeated ones */

#define EACH_VALUE(filter, term, index)                                                                               \
    for (uint32_t index = (term)->first; index != FUA_FILTER_NONE; index = (filter)->values[index].next)

static unsigned order(fua_filter *f, uint32_t left, uint32_t right) {
    if (f->steps == 0) {
        return FUA_ORDER_ANY;
    }
    f->steps--;
    return fua_value_order(&f->values[left], &f->values[right]);
}

static bool is_lower(fua_filter_op op) {
    return op == FUA_FILTER_GT || op == FUA_FILTER_GE;
}

static bool is_upper(fua_filter_op op) {
    return op == FUA_FILTER_LT || op == FUA_FILTER_LE;
}

static bool is_bound(fua_filter_op op) {
    return is_lower(op) || is_upper(op);
}

/* The orders of column and bound in which a comparison holds. */
static unsigned holds_in(fua_filter_op op) {
    switch (op) {
    case FUA_FILTER_LT: return FUA_ORDER_LESS;
    case FUA_FILTER_LE: return FUA_ORDER_LESS | FUA_ORDER_SAME;
    case FUA_FILTER_GT: return FUA_ORDER_MORE;
    default: return FUA_ORDER_MORE | FUA_ORDER_SAME;
    }
}

static bool is_later(const fua_filter *f, uint32_t value) {
    return f->values[value].kind == FUA_VALUE_LATER;
}

static bool has_later(const fua_filter *f, const fua_term *term) {
    EACH_VALUE(f, term, v) {
        if (is_later(f, v)) {
            return true;
        }
    }
    return false;
}

/* Whether a list has a value that is surely the same. */
static bool holds_value(fua_filter *f, const fua_term *list, uint32_t value) {
    EACH_VALUE(f, list, other) {
        if (order(f, value, other) == FUA_ORDER_SAME) {
            return true;
        }
        if (f->steps == 0) {
            break;
        }
    }
    return false;
}

/* Whether all values of a list are surely different. */
static bool lacks_value(fua_filter *f, const fua_term *list, uint32_t value) {
    EACH_VALUE(f, list, other) {
        if ((order(f, value, other) & FUA_ORDER_SAME) != 0) {
            return false;
        }
    }
    return true;
}

/* A value not known yet may be NULL: then "equal to it" is "is NULL", which only the same list entry keeps. */
static bool known_true(fua_filter *f, const fua_term *term, uint32_t value) {
    if (term->op == FUA_FILTER_IN) {
        return holds_value(f, term, value);
    }
    if (is_later(f, value) || term->op == FUA_FILTER_CLAUSE) {
        return false;
    }
    return term->op == FUA_FILTER_NOT_IN ? lacks_value(f, term, value)
                                         : (order(f, value, term->first) & ~holds_in(term->op)) == 0;
}

static bool known_false(fua_filter *f, const fua_term *term, uint32_t value) {
    if (is_later(f, value) || term->op == FUA_FILTER_CLAUSE) {
        return false;
    }
    switch (term->op) {
    case FUA_FILTER_IN: return lacks_value(f, term, value);
    case FUA_FILTER_NOT_IN: return holds_value(f, term, value);
    default: return (order(f, value, term->first) & holds_in(term->op)) == 0;
    }
}

/* Whether a term is surely not true of a row without a value. */
static bool rejects_null(const fua_filter *f, const fua_term *term) {
    return term->op != FUA_FILTER_CLAUSE && (term->op != FUA_FILTER_IN || (!term->null && !has_later(f, term)));
}

static bool all_known_true(fua_filter *f, const fua_term *list, const fua_term *term) {
    EACH_VALUE(f, list, v) {
        if (!known_true(f, term, v)) {
            return false;
        }
    }
    return true;
}

static bool all_known_false(fua_filter *f, const fua_term *list, const fua_term *term) {
    EACH_VALUE(f, list, v) {
        if (!known_false(f, term, v)) {
            return false;
        }
    }
    return true;
}

static bool same_column(const fua_term *a, const fua_term *b) {
    return a->column == b->column && (a->op == FUA_FILTER_CLAUSE) == (b->op == FUA_FILTER_CLAUSE);
}

/* Of two bounds on one side. */
static bool bound_implies(fua_filter *f, const fua_term *a, const fua_term *b) {
    unsigned wanted = is_lower(a->op) ? FUA_ORDER_MORE : FUA_ORDER_LESS;
    bool looser = a->op == FUA_FILTER_GE || a->op == FUA_FILTER_LE;
    if (!looser || a->op == b->op) { /* the bound itself may be the same, unless `a` lets it pass and `b` does not */
        wanted |= FUA_ORDER_SAME;
    }
    return (order(f, a->first, b->first) & ~wanted) == 0;
}

/* Whether b holds wherever a does.  a is a term that can hold. */
static bool implies(fua_filter *f, const fua_term *a, const fua_term *b) {
    if (!same_column(a, b) || (has_later(f, b) && !has_later(f, a))) { /* b may be a user's where there is no user */
        return false;
    }
    if (a->op == FUA_FILTER_CLAUSE) {
        return true;
    }
    if (b->op == FUA_FILTER_NOT_IN && b->first == FUA_FILTER_NONE) { /* not NULL */
        return rejects_null(f, a);
    }
    switch (a->op) {
    case FUA_FILTER_IN: return (!a->null || (b->op == FUA_FILTER_IN && b->null)) && all_known_true(f, a, b);
    case FUA_FILTER_NOT_IN:
        if (b->op != FUA_FILTER_NOT_IN) {
            return false;
        }
        EACH_VALUE(f, b, v) {
            if (!holds_value(f, a, v)) {
                return false;
            }
        }
        return true;
    default:
        if (b->op == FUA_FILTER_NOT_IN) {
            return all_known_false(f, b, a);
        }
        return is_bound(b->op) && is_lower(a->op) == is_lower(b->op) && bound_implies(f, a, b);
    }
}

/* Whether no row has both. */
static bool contradicts(fua_filter *f, const fua_term *a, const fua_term *b) {
    if (!same_column(a, b) || a->op == FUA_FILTER_CLAUSE) {
        return false;
    }
    if (a->op != FUA_FILTER_IN && b->op == FUA_FILTER_IN) {
        const fua_term *list = b;
        b = a;
        a = list;
    }
    if (a->op == FUA_FILTER_IN) {
        return (!a->null || rejects_null(f, b)) && all_known_false(f, a, b);
    }
    if ((is_lower(a->op) && is_upper(b->op)) || (is_upper(a->op) && is_lower(b->op))) {
        const fua_term *lower = is_lower(a->op) ? a : b, *upper = is_lower(a->op) ? b : a;
        unsigned wanted = FUA_ORDER_MORE;
        if (lower->op == FUA_FILTER_GT || upper->op == FUA_FILTER_LT) {
            wanted |= FUA_ORDER_SAME;
        }
        return (order(f, lower->first, upper->first) & ~wanted) == 0;
    }
    return false;
}

/* Takes the value after `before` (FUA_FILTER_NONE: the first one) out of a list. */
static void unlink_value(fua_filter *f, fua_term *term, uint32_t before) {
    uint32_t *from = before == FUA_FILTER_NONE ? &term->first : &f->values[before].next;
    if (*from == term->last) {
        term->last = before;
    }
    *from = f->values[*from].next;
}

/* Moves the values of one list to the end of another. */
static void join_lists(fua_filter *f, fua_term *into, fua_term *from) {
    if (from->first != FUA_FILTER_NONE) {
        if (into->first == FUA_FILTER_NONE) {
            into->first = from->first;
        } else {
            f->values[into->last].next = from->first;
        }
        into->last = from->last;
    }
    into->null = into->null || from->null;
    from->first = from->last = FUA_FILTER_NONE;
    from->op = FUA_FILTER_GONE;
}

typedef bool value_test(fua_filter *f, const fua_term *term, uint32_t value);

/* Drops the values of a list for which `drop(by, value)` holds; whether there were any. */
static bool prune(fua_filter *f, fua_term *list, const fua_term *by, value_test *drop) {
    bool changed = false;
    uint32_t before = FUA_FILTER_NONE;
    for (uint32_t v = list->first; v != FUA_FILTER_NONE; v = f->values[v].next) {
        if (drop(f, by, v)) {
            unlink_value(f, list, before);
            changed = true;
        } else {
            before = v;
        }
    }
    return changed;
}

/* Whether a value stands in the list before; where that is far away it is not looked for. */
static bool is_repeated(fua_filter *f, const fua_term *list, uint32_t value) {
    size_t looked_at = 0;
    for (uint32_t v = list->first; v != value && looked_at < REPEATED_WITHIN; v = f->values[v].next, looked_at++) {
        if (order(f, v, value) == FUA_ORDER_SAME) {
            return true;
        }
    }
    return false;
}

static bool is_list(fua_filter_op op) {
    return op == FUA_FILTER_IN || op == FUA_FILTER_NOT_IN;
}

static bool never_holds(const fua_term *term) {
    return term->op == FUA_FILTER_IN && !term->null && term->first == FUA_FILTER_NONE;
}

/* What b makes of a, both of one branch and column; whether something changed. */
static bool use_on(fua_filter *f, fua_term *a, fua_term *b) {
    bool changed = false;
    if (a->op == FUA_FILTER_NOT_IN && b->op == FUA_FILTER_NOT_IN) {
        join_lists(f, a, b);
        (void)prune(f, a, a, is_repeated);
        return true;
    }
    if (a->op == FUA_FILTER_IN && a->null && rejects_null(f, b)) {
        a->null = false;
        changed = true;
    }
    if (is_list(a->op) && b->op != FUA_FILTER_CLAUSE && !(a->op == FUA_FILTER_IN && never_holds(a))) {
        changed = prune(f, a, b, known_false) || changed;
    }
    if (!never_holds(a) && implies(f, a, b)) {
        b->op = FUA_FILTER_GONE;
        changed = true;
    }
    return changed;
}

static bool settle_pair(fua_filter *f, fua_term *a, fua_term *b) {
    bool changed = use_on(f, a, b);
    if (a->op != FUA_FILTER_GONE && b->op != FUA_FILTER_GONE) {
        changed = use_on(f, b, a) || changed;
    }
    return changed;
}

/* One round over the pairs of a branch; whether something changed. */
static bool settle_round(fua_filter *f, uint32_t branch) {
    bool changed = false;
    for (size_t i = 0; i < f->term_count; i++) {
        for (size_t j = i + 1; j < f->term_count && fua_filter_in_branch(&f->terms[i], branch) && f->steps > 0; j++) {
            fua_term *a = &f->terms[i], *b = &f->terms[j];
            f->steps--;
            if (!fua_filter_in_branch(b, branch) || !same_column(a, b)) {
                continue;
            }
            changed = settle_pair(f, a, b) || changed;
            if (never_holds(a) || never_holds(b) ||
                (a->op != FUA_FILTER_GONE && b->op != FUA_FILTER_GONE && contradicts(f, a, b))) {
                f->branches[branch].never = true;
                return false;
            }
        }
    }
    return changed;
}

static void settle_branch(fua_filter *f, uint32_t branch) {
    for (size_t i = 0; i < f->term_count; i++) {
        fua_term *term = &f->terms[i];
        if (fua_filter_in_branch(term, branch) && is_list(term->op)) {
            (void)prune(f, term, term, is_repeated);
        }
        if (fua_filter_in_branch(term, branch) && never_holds(term)) {
            f->branches[branch].never = true;
            return;
        }
    }
    while (settle_round(f, branch)) {
    }
}

/* --- groups --------------------------------------------------------------------------------------------------- */

static void drop_branch(fua_filter *f, uint32_t branch) {
    f->branches[branch].gone = true;
    for (size_t i = 0; i < f->term_count; i++) {
        if (f->terms[i].branch == branch) {
            f->terms[i].op = FUA_FILTER_GONE;
        }
    }
}

/* The only term of a branch, or NULL. */
static fua_term *only_term(fua_filter *f, uint32_t branch) {
    fua_term *found = NULL;
    for (size_t i = 0; i < f->term_count && f->steps > 0; i++) {
        f->steps--;
        if (fua_filter_in_branch(&f->terms[i], branch)) {
            if (found != NULL) {
                return NULL;
            }
            found = &f->terms[i];
        }
    }
    return f->steps > 0 ? found : NULL;
}

/* What the filter itself makes of an alternative: it may go without saying, or be impossible. */
static void use_root(fua_filter *f, uint32_t branch) {
    for (size_t i = 0; i < f->term_count; i++) {
        for (size_t j = 0; j < f->term_count && fua_filter_in_branch(&f->terms[i], 0) && f->steps > 0; j++) {
            f->steps--;
            if (!fua_filter_in_branch(&f->terms[j], branch)) {
                continue;
            }
            if (contradicts(f, &f->terms[i], &f->terms[j])) {
                f->branches[branch].never = true;
                return;
            }
            if (implies(f, &f->terms[i], &f->terms[j])) {
                f->terms[j].op = FUA_FILTER_GONE;
            }
        }
    }
}

/* Whether each term of the wider branch is implied by one of the narrower. */
static bool is_within(fua_filter *f, uint32_t narrower, uint32_t wider) {
    for (size_t j = 0; j < f->term_count; j++) {
        bool found = !fua_filter_in_branch(&f->terms[j], wider);
        for (size_t i = 0; i < f->term_count && !found; i++) {
            if (f->steps == 0) {
                return false;
            }
            f->steps--;
            found = fua_filter_in_branch(&f->terms[i], narrower) && implies(f, &f->terms[i], &f->terms[j]);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

/* Makes one alternative of two where that is possible. */
static void join_branches(fua_filter *f, uint32_t first, uint32_t second) {
    if (is_within(f, second, first)) {
        drop_branch(f, second);
        return;
    }
    if (is_within(f, first, second)) {
        drop_branch(f, first);
        return;
    }
    fua_term *a = only_term(f, first), *b = only_term(f, second);
    if (a != NULL && b != NULL && a->op == FUA_FILTER_IN && b->op == FUA_FILTER_IN && a->column == b->column &&
        has_later(f, a) == has_later(f, b)) {
        join_lists(f, a, b);
        (void)prune(f, a, a, is_repeated);
        drop_branch(f, second);
    }
}

/* Each alternative by itself and beside the filter's own terms; those that cannot hold go. */
static void settle_branches(fua_filter *f, uint32_t group) {
    for (uint32_t b = 1; b < f->branch_count; b++) {
        if (!fua_filter_in_group(&f->branches[b], group)) {
            continue;
        }
        use_root(f, b);
        if (!f->branches[b].never) {
            settle_branch(f, b);
        }
        if (f->branches[b].never) {
            drop_branch(f, b);
            continue;
        }
        for (uint32_t other = 1; other < b && f->steps > 0; other++) {
            if (fua_filter_in_group(&f->branches[other], group) && fua_filter_in_group(&f->branches[b], group)) {
                join_branches(f, other, b);
            }
        }
    }
}

/* Simplifies a group; whether the filter itself got new terms by that.  Then a branch without terms stays in it. */
static bool settle_group(fua_filter *f, uint32_t group) {
    uint32_t only = 0;
    if (!fua_filter_group_counts(f, group)) {
        return false;
    }
    settle_branches(f, group);
    for (uint32_t b = 1; b < f->branch_count; b++) {
        if (fua_filter_in_group(&f->branches[b], group)) {
            if (only != 0) {
                return false;
            }
            only = b;
        }
    }
    if (only == 0) {
        f->branches[0].never = true;
        return false;
    }
    for (size_t i = 0; i < f->term_count; i++) {
        if (f->terms[i].branch == only) {
            f->terms[i].branch = 0;
        }
    }
    return true;
}

fua_status fua_filter_simplify(fua_filter *f) {
    fua_status status = fua_filter_check(f);
    bool again = status == FUA_OK;
    while (again) {
        again = false;
        settle_branch(f, 0);
        for (uint32_t group = 1; group <= f->group_count && !f->branches[0].never; group++) {
            again = settle_group(f, group) || again;
        }
        again = again && !f->branches[0].never;
    }
    return status;
}
