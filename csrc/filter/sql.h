/* A filter as the text of an SQL condition.  Values never stand in it, only marks for them. */
#ifndef FUA_FILTER_SQL_H
#define FUA_FILTER_SQL_H

#include "base/buffer.h"
#include "filter/terms.h"

/* How a mark looks; the names are those of Python's DB-API (PEP 249). */
typedef enum fua_sql_style {
    FUA_SQL_QMARK,    /* ? */
    FUA_SQL_NUMERIC,  /* :1 */
    FUA_SQL_DOLLAR,   /* $1 */
    FUA_SQL_FORMAT,   /* %s */
    FUA_SQL_NAMED,    /* :p1 */
    FUA_SQL_PYFORMAT, /* %(p1)s */
    FUA_SQL_STYLES
} fua_sql_style;

typedef struct fua_sql_form {
    fua_sql_style style;
    char quote;      /* around names, doubled within them: '"', or '`' for MySQL */
    fua_text table;  /* borrowed; before each column, unless empty */
    fua_text prefix; /* borrowed; of named marks */
    uint64_t start;  /* the number of the first mark */
} fua_sql_form;

/*
 * Appends the condition to `out`, and writes the refs of the values in the order of their marks to `refs`, which has
 * room for value_count of them.  It stands alone or beside AND; in parentheses if it is to stand beside OR.
 * FUA_ERR_UNSUPPORTED for a clause of the caller's; FUA_ERR_ARITY as fua_filter_check.  What `out` holds after a
 * failure is of no use.
 */
fua_status fua_filter_sql(const fua_filter *filter, const fua_sql_form *form, fua_buffer *out, uint32_t *refs,
                          size_t *ref_count);

#endif
