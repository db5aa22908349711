/* The methods of PolicyEngine that change the policy. */
#include "py/engine.h"

#include <stdint.h>

/* --- errors --------------------------------------------------------------------------------------------------- */

/* RuleError "<message>: <rule>", or the exception of a status that is not about the rule. */
static void raise_rule(PyObject *self, fua_status status, size_t type, PyObject *rule) {
    fua_py_state *state = fua_py_state_of_instance(self);
    if (state == NULL) {
        return;
    }
    const fua_engine *engine = fua_py_engine_of(self)->engine;
    if (status == FUA_ERR_ARITY) {
        PyErr_Format(state->rule_error, "%s rules have %zu fields, not so %R", engine->model->types[type].name,
                     engine->rules[type].width, rule);
    } else if (status == FUA_ERR_EFFECT || status == FUA_ERR_ROOT) {
        PyErr_Format(state->rule_error, "%s: %R", fua_status_message(status), rule);
    } else {
        fua_py_raise(status);
    }
}

static void raise_cycle(PyObject *self, const fua_ids *path) {
    fua_py_state *state = fua_py_state_of_instance(self);
    const fua_engine *engine = fua_py_engine_of(self)->engine;
    PyObject *names = fua_py_names_of(engine, path->ids, path->count), *arrow = PyUnicode_FromString(" -> ");
    PyObject *joined = names != NULL && arrow != NULL && state != NULL ? PyUnicode_Join(arrow, names) : NULL;
    if (joined != NULL) {
        PyErr_Format(state->cycle_error, "the role link would close a cycle: %U", joined);
    }
    Py_XDECREF(joined);
    Py_XDECREF(arrow);
    Py_XDECREF(names);
}

/* A fast sequence of rules; new reference. */
static PyObject *rule_list(PyObject *rules, const char *function) {
    if (PyUnicode_Check(rules)) {
        PyErr_Format(PyExc_TypeError, "%s(): argument 'rules' must hold rules, not be a str", function);
        return NULL;
    }
    PyObject *list = PySequence_List(rules);
    if (list == NULL && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Format(PyExc_TypeError, "%s(): argument 'rules' must be an iterable of rules, not %.100s", function,
                     Py_TYPE(rules)->tp_name);
    }
    return list;
}

/* --- changing rules ------------------------------------------------------------------------------------------- */

/* Whether links of this type may not form cycles. */
static bool is_acyclic_type(const fua_engine *engine, size_t type) {
    return type == FUA_TYPE_G && engine->model->builtin;
}

/* New links against each other and against the policy without the rules in `gone`. */
static int check_cycles(PyObject *self, size_t type, PyObject *rules, PyObject *gone) {
    fua_engine *engine = fua_py_engine_of(self)->engine;
    size_t count = (size_t)PyList_GET_SIZE(rules), gone_count = 0;
    fua_py_fields fields = {.count = 0};
    fua_ids path = {NULL, 0, 0};
    int result = -1;
    fua_text *links = PyMem_Calloc(count * 2 + 1, sizeof *links);
    PyObject **keep = PyMem_Calloc(count * 2 + 1, sizeof *keep);
    uint32_t *gone_rows = PyMem_Calloc((size_t)PyList_GET_SIZE(gone) + 1, sizeof *gone_rows);
    if (links == NULL || keep == NULL || gone_rows == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        if (fua_py_fields_add_all(&fields, PyList_GET_ITEM(rules, (Py_ssize_t)i), "check", "rules") < 0) {
            goto done;
        }
        for (size_t k = 0; k < 2; k++) { /* moves what the fields keep, so that it outlives them */
            links[2 * i + k] = fields.texts[k];
            keep[2 * i + k] = fields.keep[k];
            fields.keep[k] = NULL;
        }
        fua_py_fields_clear(&fields);
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(gone); i++) {
        if (fua_py_fields_add_all(&fields, PyList_GET_ITEM(gone, i), "check", "gone") < 0) {
            goto done;
        }
        uint32_t row = fua_engine_find(engine, type, fields.texts, fields.count);
        if (row != FUA_NO_ROW) {
            gone_rows[gone_count++] = row;
        }
        fua_py_fields_clear(&fields);
    }
    fua_status status = fua_engine_find_cycle(engine, type, links, count, gone_rows, gone_count, &path);
    if (status == FUA_ERR_CYCLE) {
        raise_cycle(self, &path);
        fua_engine_release_ids(engine, &path);
    } else if (status != FUA_OK) {
        fua_py_raise(status);
    } else {
        result = 0;
    }
done:
    fua_py_fields_clear(&fields);
    for (size_t i = 0; keep != NULL && i < count * 2; i++) {
        Py_XDECREF(keep[i]);
    }
    PyMem_Free(links);
    PyMem_Free(keep);
    PyMem_Free(gone_rows);
    return result;
}

