#include "filter/terms.h"

#include <string.h>

fua_status fua_filter_init(fua_filter *filter, const fua_allocator *al) {
    uint32_t root;
    memset(filter, 0, sizeof *filter);
    filter->al = al;
    filter->steps = FUA_FILTER_STEPS;
    return fua_filter_branch(filter, &root);
}

void fua_filter_free(fua_filter *filter) {
    for (size_t i = 0; i < filter->column_count; i++) {
        fua_free(filter->al, (void *)(uintptr_t)filter->columns[i].data);
    }
    fua_free(filter->al, filter->columns);
    fua_free(filter->al, filter->terms);
    fua_free(filter->al, filter->values);
    fua_free(filter->al, filter->branches);
    memset(filter, 0, sizeof *filter);
}

/* Room for one element more in an array of at most `max`. */
static fua_status room(const fua_filter *filter, void **block, size_t *cap, size_t count, size_t max, size_t size) {
    return count >= max ? FUA_ERR_LIMIT : fua_grow(filter->al, block, cap, count + 1, size);
}

fua_status fua_filter_column(fua_filter *filter, fua_text name, uint32_t *column) {
    for (size_t i = 0; i < filter->column_count; i++) {
        if (fua_text_equal(filter->columns[i], name)) {
            *column = (uint32_t)i;
            return FUA_OK;
        }
    }
    if (name.size == 0 || memchr(name.data, '\0', name.size) != NULL) {
        return FUA_ERR_SYNTAX;
    }
    void *block = filter->columns;
    fua_status status = room(filter, &block, &filter->column_cap, filter->column_count, FUA_FILTER_PARTS_MAX,
                             sizeof *filter->columns);
    filter->columns = block;
    char *copy = status == FUA_OK ? fua_alloc(filter->al, name.size, 1) : NULL;
    if (copy == NULL) {
        return status == FUA_OK ? FUA_ERR_NOMEM : status;
    }
    memcpy(copy, name.data, name.size);
    *column = (uint32_t)filter->column_count;
    filter->columns[filter->column_count++] = (fua_text){copy, name.size};
    return FUA_OK;
}

fua_status fua_filter_group(fua_filter *filter) {
    if (filter->group_count == FUA_FILTER_PARTS_MAX) {
        return FUA_ERR_LIMIT;
    }
    filter->group_count++;
    return FUA_OK;
}

fua_status fua_filter_branch(fua_filter *filter, uint32_t *branch) {
    void *block = filter->branches;
    fua_status status = room(filter, &block, &filter->branch_cap, filter->branch_count, FUA_FILTER_PARTS_MAX,
                             sizeof *filter->branches);
    filter->branches = block;
    if (status == FUA_OK) {
        *branch = (uint32_t)filter->branch_count;
        filter->branches[filter->branch_count++] = (fua_branch){filter->group_count, false, false};
    }
    return status;
}

fua_status fua_filter_term(fua_filter *filter, uint32_t branch, fua_filter_op op, uint32_t column, bool null) {
    if (branch >= filter->branch_count || op >= FUA_FILTER_GONE ||
        (op != FUA_FILTER_CLAUSE && column >= filter->column_count) || (null && op != FUA_FILTER_IN)) {
        return FUA_ERR_ARG;
    }
    void *block = filter->terms;
    fua_status status =
        room(filter, &block, &filter->term_cap, filter->term_count, FUA_FILTER_PARTS_MAX, sizeof *filter->terms);
    filter->terms = block;
    if (status == FUA_OK) {
        filter->terms[filter->term_count++] = (fua_term){op, null, column, branch, FUA_FILTER_NONE, FUA_FILTER_NONE};
    }
    return status;
}

static bool in_range(const fua_value *value) {
    switch (value->kind) {
    case FUA_VALUE_INTEGER: return value->as.integer >= -FUA_FILTER_EXACT && value->as.integer <= FUA_FILTER_EXACT;
    case FUA_VALUE_REAL: return value->as.real > -(double)FUA_FILTER_EXACT && value->as.real < (double)FUA_FILTER_EXACT;
    default: return value->kind < FUA_VALUE_KINDS;
    }
}

