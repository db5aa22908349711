/* JSON nodes to Python objects, and Python objects to JSON text. */
#ifndef FUA_PY_JSON_H
#define FUA_PY_JSON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "data/json.h"

#define FUA_PY_NAMES 32

/* Names of members seen lately, so that they need not be made anew for each object.  Owned; zeroed to begin with. */
typedef struct fua_py_names {
    PyObject *slots[FUA_PY_NAMES]; /* str or NULL */
} fua_py_names;

void fua_py_names_clear(fua_py_names *names);

/* The value at an index; new reference, or NULL with an exception.  `text` behind the nodes is written to. */
PyObject *fua_py_from_json(const fua_json_node *nodes, size_t index, fua_py_names *names);

/* Appends dicts with str keys, lists, tuples, str, int, float, bool and None; -1 with TypeError for anything else,
 * ValueError for numbers that JSON or the reader has not, lone surrogates, or too much depth.  `depth` is that of
 * the arrays and objects around. */
int fua_py_to_json(fua_buffer *out, PyObject *value, unsigned depth);

/* Appends one member of an object: a comma unless it is the first, name, colon and value. */
int fua_py_member_to_json(fua_buffer *out, PyObject *name, PyObject *value, unsigned depth);

#endif