/* Every rule of the list fits the model. */
static int check_rules(PyObject *self, size_t type, PyObject *rules, const char *function) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rules); i++) {
        fua_py_fields fields = {.count = 0};
        PyObject *rule = PyList_GET_ITEM(rules, i);
        int parsed = fua_py_fields_add_all(&fields, rule, function, "rules");
        fua_status status =
            parsed < 0 ? FUA_OK : fua_engine_check(fua_py_engine_of(self)->engine, type, fields.texts, fields.count);
        fua_py_fields_clear(&fields);
        if (status != FUA_OK) {
            raise_rule(self, status, type, rule);
        }
        if (parsed < 0 || status != FUA_OK) {
            return -1;
        }
    }
    return 0;
}

PyObject *fua_py_engine_check(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    size_t type;
    if (fua_py_count_args("check", count, 2, 3) < 0 || fua_py_policy_type(self, args[0], "check", &type) < 0) {
        return NULL;
    }
    PyObject *rules = rule_list(args[1], "check");
    PyObject *gone = NULL; /* nothing more is called once there is an exception */
    if (rules != NULL) {
        gone = count > 2 ? rule_list(args[2], "check") : PyList_New(0);
    }
    int result = rules == NULL || gone == NULL ? -1 : check_rules(self, type, rules, "check");
    if (result == 0 && is_acyclic_type(fua_py_engine_of(self)->engine, type)) {
        result = check_cycles(self, type, rules, gone);
    }
    Py_XDECREF(rules);
    Py_XDECREF(gone);
    if (result < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *fua_py_engine_add(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    size_t type, fresh = 0;
    if (fua_py_count_args("add", count, 2, 2) < 0 || fua_py_policy_type(self, args[0], "add", &type) < 0) {
        return NULL;
    }
    PyObject *rules = rule_list(args[1], "add");
    int result = rules == NULL ? -1 : check_rules(self, type, rules, "add");
    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(rules); i++) {
        fua_py_fields fields = {.count = 0};
        bool added = false;
        result = fua_py_fields_add_all(&fields, PyList_GET_ITEM(rules, i), "add", "rules");
        if (result == 0) {
            fua_status status =
                fua_engine_add(fua_py_engine_of(self)->engine, type, fields.texts, fields.count, &added);
            if (status != FUA_OK) {
                raise_rule(self, status, type, PyList_GET_ITEM(rules, i));
                result = -1;
            }
        }
        fresh += added;
        fua_py_fields_clear(&fields);
    }
    Py_XDECREF(rules);
    return result < 0 ? NULL : PyLong_FromSize_t(fresh);
}

PyObject *fua_py_engine_remove(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    size_t type, gone = 0;
    if (fua_py_count_args("remove", count, 2, 2) < 0 || fua_py_policy_type(self, args[0], "remove", &type) < 0) {
        return NULL;
    }
    PyObject *rules = rule_list(args[1], "remove");
    int result = rules == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(rules); i++) {
        fua_py_fields fields = {.count = 0};
        result = fua_py_fields_add_all(&fields, PyList_GET_ITEM(rules, i), "remove", "rules");
        if (result == 0) {
            uint32_t row = fua_engine_find(fua_py_engine_of(self)->engine, type, fields.texts, fields.count);
            if (row != FUA_NO_ROW) {
                fua_engine_remove(fua_py_engine_of(self)->engine, type, row);
                gone++;
            }
        }
        fua_py_fields_clear(&fields);
    }
    Py_XDECREF(rules);
    return result < 0 ? NULL : PyLong_FromSize_t(gone);
}

/* --- loading -------------------------------------------------------------------------------------------------- */

