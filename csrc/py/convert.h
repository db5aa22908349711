/* Python strings to borrowed texts and back. */
#ifndef FUA_PY_CONVERT_H
#define FUA_PY_CONVERT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "base/text.h"
#include "policy/rules.h"

/* The texts of some Python strings.  They borrow from the strings, or from `keep` where a string has no UTF-8
 * form of its own (lone surrogates); fua_py_fields_clear gives those back. */
typedef struct fua_py_fields {
    fua_text texts[FUA_RULE_MAX_FIELDS];
    PyObject *keep[FUA_RULE_MAX_FIELDS]; /* owned or NULL */
    size_t count;
} fua_py_fields;

/* Appends a string; -1 with TypeError ("<function>(): argument '<name>' must be str, not int") or ValueError. */
int fua_py_fields_add(fua_py_fields *fields, PyObject *value, const char *function, const char *name);
/* Appends all strings of a list or tuple, up to FUA_RULE_MAX_FIELDS. */
int fua_py_fields_add_all(fua_py_fields *fields, PyObject *sequence, const char *function, const char *name);
void fua_py_fields_clear(fua_py_fields *fields);

/* Whether a function got a number of positional arguments that it takes; -1 with TypeError. */
int fua_py_count_args(const char *function, Py_ssize_t count, Py_ssize_t least, Py_ssize_t most);
/* Appends a stolen item to a list; -1 with an exception, also where the item is NULL for one. */
int fua_py_append(PyObject *list, PyObject *item);

/* A new str; NULL with an exception. */
PyObject *fua_py_str(fua_text text);

#endif
