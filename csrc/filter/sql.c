#include "filter/sql.h"

#include <stdio.h>

typedef struct writer {
    const fua_filter *filter; /* borrowed */
    const fua_sql_form *form; /* borrowed */
    fua_buffer *out;          /* borrowed */
    uint32_t *refs;           /* borrowed */
    size_t ref_count;
    fua_status status; /* of the first thing that went wrong; nothing is written after it */
} writer;

static void put(writer *w, fua_text text) {
    if (w->status == FUA_OK) {
        w->status = fua_buffer_add(w->out, text.data, text.size);
    }
}

static void put_text(writer *w, const char *text) {
    put(w, fua_text_of(text));
}

/* Quoted, with quotes doubled; in styles that are a format, so are percent signs. */
static void put_name(writer *w, fua_text name) {
    bool is_format = w->form->style == FUA_SQL_FORMAT || w->form->style == FUA_SQL_PYFORMAT;
    fua_text quote = {&w->form->quote, 1};
    size_t from = 0;
    put(w, quote);
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] == w->form->quote || (is_format && name.data[i] == '%')) {
            put(w, (fua_text){name.data + from, i + 1 - from});
            from = i;
        }
    }
    put(w, (fua_text){name.data + from, name.size - from});
    put(w, quote);
}

static void put_column(writer *w, const fua_term *term) {
    if (w->form->table.size > 0) {
        put_name(w, w->form->table);
        put_text(w, ".");
    }
    put_name(w, w->filter->columns[term->column]);
}

static void put_mark(writer *w, uint32_t value) {
    char number[32];
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)(w->form->start + w->ref_count));
    switch (w->form->style) {
    case FUA_SQL_QMARK: put_text(w, "?"); break;
    case FUA_SQL_FORMAT: put_text(w, "%s"); break;
    case FUA_SQL_NUMERIC:
        put_text(w, ":");
        put_text(w, number);
        break;
    case FUA_SQL_DOLLAR:
        put_text(w, "$");
        put_text(w, number);
        break;
    case FUA_SQL_NAMED:
        put_text(w, ":");
        put(w, w->form->prefix);
        put_text(w, number);
        break;
    default:
        put_text(w, "%(");
        put(w, w->form->prefix);
        put_text(w, number);
        put_text(w, ")s");
    }
    w->refs[w->ref_count++] = w->filter->values[value].ref;
}

/* column = ?, or column IN (?, ?) */
static void put_list(writer *w, const fua_term *term, const char *one, const char *many) {
    put_column(w, term);
    if (term->first == term->last) {
        put_text(w, one);
        put_mark(w, term->first);
        return;
    }
    put_text(w, many);
    for (uint32_t v = term->first; v != FUA_FILTER_NONE; v = w->filter->values[v].next) {
        put_text(w, v == term->first ? "(" : ", ");
        put_mark(w, v);
    }
    put_text(w, ")");
}

static void put_null_test(writer *w, const fua_term *term, const char *test) {
    put_column(w, term);
    put_text(w, test);
}

static void put_in(writer *w, const fua_term *term) {
    bool empty = term->first == FUA_FILTER_NONE, both = term->null && !empty;
    put_text(w, both ? "(" : "");
    if (empty && !term->null) {
        put_text(w, "1 = 0");
    }
    if (!empty) {
        put_list(w, term, " = ", " IN ");
    }
    put_text(w, both ? " OR " : "");
    if (term->null) {
        put_null_test(w, term, " IS NULL");
    }
    put_text(w, both ? ")" : "");
}

static void put_term(writer *w, const fua_term *term) {
    static const char *const signs[] = {
        [FUA_FILTER_LT] = " < ", [FUA_FILTER_LE] = " <= ", [FUA_FILTER_GT] = " > ", [FUA_FILTER_GE] = " >= "};
    switch (term->op) {
    case FUA_FILTER_IN: put_in(w, term); break;
    case FUA_FILTER_NOT_IN:
        if (term->first == FUA_FILTER_NONE) {
            put_null_test(w, term, " IS NOT NULL");
        } else {
            put_list(w, term, " <> ", " NOT IN ");
        }
        break;
    case FUA_FILTER_LT:
    case FUA_FILTER_LE:
    case FUA_FILTER_GT:
    case FUA_FILTER_GE:
        put_column(w, term);
        put_text(w, signs[term->op]);
        put_mark(w, term->first);
        break;
    default:
        if (w->status == FUA_OK) {
            w->status = FUA_ERR_UNSUPPORTED;
        }
    }
}

/* The terms of a branch with AND between them; how many there are. */
static size_t put_branch(writer *w, uint32_t branch) {
    size_t count = 0;
    for (size_t i = 0; i < w->filter->term_count; i++) {
        if (fua_filter_in_branch(&w->filter->terms[i], branch)) {
            put_text(w, count++ > 0 ? " AND " : "");
            put_term(w, &w->filter->terms[i]);
        }
    }
    return count;
}

/* AND binds tighter than OR, so the alternatives need no parentheses of their own. */
static void put_group(writer *w, uint32_t group) {
    size_t count = 0;
    for (uint32_t b = 1; b < w->filter->branch_count; b++) {
        if (fua_filter_in_group(&w->filter->branches[b], group)) {
            put_text(w, count++ > 0 ? " OR " : "(");
            (void)put_branch(w, b);
        }
    }
    put_text(w, count > 0 ? ")" : "1 = 0");
}

fua_status fua_filter_sql(const fua_filter *filter, const fua_sql_form *form, fua_buffer *out, uint32_t *refs,
                          size_t *ref_count) {
    writer w = {filter, form, out, refs, 0, fua_filter_check(filter)};
    *ref_count = 0;
    if (w.status != FUA_OK) {
        return w.status;
    }
    if (filter->branches[0].never) {
        put_text(&w, "1 = 0");
    } else {
        size_t count = put_branch(&w, 0);
        for (uint32_t group = 1; group <= filter->group_count; group++) {
            if (fua_filter_group_counts(filter, group)) {
                put_text(&w, count++ > 0 ? " AND " : "");
                put_group(&w, group);
            }
        }
        put_text(&w, count > 0 ? "" : "1 = 1");
    }
    *ref_count = w.ref_count;
    return w.status;
}
