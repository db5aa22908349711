/* The methods of PolicyEngine that decide. */
#include "py/engine.h"

#include <string.h>

#include "py/explain.h"

static int parse_request(PyObject *self, PyObject *const *args, Py_ssize_t count, const char *function,
                         fua_py_fields *fields) {
    const fua_model *model = fua_py_engine_of(self)->engine->model;
    if (count != (Py_ssize_t)model->request_width) {
        PyErr_Format(PyExc_TypeError, "%s() takes %zu arguments as the model defines (%zd given)", function,
                     model->request_width, count);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (fua_py_fields_add(fields, args[i], function, model->request_names[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

/* 1 allowed, 0 denied, -1 exception. */
static int decide(PyObject *self, PyObject *const *args, Py_ssize_t count, const char *function) {
    fua_py_fields fields = {.count = 0};
    bool allowed = false;
    fua_status status = FUA_OK;
    int parsed = parse_request(self, args, count, function, &fields);
    if (parsed == 0) {
        status = fua_engine_decide(fua_py_engine_of(self)->engine, fields.texts, fields.count, &allowed);
        if (status != FUA_OK) {
            fua_py_raise(status);
        }
    }
    fua_py_fields_clear(&fields);
    return parsed < 0 || status != FUA_OK ? -1 : allowed;
}

static bool all_exact_str(PyObject *const *args) {
    return PyUnicode_CheckExact(args[0]) && PyUnicode_CheckExact(args[1]) && PyUnicode_CheckExact(args[2]) &&
           PyUnicode_CheckExact(args[3]);
}

PyObject *fua_py_engine_enforce(PyObject *op, PyObject *const *args, Py_ssize_t count) {
    fua_py_engine *self = fua_py_engine_of(op);
    if (!self->enabled) {
        Py_RETURN_TRUE;
    }
    bool keep = count == FUA_DECISION_FIELDS && all_exact_str(args);
    uint64_t hash = 0;
    if (keep) {
        hash = fua_py_decision_hash(args);
        const fua_py_decision *entry =
            fua_py_decisions_find(&self->decisions, args, hash, self->engine->generation);
        if (entry != NULL) {
            return PyBool_FromLong(entry->allowed);
        }
    }
    int allowed = decide(op, args, count, "enforce");
    if (allowed >= 0 && keep) {
        fua_py_decisions_keep(&self->decisions, args, hash, self->engine->generation, allowed == 1);
    }
    return allowed < 0 ? NULL : PyBool_FromLong(allowed);
}

PyObject *fua_py_engine_enforce_ex(PyObject *op, PyObject *const *args, Py_ssize_t count) {
    if (!fua_py_engine_of(op)->enabled) {
        return Py_BuildValue("(O[])", Py_True);
    }
    fua_py_fields fields = {.count = 0};
    PyObject *result = NULL;
    if (parse_request(op, args, count, "enforce_ex", &fields) == 0) {
        bool allowed = false;
        uint32_t row = FUA_NO_ROW;
        fua_engine *engine = fua_py_engine_of(op)->engine;
        fua_status status = fua_engine_explain(engine, fields.texts, fields.count, &allowed, &row);
        if (status != FUA_OK) {
            fua_py_raise(status);
        } else {
            PyObject *rule = row == FUA_NO_ROW ? PyList_New(0) : fua_py_rule(engine, 0, row);
            result = rule == NULL ? NULL : Py_BuildValue("(ON)", allowed ? Py_True : Py_False, rule);
        }
    }
    fua_py_fields_clear(&fields);
    return result;
}

PyObject *fua_py_engine_reasons(PyObject *op, PyObject *const *args, Py_ssize_t count) {
    fua_py_fields fields = {.count = 0};
    PyObject *result = NULL;
    if (parse_request(op, args, count, "reasons", &fields) == 0) {
        result = fua_py_reasons(fua_py_engine_of(op)->engine, &fields);
    }
    fua_py_fields_clear(&fields);
    return result;
}

PyObject *fua_py_engine_level(PyObject *op, PyObject *subject) {
    fua_py_fields fields = {.count = 0};
    if (fua_py_fields_add(&fields, subject, "level", "subject") < 0) {
        return NULL;
    }
    fua_engine *engine = fua_py_engine_of(op)->engine;
    fua_status status = fua_engine_settle(engine);
    uint32_t id = fua_intern_find(&engine->strings, fields.texts[0]);
    fua_py_fields_clear(&fields);
    if (status != FUA_OK) {
        fua_py_raise(status);
        return NULL;
    }
    return PyLong_FromUnsignedLong(id == FUA_NO_ID ? 0 : fua_levels_of(&engine->levels, id));
}

PyObject *fua_py_engine_batch_enforce(PyObject *op, PyObject *requests) {
    PyObject *list = PySequence_List(requests);
    if (list == NULL) {
        return NULL;
    }
    PyObject *answers = PyList_New(0);
    for (Py_ssize_t i = 0; answers != NULL && i < PyList_GET_SIZE(list); i++) {
        PyObject *request = PyList_GET_ITEM(list, i);
        if (!PyList_Check(request) && !PyTuple_Check(request)) {
            PyErr_Format(PyExc_TypeError, "batch_enforce(): argument 'requests' must hold lists or tuples, not %.100s",
                         Py_TYPE(request)->tp_name);
            Py_CLEAR(answers);
            break;
        }
        PyObject *answer =
            fua_py_engine_enforce(op, PySequence_Fast_ITEMS(request), PySequence_Fast_GET_SIZE(request));
        if (fua_py_append(answers, answer) < 0) {
            Py_CLEAR(answers);
        }
    }
    Py_DECREF(list);
    return answers;
}

/* The fields of all requests; texts and keep have room for them. */
static int parse_each(PyObject *list, size_t width, fua_text *texts, PyObject **keep) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        fua_py_fields fields = {.count = 0};
        PyObject *request = PyList_GET_ITEM(list, i);
        int parsed = fua_py_fields_add_all(&fields, request, "enforce_each", "requests");
        if (parsed == 0 && fields.count != width) {
            PyErr_Format(PyExc_TypeError, "enforce_each(): a request has %zu values after the subject, not so %R",
                         width, request);
            parsed = -1;
        }
        for (size_t k = 0; parsed == 0 && k < width; k++) { /* moves what the fields keep, so that it outlives them */
            texts[(size_t)i * width + k] = fields.texts[k];
            keep[(size_t)i * width + k] = fields.keep[k];
            fields.keep[k] = NULL;
        }
        fua_py_fields_clear(&fields);
        if (parsed < 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *fua_py_engine_enforce_each(PyObject *op, PyObject *const *args, Py_ssize_t count) {
    if (fua_py_count_args("enforce_each", count, 2, 2) < 0) {
        return NULL;
    }
    PyObject *given = PySequence_Tuple(args[1]); /* nobody can change it, nor what its members are */
    PyObject *list = given == NULL ? NULL : PyList_New(0);
    for (Py_ssize_t i = 0; list != NULL && i < PyTuple_GET_SIZE(given); i++) {
        PyObject *request = PyTuple_GET_ITEM(given, i);
        if (!PyList_Check(request) && !PyTuple_Check(request)) {
            PyErr_Format(PyExc_TypeError, "enforce_each(): argument 'requests' must hold lists or tuples, not %.100s",
                         Py_TYPE(request)->tp_name);
            Py_CLEAR(list);
        } else if (fua_py_append(list, PySequence_Tuple(request)) < 0) {
            Py_CLEAR(list);
        }
    }
    Py_XDECREF(given);
    if (list == NULL) {
        return NULL;
    }
    fua_engine *engine = fua_py_engine_of(op)->engine;
    size_t requests = (size_t)PyList_GET_SIZE(list), width = engine->model->request_width - 1;
    fua_py_fields subject = {.count = 0};
    PyObject *answers = NULL;
    fua_text *texts = PyMem_Calloc(requests * width + 1, sizeof *texts);
    PyObject **keep = PyMem_Calloc(requests * width + 1, sizeof *keep);
    bool *allowed = PyMem_Calloc(requests + 1, sizeof *allowed);
    if (texts == NULL || keep == NULL || allowed == NULL) {
        PyErr_NoMemory();
    } else if (fua_py_fields_add(&subject, args[0], "enforce_each", "sub") == 0 &&
               parse_each(list, width, texts, keep) == 0) {
        fua_status status = FUA_OK;
        if (fua_py_engine_of(op)->enabled) {
            status = fua_engine_decide_each(engine, subject.texts[0], texts, requests, width, allowed);
        } else {
            memset(allowed, true, requests * sizeof *allowed);
        }
        if (status != FUA_OK) {
            fua_py_raise(status);
        } else {
            answers = PyList_New((Py_ssize_t)requests);
        }
    }
    for (size_t i = 0; answers != NULL && i < requests; i++) {
        PyList_SET_ITEM(answers, (Py_ssize_t)i, PyBool_FromLong(allowed[i]));
    }
    for (size_t i = 0; keep != NULL && i < requests * width; i++) {
        Py_XDECREF(keep[i]);
    }
    fua_py_fields_clear(&subject);
    PyMem_Free(texts);
    PyMem_Free(keep);
    PyMem_Free(allowed);
    Py_DECREF(list);
    return answers;
}
