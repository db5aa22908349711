/* Password hashing for Python: bcrypt_hash, bcrypt_verify, bcrypt_parse; password_hash, _verify, _parse for all schemes. */
#ifndef FUA_PY_PASSWORDS_H
#define FUA_PY_PASSWORDS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "base/text.h"

/* Adds them to the module (borrowed); 0, or -1 with an exception set. */
int fua_py_add_passwords(PyObject *module);
/* The part of it for all schemes. */
int fua_py_add_stored(PyObject *module);

/* Sets TypeError: "<function>(): argument '<argument>' must be <wanted>, not int". */
void fua_py_refuse_type(const char *function, const char *argument, const char *wanted, PyObject *value);
/* 1 and the text of a stored hash (str or bytes; borrowed from it), 0 when it can be none, -1 with an exception. */
int fua_py_hash_text(PyObject *value, const char *function, fua_text *text);

#endif
