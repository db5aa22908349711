/* The methods of PolicyEngine that tell what is in the policy. */
#include "py/engine.h"

#include <stdlib.h>

static bool row_matches(const fua_rules *rules, uint32_t row, const uint32_t *wanted, size_t count, size_t from) {
    for (size_t i = 0; i < count; i++) {
        if (wanted[i] != FUA_NO_ID && fua_rules_fields(rules, row)[from + i] != wanted[i]) {
            return false;
        }
    }
    return true;
}

static int by_number(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

/* The rows that match a filter, oldest first; *rows is owned by the caller (PyMem_Free).  -1 with an exception. */
static int filter_rows(PyObject *self, size_t type, size_t from, const fua_py_fields *values, uint32_t **rows,
                       size_t *count) {
    const fua_engine *engine = fua_py_engine_of(self)->engine;
    const fua_rules *rules = &engine->rules[type];
    uint32_t wanted[FUA_RULE_MAX_FIELDS];
    size_t chain = FUA_CHAINS, cap = 0;
    *rows = NULL;
    *count = 0;
    if (values->count > rules->width || from > rules->width - values->count) {
        PyErr_Format(PyExc_ValueError, "%s rules have %zu fields, too few for %zu values from field %zu",
                     engine->model->types[type].name, rules->width, values->count, from);
        return -1;
    }
    for (size_t i = 0; i < values->count; i++) {
        wanted[i] = FUA_NO_ID;
        if (values->texts[i].size == 0) {
            continue;
        }
        wanted[i] = fua_intern_find(&engine->strings, values->texts[i]);
        if (wanted[i] == FUA_NO_ID) {
            return 0; /* no rule holds it */
        }
        if (chain == FUA_CHAINS && from + i < FUA_CHAINS) {
            chain = from + i;
        }
    }
    uint32_t row = chain < FUA_CHAINS ? fua_rules_first(rules, chain, wanted[chain - from]) : 0;
    while (chain < FUA_CHAINS ? row != FUA_NO_ROW : row < rules->rows) {
        if (fua_rules_is_live(rules, row) && row_matches(rules, row, wanted, values->count, from)) {
            void *block = *rows;
            if (*count == cap) {
                cap = cap < 16 ? 16 : cap * 2;
                block = PyMem_Realloc(*rows, cap * sizeof **rows);
                if (block == NULL) {
                    PyMem_Free(*rows);
                    PyErr_NoMemory();
                    return -1;
                }
                *rows = block;
            }
            (*rows)[(*count)++] = row;
        }
        row = chain < FUA_CHAINS ? fua_rules_next(rules, chain, row) : row + 1;
    }
    if (chain < FUA_CHAINS && *count > 1) {
        qsort(*rows, *count, sizeof **rows, by_number);
    }
    return 0;
}

/* Arguments (ptype, field_index=0, field_values=()) of rules and remove_filtered. */
static int parse_filter(PyObject *self, PyObject *const *args, Py_ssize_t count, const char *function, size_t *type,
                        size_t *from, fua_py_fields *values) {
    Py_ssize_t index = 0;
    values->count = 0;
    if (fua_py_count_args(function, count, 1, 3) < 0 || fua_py_policy_type(self, args[0], function, type) < 0) {
        return -1;
    }
    if (count > 1) {
        index = PyNumber_AsSsize_t(args[1], PyExc_OverflowError);
        if (index == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (index < 0) {
            PyErr_Format(PyExc_ValueError, "%s(): argument 'field_index' must not be negative", function);
            return -1;
        }
    }
    *from = (size_t)index;
    if (count > 2 && fua_py_fields_add_all(values, args[2], function, "field_values") < 0) {
        fua_py_fields_clear(values);
        return -1;
    }
    return 0;
}

PyObject *fua_py_engine_rules(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    size_t type, from, found = 0;
    uint32_t *rows = NULL;
    fua_py_fields values;
    if (parse_filter(self, args, count, "rules", &type, &from, &values) < 0) {
        return NULL;
    }
    PyObject *list = filter_rows(self, type, from, &values, &rows, &found) < 0 ? NULL : PyList_New((Py_ssize_t)found);
    for (size_t i = 0; list != NULL && i < found; i++) {
        PyObject *rule = fua_py_rule(fua_py_engine_of(self)->engine, type, rows[i]);
        if (rule == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, rule);
        }
    }
    PyMem_Free(rows);
    fua_py_fields_clear(&values);
    return list;
}

PyObject *fua_py_engine_has_rule(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    size_t type;
    fua_py_fields fields = {.count = 0};
    if (fua_py_count_args("has_rule", count, 2, 2) < 0 || fua_py_policy_type(self, args[0], "has_rule", &type) < 0) {
        return NULL;
    }
    int parsed = fua_py_fields_add_all(&fields, args[1], "has_rule", "rule");
    bool has = parsed == 0 &&
               fua_engine_find(fua_py_engine_of(self)->engine, type, fields.texts, fields.count) != FUA_NO_ROW;
    fua_py_fields_clear(&fields);
    return parsed < 0 ? NULL : PyBool_FromLong(has);
}

PyObject *fua_py_engine_count(PyObject *self, PyObject *ptype) {
    size_t type;
    if (fua_py_policy_type(self, ptype, "count", &type) < 0) {
        return NULL;
    }
    return PyLong_FromSize_t(fua_py_engine_of(self)->engine->rules[type].live);
}

PyObject *fua_py_engine_reach(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    size_t type, found = 0;
    fua_py_fields fields = {.count = 0};
    const fua_reached *ids = NULL;
    int members = 0;
    if (fua_py_count_args("reach", count, 2, 4) < 0 || fua_py_policy_type(self, args[0], "reach", &type) < 0) {
        return NULL;
    }
    bool has_domain = count > 2 && args[2] != Py_None;
    if (!fua_py_engine_of(self)->engine->model->types[type].is_role) {
        PyErr_SetString(PyExc_ValueError, "reach(): argument 'ptype' must be a role type");
        return NULL;
    }
    if (fua_py_fields_add(&fields, args[1], "reach", "start") < 0 ||
        (has_domain && fua_py_fields_add(&fields, args[2], "reach", "domain") < 0) ||
        (count > 3 && (members = PyObject_IsTrue(args[3])) < 0)) {
        fua_py_fields_clear(&fields);
        return NULL;
    }
    fua_engine *engine = fua_py_engine_of(self)->engine;
    fua_status status = fua_engine_reach(engine, type, fields.texts[0], has_domain ? &fields.texts[1] : NULL,
                                         members == 0, &ids, &found);
    fua_py_fields_clear(&fields);
    if (status != FUA_OK) {
        fua_py_raise(status);
        return NULL;
    }
    PyObject *list = PyList_New((Py_ssize_t)found);
    for (size_t i = 0; list != NULL && i < found; i++) {
        PyObject *name = fua_py_str(fua_intern_text(&engine->strings, ids[i].id));
        if (name == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, name);
        }
    }
    return list;
}

