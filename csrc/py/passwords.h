/* Password hashing for Python: the functions bcrypt_hash, bcrypt_verify and bcrypt_parse. */
#ifndef FUA_PY_PASSWORDS_H
#define FUA_PY_PASSWORDS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Adds them to the module (borrowed); 0, or -1 with an exception set. */
int fua_py_add_passwords(PyObject *module);

#endif
