/* State of the module: everything that other extensions keep in globals lives here, per interpreter. */
#ifndef FUA_PY_STATE_H
#define FUA_PY_STATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "base/status.h"

typedef struct fua_py_state {
    PyObject *rule_error;  /* owned: a rule that does not fit the model */
    PyObject *cycle_error; /* owned: a role link that would close a cycle */
    PyObject *model_error; /* owned: model text that cannot be used */
    PyObject *token_error;           /* owned: base of the next four */
    PyObject *token_format_error;    /* owned */
    PyObject *token_signature_error; /* owned */
    PyObject *token_claim_error;     /* owned */
    PyObject *token_expired_error;   /* owned */
    PyTypeObject *engine_type; /* owned */
    PyTypeObject *codec_type;  /* owned */
} fua_py_state;

extern struct PyModuleDef fua_py_module;

static inline fua_py_state *fua_py_state_of(PyObject *module) {
    return (fua_py_state *)PyModule_GetState(module);
}

/* The state of the module whose type, or a subclass of it, an object is of; NULL with an exception. */
fua_py_state *fua_py_state_of_instance(PyObject *self);

/* Areas of the module; each returns 0, or -1 with an exception set. */
int fua_py_add_engine(PyObject *module);
int fua_py_add_tokens(PyObject *module);
int fua_py_add_filter(PyObject *module);

/* Sets the exception for a status that has no rule or text to name. */
void fua_py_raise(fua_status status);

#endif
