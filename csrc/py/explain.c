#include "py/explain.h"

#include "policy/explain.h"
#include "py/engine.h"

static PyObject *path_to_list(const fua_engine *engine, const fua_idmap *from, uint32_t id) {
    fua_ids path;
    fua_status status = fua_explain_path(engine, from, id, &path);
    if (status != FUA_OK) {
        fua_py_raise(status);
        return NULL;
    }
    PyObject *list = fua_py_names_of(engine, path.ids, path.count);
    fua_ids_free(engine->al, &path);
    return list;
}

/* (rule, level, role path, page path); rules have a subject and, in the built-in model, a page. */
static PyObject *relevant_to_tuple(const fua_engine *engine, const fua_explanation *why, fua_relevant one) {
    const uint32_t *fields = fua_rules_fields(&engine->rules[0], one.row);
    PyObject *rule = fua_py_rule(engine, 0, one.row), *roles = NULL, *pages = NULL;
    if (rule != NULL) {
        roles = path_to_list(engine, &why->subjects, fields[FUA_P_SUB]);
    }
    if (roles != NULL) {
        pages = engine->model->builtin ? path_to_list(engine, &why->pages, fields[FUA_P_OBJ]) : PyList_New(0);
    }
    PyObject *tuple = NULL;
    if (pages != NULL) {
        tuple = Py_BuildValue("(OkOO)", rule, (unsigned long)one.level, roles, pages);
    }
    Py_XDECREF(rule);
    Py_XDECREF(roles);
    Py_XDECREF(pages);
    return tuple;
}

PyObject *fua_py_reasons(fua_engine *engine, const fua_py_fields *request) {
    fua_explanation why;
    fua_status status = fua_explain(engine, request->texts, request->count, &why);
    if (status != FUA_OK) {
        fua_py_raise(status);
        return NULL;
    }
    PyObject *relevant = PyList_New((Py_ssize_t)why.count);
    for (size_t i = 0; relevant != NULL && i < why.count; i++) {
        PyObject *tuple = relevant_to_tuple(engine, &why, why.relevant[i]);
        if (tuple == NULL) {
            Py_CLEAR(relevant);
        } else {
            PyList_SET_ITEM(relevant, (Py_ssize_t)i, tuple);
        }
    }
    PyObject *rule = NULL, *result = NULL;
    if (relevant != NULL) {
        rule = why.row == FUA_NO_ROW ? PyList_New(0) : fua_py_rule(engine, 0, why.row);
    }
    if (rule != NULL) {
        result = PyTuple_Pack(3, why.allowed ? Py_True : Py_False, rule, relevant);
    }
    Py_XDECREF(rule);
    Py_XDECREF(relevant);
    fua_explanation_free(engine, &why);
    return result;
}
