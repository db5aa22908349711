/* Explanations as Python values. */
#ifndef FUA_PY_EXPLAIN_H
#define FUA_PY_EXPLAIN_H

#include "py/convert.h"
#include "policy/engine.h"

/* (allowed, deciding rule or [], [(rule, level, role path, page path), ...]) of a request; NULL with an exception. */
PyObject *fua_py_reasons(fua_engine *engine, const fua_py_fields *request);

#endif
