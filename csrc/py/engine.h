/* PolicyEngine: the C engine as a Python type, base class of the enforcers.
 *
 * One engine is used by one thread at a time; the GIL sees to that, since no method releases it. */
#ifndef FUA_PY_ENGINE_H
#define FUA_PY_ENGINE_H

#include "policy/engine.h"
#include "py/convert.h"
#include "py/decisions.h"
#include "py/state.h"

typedef struct fua_py_engine {
    PyObject_HEAD
    fua_engine *engine; /* owned */
    fua_py_decisions decisions;
    bool enabled; /* Casbin's enable_enforce: while off, everything is allowed */
} fua_py_engine;

static inline fua_py_engine *fua_py_engine_of(PyObject *self) {
    return (fua_py_engine *)self;
}

/* The policy type that a str names; -1 with RuleError or TypeError. */
int fua_py_policy_type(PyObject *self, PyObject *value, const char *function, size_t *type);
/* The texts of ids, and those of a rule's fields, as a new list; NULL with an exception. */
PyObject *fua_py_names_of(const fua_engine *engine, const uint32_t *ids, size_t count);
PyObject *fua_py_rule(const fua_engine *engine, size_t type, uint32_t row);

/* The methods, in enforce.c; METH_FASTCALL or METH_O. */
PyObject *fua_py_engine_enforce(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *fua_py_engine_enforce_ex(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *fua_py_engine_reasons(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *fua_py_engine_level(PyObject *self, PyObject *subject);
PyObject *fua_py_engine_batch_enforce(PyObject *self, PyObject *requests);
PyObject *fua_py_engine_enforce_each(PyObject *self, PyObject *const *args, Py_ssize_t count);
/* In rules.c; METH_FASTCALL, METH_O or METH_NOARGS. */
PyObject *fua_py_engine_rules(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *fua_py_engine_has_rule(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *fua_py_engine_count(PyObject *self, PyObject *ptype);
PyObject *fua_py_engine_reach(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *fua_py_engine_types(PyObject *self, PyObject *ignored);
PyObject *fua_py_engine_fields(PyObject *self, PyObject *ignored);
PyObject *fua_py_engine_cycle(PyObject *self, PyObject *ignored);
/* In changes.c; METH_FASTCALL or METH_O. */
PyObject *fua_py_engine_check(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *fua_py_engine_add(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *fua_py_engine_remove(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *fua_py_engine_load(PyObject *self, PyObject *rows);
PyObject *fua_py_engine_settle(PyObject *self, PyObject *const *args, Py_ssize_t count);

#endif