/* Why a stored row does not become a rule; NULL when it did.  -1 in *failed means an exception is set. */
static const char *load_row(PyObject *self, PyObject *row, int *failed) {
    fua_engine *engine = fua_py_engine_of(self)->engine;
    fua_py_fields fields = {.count = 0};
    *failed = 0;
    if (!PyTuple_Check(row) || PyTuple_GET_SIZE(row) < 2) {
        PyErr_SetString(PyExc_TypeError, "load(): argument 'rows' must hold tuples (id, ptype, v0, v1, ...)");
        *failed = -1;
        return NULL;
    }
    PyObject *ptype = PyTuple_GET_ITEM(row, 1);
    if (!PyUnicode_Check(ptype)) {
        return "it names no policy type";
    }
    if (fua_py_fields_add(&fields, ptype, "load", "ptype") < 0) {
        *failed = -1;
        return NULL;
    }
    int type = fua_model_type(engine->model, fields.texts[0]);
    fua_py_fields_clear(&fields);
    if (type < 0) {
        return "the model does not define its policy type";
    }
    size_t width = engine->rules[type].width;
    const char *reason = NULL;
    for (Py_ssize_t i = 2; i < PyTuple_GET_SIZE(row) && reason == NULL && *failed == 0; i++) {
        PyObject *value = PyTuple_GET_ITEM(row, i);
        if ((size_t)i - 2 >= width) {
            bool blank = value == Py_None || (PyUnicode_Check(value) && PyUnicode_GET_LENGTH(value) == 0);
            reason = blank ? NULL : "it has more fields than its policy type";
        } else if (value == Py_None) {
            reason = "it has fewer fields than its policy type";
        } else if (!PyUnicode_Check(value)) {
            reason = "a field is not a text";
        } else {
            *failed = fua_py_fields_add(&fields, value, "load", "rows");
        }
    }
    if (reason == NULL && *failed == 0) {
        bool added = false;
        fua_status status = fua_engine_check(engine, (size_t)type, fields.texts, fields.count);
        if (status == FUA_OK) {
            status = fua_engine_add(engine, (size_t)type, fields.texts, fields.count, &added);
        }
        if (status == FUA_ERR_ARITY || status == FUA_ERR_EFFECT || status == FUA_ERR_ROOT) {
            reason = fua_status_message(status);
        } else if (status != FUA_OK) {
            fua_py_raise(status);
            *failed = -1;
        }
    }
    fua_py_fields_clear(&fields);
    return reason;
}

PyObject *fua_py_engine_load(PyObject *self, PyObject *rows) {
    PyObject *iterator = PyObject_GetIter(rows), *skipped = PyList_New(0), *row;
    if (iterator == NULL || skipped == NULL) {
        Py_XDECREF(iterator);
        Py_XDECREF(skipped);
        return NULL;
    }
    fua_engine_begin_load(fua_py_engine_of(self)->engine);
    while (skipped != NULL && (row = PyIter_Next(iterator)) != NULL) {
        int failed;
        const char *reason = load_row(self, row, &failed);
        if (failed < 0) {
            Py_CLEAR(skipped);
        } else if (reason != NULL) {
            PyObject *entry = Py_BuildValue("(Os)", PyTuple_GET_ITEM(row, 0), reason);
            if (fua_py_append(skipped, entry) < 0) {
                Py_CLEAR(skipped);
            }
        }
        Py_DECREF(row);
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred()) {
        Py_CLEAR(skipped);
    }
    return skipped;
}

PyObject *fua_py_engine_settle(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    size_t rules = SIZE_MAX;
    bool done;
    if (fua_py_count_args("settle", count, 0, 1) < 0) {
        return NULL;
    }
    if (count > 0 && args[0] != Py_None) {
        Py_ssize_t most = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
        if (most == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (most < 1) {
            PyErr_SetString(PyExc_ValueError, "settle(): argument 'rules' must be positive");
            return NULL;
        }
        rules = (size_t)most;
    }
    fua_status status = fua_engine_settle_some(fua_py_engine_of(self)->engine, rules, &done);
    if (status != FUA_OK) {
        fua_py_raise(status);
        return NULL;
    }
    return PyBool_FromLong(done);
}