fua_status fua_filter_value(fua_filter *filter, fua_value value) {
    if (filter->term_count == 0 || !in_range(&value)) {
        return FUA_ERR_ARG;
    }
    void *block = filter->values;
    fua_status status =
        room(filter, &block, &filter->value_cap, filter->value_count, FUA_FILTER_NONE, sizeof *filter->values);
    filter->values = block;
    if (status != FUA_OK) {
        return status;
    }
    uint32_t index = (uint32_t)filter->value_count++;
    fua_term *term = &filter->terms[filter->term_count - 1];
    value.next = FUA_FILTER_NONE;
    filter->values[index] = value;
    if (term->first == FUA_FILTER_NONE) {
        term->first = index;
    } else {
        filter->values[term->last].next = index;
    }
    term->last = index;
    return FUA_OK;
}

fua_status fua_filter_check(const fua_filter *filter) {
    for (size_t i = 0; i < filter->term_count; i++) {
        const fua_term *term = &filter->terms[i];
        bool comparison = term->op >= FUA_FILTER_LT && term->op <= FUA_FILTER_GE;
        if (comparison && (term->first == FUA_FILTER_NONE || term->first != term->last)) {
            return FUA_ERR_ARITY;
        }
        if (term->op == FUA_FILTER_CLAUSE && term->first != FUA_FILTER_NONE) {
            return FUA_ERR_ARITY;
        }
    }
    return FUA_OK;
}

bool fua_filter_is_empty(const fua_filter *filter, uint32_t branch) {
    for (size_t i = 0; i < filter->term_count; i++) {
        if (fua_filter_in_branch(&filter->terms[i], branch)) {
            return false;
        }
    }
    return true;
}

bool fua_filter_group_counts(const fua_filter *filter, uint32_t group) {
    for (uint32_t i = 1; i < filter->branch_count; i++) {
        if (fua_filter_in_group(&filter->branches[i], group) && fua_filter_is_empty(filter, i)) {
            return false;
        }
    }
    return true;
}

static bool is_number(const fua_value *value) {
    return value->kind == FUA_VALUE_INTEGER || value->kind == FUA_VALUE_REAL;
}

static double number_of(const fua_value *value) { /* exact, by the limits of both kinds */
    return value->kind == FUA_VALUE_INTEGER ? (double)value->as.integer : value->as.real;
}

/* -1, 0, 1; of values of one kind, or of two numbers. */
static int compare(const fua_value *left, const fua_value *right) {
    if (is_number(left)) {
        double a = number_of(left), b = number_of(right);
        return (a > b) - (a < b);
    }
    int sign = (left->as.integer > right->as.integer) - (left->as.integer < right->as.integer);
    return left->kind == FUA_VALUE_AGO ? -sign : sign; /* longer ago is earlier */
}

unsigned fua_value_order(const fua_value *left, const fua_value *right) {
    if (left->ref == right->ref) {
        return FUA_ORDER_SAME;
    }
    bool both_numbers = is_number(left) && is_number(right);
    if (left->kind == FUA_VALUE_OPAQUE || left->kind == FUA_VALUE_LATER ||
        (left->kind != right->kind && !both_numbers)) {
        return FUA_ORDER_ANY;
    }
    int sign = compare(left, right);
    if (sign == 0) {
        return FUA_ORDER_SAME;
    }
    bool exact = (left->kind == FUA_VALUE_INTEGER && right->kind == FUA_VALUE_INTEGER) || left->kind == FUA_VALUE_DATE;
    unsigned order = sign < 0 ? FUA_ORDER_LESS : FUA_ORDER_MORE;
    return exact ? order : order | FUA_ORDER_SAME; /* rounding keeps the order, but may make one of two */
}
