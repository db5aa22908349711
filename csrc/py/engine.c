#include "py/engine.h"

#include <stdint.h>
#include <string.h>

/* --- arguments and results ------------------------------------------------------------------------------------ */

int fua_py_policy_type(PyObject *self, PyObject *value, const char *function, size_t *type) {
    fua_py_fields name = {.count = 0};
    if (fua_py_fields_add(&name, value, function, "ptype") < 0) {
        return -1;
    }
    int found = fua_model_type(fua_py_engine_of(self)->engine->model, name.texts[0]);
    fua_py_fields_clear(&name);
    if (found < 0) {
        fua_py_state *state = fua_py_state_of_instance(self);
        if (state != NULL) {
            PyErr_Format(state->rule_error, "the model defines no policy type %R", value);
        }
        return -1;
    }
    *type = (size_t)found;
    return 0;
}

PyObject *fua_py_names_of(const fua_engine *engine, const uint32_t *ids, size_t count) {
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *text = fua_py_str(fua_intern_text(&engine->strings, ids[i]));
        if (text == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, text);
        }
    }
    return list;
}

PyObject *fua_py_rule(const fua_engine *engine, size_t type, uint32_t row) {
    const fua_rules *rules = &engine->rules[type];
    return fua_py_names_of(engine, fua_rules_fields(rules, row), rules->width);
}

/* --- life ----------------------------------------------------------------------------------------------------- */

static fua_engine *new_engine(fua_model *model) {
    fua_hash_key key;
    fua_engine *engine = NULL;
    /* The interpreter's own hash secret, through the hash of two fixed texts, keys our tables. */
    PyObject *first = PyUnicode_FromString("fastapi_user_auth_c key 0"), *second = NULL;
    if (first != NULL && (second = PyUnicode_FromString("fastapi_user_auth_c key 1")) != NULL) {
        key.k0 = fua_py_str_hash(first);
        key.k1 = fua_py_str_hash(second);
        fua_status status = fua_engine_new(fua_allocator_default(), model, key, &engine);
        if (status != FUA_OK) {
            fua_py_raise(status);
        }
    }
    Py_XDECREF(first);
    Py_XDECREF(second);
    if (engine == NULL) {
        fua_model_free(model);
    }
    return engine;
}

/* The arguments belong to __init__ of the enforcers. */
static PyObject *engine_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)args;
    (void)kwargs;
    fua_model *model = NULL;
    fua_status status = fua_model_builtin(fua_allocator_default(), &model);
    if (status != FUA_OK) {
        fua_py_raise(status);
        return NULL;
    }
    fua_engine *engine = new_engine(model);
    if (engine == NULL) {
        return NULL;
    }
    PyObject *self = type->tp_alloc(type, 0);
    if (self == NULL) {
        fua_engine_free(engine);
        return NULL;
    }
    fua_py_engine_of(self)->engine = engine;
    fua_py_engine_of(self)->enabled = true;
    return self;
}

static int engine_init(PyObject *self, PyObject *args, PyObject *kwargs) {
    (void)self;
    if (PyTuple_GET_SIZE(args) > 0 || (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0)) {
        PyErr_SetString(PyExc_TypeError, "PolicyEngine() takes no arguments");
        return -1;
    }
    return 0;
}

static int engine_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self)); /* kept decisions hold only exact strings, which form no cycles */
    return 0;
}

static void engine_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    fua_py_decisions_free(&fua_py_engine_of(self)->decisions);
    fua_engine_free(fua_py_engine_of(self)->engine);
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(define_doc,
             "define($self, model_text=None, /)\n--\n\n"
             "Start over with another model and no rules: None for the built-in one, or Casbin model text.\n\n"
             "Raises ModelError for text that cannot be read or evaluated; the old model and rules then stay.");