PyObject *fua_py_engine_types(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const fua_model *model = fua_py_engine_of(self)->engine->model;
    PyObject *types = PyDict_New();
    for (size_t i = 0; types != NULL && i < model->type_count; i++) {
        PyObject *width = PyLong_FromSize_t(model->types[i].width);
        if (width == NULL || PyDict_SetItemString(types, model->types[i].name, width) < 0) {
            Py_CLEAR(types);
        }
        Py_XDECREF(width);
    }
    return types;
}

static PyObject *names_to_list(const char (*names)[FUA_NAME_MAX], size_t count) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count; i++) {
        if (fua_py_append(list, PyUnicode_FromString(names[i])) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

PyObject *fua_py_engine_fields(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const fua_model *model = fua_py_engine_of(self)->engine->model;
    PyObject *request = names_to_list((const char(*)[FUA_NAME_MAX])model->request_names, model->request_width);
    PyObject *rule = names_to_list((const char(*)[FUA_NAME_MAX])model->rule_names, model->types[0].width);
    PyObject *both = request != NULL && rule != NULL ? PyTuple_Pack(2, request, rule) : NULL;
    Py_XDECREF(request);
    Py_XDECREF(rule);
    return both;
}

PyObject *fua_py_engine_cycle(PyObject *self, PyObject *ignored) {
    (void)ignored;
    fua_text subject;
    fua_status status = fua_engine_settle(fua_py_engine_of(self)->engine);
    if (status != FUA_OK) {
        fua_py_raise(status);
        return NULL;
    }
    if (!fua_engine_cycle_in_policy(fua_py_engine_of(self)->engine, &subject)) {
        Py_RETURN_NONE;
    }
    return fua_py_str(subject);
}