static PyObject *engine_define(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    fua_model *model = NULL;
    fua_model_error error = {0, ""};
    fua_status status;
    if (fua_py_count_args("define", count, 0, 1) < 0) {
        return NULL;
    }
    if (count == 0 || args[0] == Py_None) {
        status = fua_model_builtin(fua_allocator_default(), &model);
    } else {
        fua_py_fields text = {.count = 0};
        if (fua_py_fields_add(&text, args[0], "define", "model_text") < 0) {
            return NULL;
        }
        status = fua_model_parse(fua_allocator_default(), text.texts[0], &model, &error);
        fua_py_fields_clear(&text);
    }
    if (status == FUA_ERR_SYNTAX || status == FUA_ERR_UNSUPPORTED) {
        fua_py_state *state = fua_py_state_of_instance(self);
        PyObject *message = PyUnicode_DecodeUTF8(error.message, (Py_ssize_t)strlen(error.message), "replace");
        if (state != NULL && message != NULL) {
            if (error.line > 0) {
                PyErr_Format(state->model_error, "line %zu: %U", error.line, message);
            } else {
                PyErr_SetObject(state->model_error, message);
            }
        }
        Py_XDECREF(message);
        return NULL;
    }
    if (status != FUA_OK) {
        fua_py_raise(status);
        return NULL;
    }
    fua_engine *engine = new_engine(model);
    if (engine == NULL) {
        return NULL;
    }
    engine->generation = fua_py_engine_of(self)->engine->generation + 1;
    fua_engine_free(fua_py_engine_of(self)->engine);
    fua_py_engine_of(self)->engine = engine;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(exchange_doc,
             "exchange($self, other, /)\n--\n\n"
             "Take the model and rules of the other engine and give it one's own: a policy built aside becomes\n"
             "current in one step.");

static PyObject *engine_exchange(PyObject *self, PyObject *other) {
    fua_py_state *state = fua_py_state_of_instance(self);
    if (state == NULL) {
        return NULL;
    }
    if (!PyObject_TypeCheck(other, state->engine_type)) {
        PyErr_Format(PyExc_TypeError, "exchange(): argument 'other' must be a PolicyEngine, not %.100s",
                     Py_TYPE(other)->tp_name);
        return NULL;
    }
    fua_engine *mine = fua_py_engine_of(self)->engine, *theirs = fua_py_engine_of(other)->engine;
    /* A generation never comes back, or answers of the old policy would be taken for the new one's. */
    uint64_t next = (mine->generation > theirs->generation ? mine->generation : theirs->generation) + 1;
    mine->generation = theirs->generation = next;
    fua_py_engine_of(self)->engine = theirs;
    fua_py_engine_of(other)->engine = mine;
    Py_RETURN_NONE;
}

/* --- the type ------------------------------------------------------------------------------------------------- */

static PyObject *get_enabled(PyObject *self, void *closure) {
    (void)closure;
    return PyBool_FromLong(fua_py_engine_of(self)->enabled);
}

static int set_enabled(PyObject *self, PyObject *value, void *closure) {
    (void)closure;
    int truth = value == NULL ? -1 : PyObject_IsTrue(value);
    if (truth < 0) {
        if (value == NULL) {
            PyErr_SetString(PyExc_AttributeError, "enabled cannot be deleted");
        }
        return -1;
    }
    fua_py_engine_of(self)->enabled = truth == 1;
    return 0;
}

static PyObject *get_generation(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLongLong(fua_py_engine_of(self)->engine->generation);
}

static PyGetSetDef engine_getset[] = {
    {"enabled", get_enabled, set_enabled, "While False, everything is allowed (Casbin's enable_enforce).", NULL},
    {"generation", get_generation, NULL, "A number that moves on with every change of the policy.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

PyDoc_STRVAR(enforce_doc,
             "enforce($self, /, *request)\n--\n\n"
             "Whether the policy allows a request: (sub, obj, act, group) for the built-in model.\n\n"
             "Raises TypeError for a value that is not a str or a wrong number of values.");

PyDoc_STRVAR(enforce_ex_doc,
             "enforce_ex($self, /, *request)\n--\n\n"
             "The decision on a request and the rule that made it: (bool, list of the rule's fields; empty where none\n"
             "did).");

PyDoc_STRVAR(reasons_doc,
             "reasons($self, /, *request)\n--\n\n"
             "What enforce_ex answers to a request, and every relevant rule as (rule, level, role path, page path), lowest level\n"
             "first.  Of other models than the built-in one only the deciding rule.  `enabled` does not matter here.");

PyDoc_STRVAR(level_doc,
             "level($self, subject, /)\n--\n\n"
             "The level of a subject: 0, or for a role one more than its highest member; the lowest decides.");

PyDoc_STRVAR(batch_enforce_doc,
             "batch_enforce($self, requests, /)\n--\n\n"
             "The decisions for an iterable of requests, in order, as a list of bool.");

PyDoc_STRVAR(enforce_each_doc,
             "enforce_each($self, sub, requests, /)\n--\n\n"
             "The decisions for one subject and an iterable of requests without it, such as (obj, act, group), in\n"
             "order, as a list of bool.  What depends on the subject is worked out once.\n\n"
             "Raises TypeError for a value that is not a str or a request of a wrong number of values.");

PyDoc_STRVAR(rules_doc,
             "rules($self, ptype, field_index=0, field_values=(), /)\n--\n\n"
             "The rules of a policy type as lists of str, oldest first.  Field values filter from field_index on;\n"
             "\"\" stands for any value, as in Casbin.");

PyDoc_STRVAR(has_rule_doc, "has_rule($self, ptype, rule, /)\n--\n\nWhether a rule of a type is in the policy.");

PyDoc_STRVAR(count_doc, "count($self, ptype, /)\n--\n\nThe number of rules of a policy type.");

PyDoc_STRVAR(reach_doc,
             "reach($self, ptype, start, domain=None, members=False, /)\n--\n\n"
             "Everything above `start` over the links of a role type, of one domain where it is given, nearest first,\n"
             "without `start` itself; with members=True everything below it.  A cycle is walked once.");

PyDoc_STRVAR(types_doc, "types($self, /)\n--\n\nThe policy types of the model: {name: number of fields}.");

PyDoc_STRVAR(fields_doc, "fields($self, /)\n--\n\nThe names of the fields of a request and of a rule: (list, list).");

PyDoc_STRVAR(cycle_doc, "cycle($self, /)\n--\n\nA subject on a cycle of role links in the loaded policy, or None.");

PyDoc_STRVAR(check_doc,
             "check($self, ptype, rules, gone=(), /)\n--\n\n"
             "Whether all rules of a type may enter the policy once those in `gone` have left it; returns None.\n\n"
             "Raises RuleError for a rule that does not fit the model, CycleError for role links that would close\n"
             "a cycle, TypeError for anything that is not a list or tuple of str.");

PyDoc_STRVAR(add_doc,
             "add($self, ptype, rules, /)\n--\n\n"
             "Add rules of a type to memory; returns how many were new.  All are checked before the first is added.\n\n"
             "Raises RuleError and TypeError as check() does.");

PyDoc_STRVAR(remove_doc,
             "remove($self, ptype, rules, /)\n--\n\n"
             "Take rules of a type out of memory; returns how many were there.");

PyDoc_STRVAR(load_doc,
             "load($self, rows, /)\n--\n\n"
             "Add stored rows (id, ptype, v0, v1, ...) to memory, for an engine that nobody asks yet.  Rows that do\n"
             "not fit the model are left out; returns them as a list of (id, reason).  Cycles of role links load.\n"
             "Call settle() after the last chunk.");

PyDoc_STRVAR(settle_doc,
             "settle($self, rules=None, /)\n--\n\n"
             "Finish a load: bring the indexes up to date, in one go or at most so many rules of it; whether that was\n"
             "the end.");

static PyMethodDef engine_methods[] = {
    {"define", FAST(engine_define), METH_FASTCALL, define_doc},
    {"exchange", engine_exchange, METH_O, exchange_doc},
    {"enforce", FAST(fua_py_engine_enforce), METH_FASTCALL, enforce_doc},
    {"enforce_ex", FAST(fua_py_engine_enforce_ex), METH_FASTCALL, enforce_ex_doc},
    {"reasons", FAST(fua_py_engine_reasons), METH_FASTCALL, reasons_doc},
    {"level", fua_py_engine_level, METH_O, level_doc},
    {"batch_enforce", fua_py_engine_batch_enforce, METH_O, batch_enforce_doc},
    {"enforce_each", FAST(fua_py_engine_enforce_each), METH_FASTCALL, enforce_each_doc},
    {"rules", FAST(fua_py_engine_rules), METH_FASTCALL, rules_doc},
    {"has_rule", FAST(fua_py_engine_has_rule), METH_FASTCALL, has_rule_doc},
    {"count", fua_py_engine_count, METH_O, count_doc},
    {"reach", FAST(fua_py_engine_reach), METH_FASTCALL, reach_doc},
    {"types", fua_py_engine_types, METH_NOARGS, types_doc},
    {"fields", fua_py_engine_fields, METH_NOARGS, fields_doc},
    {"cycle", fua_py_engine_cycle, METH_NOARGS, cycle_doc},
    {"check", FAST(fua_py_engine_check), METH_FASTCALL, check_doc},
    {"add", FAST(fua_py_engine_add), METH_FASTCALL, add_doc},
    {"remove", FAST(fua_py_engine_remove), METH_FASTCALL, remove_doc},
    {"load", fua_py_engine_load, METH_O, load_doc},
    {"settle", FAST(fua_py_engine_settle), METH_FASTCALL, settle_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(engine_doc,
             "PolicyEngine()\n--\n\n"
             "Rules in memory and the decisions they make; base class of the enforcers, which add storage.");

#define SLOT(function) ((void *)(uintptr_t)(function))

static PyType_Slot engine_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t)engine_doc},
    {Py_tp_new, SLOT(engine_new)},
    {Py_tp_init, SLOT(engine_init)},
    {Py_tp_dealloc, SLOT(engine_dealloc)},
    {Py_tp_traverse, SLOT(engine_traverse)},
    {Py_tp_methods, engine_methods},
    {Py_tp_getset, engine_getset},
    {0, NULL},
};

static PyType_Spec engine_spec = {
    .name = "fastapi_user_auth_c._core.PolicyEngine",
    .basicsize = sizeof(fua_py_engine),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = engine_slots,
};

int fua_py_add_engine(PyObject *module) {
    fua_py_state *state = fua_py_state_of(module);
    state->engine_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &engine_spec, NULL);
    return state->engine_type == NULL ? -1 : PyModule_AddType(module, state->engine_type);
}
