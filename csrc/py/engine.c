/* PolicyEngine: the C engine as a Python type, base class of the enforcers.
 *
 * One engine is used by one thread at a time; the GIL sees to that, since no method releases it. */
#include "policy/engine.h"

#include <stdint.h>

#include "py/convert.h"
#include "py/decisions.h"
#include "py/explain.h"
#include "py/state.h"

typedef struct engine_object {
    PyObject_HEAD
    fua_engine *engine; /* owned */
    fua_py_decisions decisions;
    bool enabled; /* Casbin's enable_enforce: while off, everything is allowed */
} engine_object;

static engine_object *as_engine(PyObject *self) {
    return (engine_object *)self;
}

static fua_py_state *state_of(PyObject *self) {
    return fua_py_state_of_instance(self);
}

/* --- errors --------------------------------------------------------------------------------------------------- */

/* RuleError "<message>: <rule>", or the exception of a status that is not about the rule. */
static void raise_rule(PyObject *self, fua_status status, size_t type, PyObject *rule) {
    fua_py_state *state = state_of(self);
    if (state == NULL) {
        return;
    }
    const fua_engine *engine = as_engine(self)->engine;
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
    fua_py_state *state = state_of(self);
    PyObject *names = PyList_New(0), *arrow = PyUnicode_FromString(" -> ");
    for (size_t i = 0; state != NULL && names != NULL && i < path->count; i++) {
        PyObject *name = fua_py_str(fua_intern_text(&as_engine(self)->engine->strings, path->ids[i]));
        if (name == NULL || PyList_Append(names, name) < 0) {
            Py_CLEAR(names);
        }
        Py_XDECREF(name);
    }
    PyObject *joined = names != NULL && arrow != NULL && state != NULL ? PyUnicode_Join(arrow, names) : NULL;
    if (joined != NULL) {
        PyErr_Format(state->cycle_error, "the role link would close a cycle: %U", joined);
    }
    Py_XDECREF(joined);
    Py_XDECREF(arrow);
    Py_XDECREF(names);
}

/* --- arguments ------------------------------------------------------------------------------------------------ */

static int parse_type(PyObject *self, PyObject *value, const char *function, size_t *type) {
    fua_py_fields name = {.count = 0};
    if (fua_py_fields_add(&name, value, function, "ptype") < 0) {
        return -1;
    }
    int found = fua_model_type(as_engine(self)->engine->model, name.texts[0]);
    fua_py_fields_clear(&name);
    if (found < 0) {
        fua_py_state *state = state_of(self);
        if (state != NULL) {
            PyErr_Format(state->rule_error, "the model defines no policy type %R", value);
        }
        return -1;
    }
    *type = (size_t)found;
    return 0;
}

static int count_args(const char *function, Py_ssize_t count, Py_ssize_t least, Py_ssize_t most) {
    if (count < least || count > most) {
        PyErr_Format(PyExc_TypeError, "%s() takes %zd to %zd arguments (%zd given)", function, least, most, count);
        return -1;
    }
    return 0;
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

static PyObject *rule_to_list(const fua_engine *engine, size_t type, uint32_t row) {
    size_t width = engine->rules[type].width;
    PyObject *rule = PyList_New((Py_ssize_t)width);
    for (size_t i = 0; rule != NULL && i < width; i++) {
        PyObject *field = fua_py_str(fua_engine_field(engine, type, row, i));
        if (field == NULL) {
            Py_CLEAR(rule);
        } else {
            PyList_SET_ITEM(rule, (Py_ssize_t)i, field);
        }
    }
    return rule;
}

static int append_steal(PyObject *list, PyObject *item) {
    int result = item == NULL ? -1 : PyList_Append(list, item);
    Py_XDECREF(item);
    return result;
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
    as_engine(self)->engine = engine;
    as_engine(self)->enabled = true;
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
    fua_py_decisions_free(&as_engine(self)->decisions);
    fua_engine_free(as_engine(self)->engine);
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
    if (count_args("define", count, 0, 1) < 0) {
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
        fua_py_state *state = state_of(self);
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
    engine->generation = as_engine(self)->engine->generation + 1;
    fua_engine_free(as_engine(self)->engine);
    as_engine(self)->engine = engine;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(exchange_doc,
             "exchange($self, other, /)\n--\n\n"
             "Take the model and rules of another engine and give it one's own: a policy built aside becomes\n"
             "current in one step.");

static PyObject *engine_exchange(PyObject *self, PyObject *other) {
    fua_py_state *state = state_of(self);
    if (state == NULL) {
        return NULL;
    }
    if (!PyObject_TypeCheck(other, state->engine_type)) {
        PyErr_Format(PyExc_TypeError, "exchange(): argument 'other' must be a PolicyEngine, not %.100s",
                     Py_TYPE(other)->tp_name);
        return NULL;
    }
    fua_engine *mine = as_engine(self)->engine, *theirs = as_engine(other)->engine;
    /* A generation never comes back, or answers of the old policy would be taken for the new one's. */
    uint64_t next = (mine->generation > theirs->generation ? mine->generation : theirs->generation) + 1;
    mine->generation = theirs->generation = next;
    as_engine(self)->engine = theirs;
    as_engine(other)->engine = mine;
    Py_RETURN_NONE;
}

/* --- decisions ------------------------------------------------------------------------------------------------ */

static int parse_request(PyObject *self, PyObject *const *args, Py_ssize_t count, const char *function,
                         fua_py_fields *fields) {
    const fua_model *model = as_engine(self)->engine->model;
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
        status = fua_engine_decide(as_engine(self)->engine, fields.texts, fields.count, &allowed);
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

PyDoc_STRVAR(enforce_doc,
             "enforce($self, /, *request)\n--\n\n"
             "Whether the policy allows a request: (sub, obj, act, group) for the built-in model.\n\n"
             "Raises TypeError for a value that is not a str or a wrong number of values.");

static PyObject *engine_enforce(PyObject *op, PyObject *const *args, Py_ssize_t count) {
    engine_object *self = as_engine(op);
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

PyDoc_STRVAR(enforce_ex_doc,
             "enforce_ex($self, /, *request)\n--\n\n"
             "The decision and the rule that made it: (bool, list of the rule's fields; empty where none did).");

static PyObject *engine_enforce_ex(PyObject *op, PyObject *const *args, Py_ssize_t count) {
    if (!as_engine(op)->enabled) {
        return Py_BuildValue("(O[])", Py_True);
    }
    fua_py_fields fields = {.count = 0};
    PyObject *result = NULL;
    if (parse_request(op, args, count, "enforce_ex", &fields) == 0) {
        bool allowed = false;
        uint32_t row = FUA_NO_ROW;
        fua_engine *engine = as_engine(op)->engine;
        fua_status status = fua_engine_explain(engine, fields.texts, fields.count, &allowed, &row);
        if (status != FUA_OK) {
            fua_py_raise(status);
        } else {
            PyObject *rule = row == FUA_NO_ROW ? PyList_New(0) : rule_to_list(engine, 0, row);
            result = rule == NULL ? NULL : Py_BuildValue("(ON)", allowed ? Py_True : Py_False, rule);
        }
    }
    fua_py_fields_clear(&fields);
    return result;
}

PyDoc_STRVAR(reasons_doc,
             "reasons($self, /, *request)\n--\n\n"
             "What enforce_ex answers, and every relevant rule as (rule, level, role path, page path), lowest level\n"
             "first.  Of other models than the built-in one only the deciding rule.  `enabled` does not matter here.");

static PyObject *engine_reasons(PyObject *op, PyObject *const *args, Py_ssize_t count) {
    fua_py_fields fields = {.count = 0};
    PyObject *result = NULL;
    if (parse_request(op, args, count, "reasons", &fields) == 0) {
        result = fua_py_reasons(as_engine(op)->engine, &fields);
    }
    fua_py_fields_clear(&fields);
    return result;
}

PyDoc_STRVAR(level_doc,
             "level($self, subject, /)\n--\n\n"
             "The level of a subject: 0, or for a role one more than its highest member; the lowest decides.");

static PyObject *engine_level(PyObject *op, PyObject *subject) {
    fua_py_fields fields = {.count = 0};
    if (fua_py_fields_add(&fields, subject, "level", "subject") < 0) {
        return NULL;
    }
    fua_engine *engine = as_engine(op)->engine;
    fua_status status = fua_engine_settle(engine);
    uint32_t id = fua_intern_find(&engine->strings, fields.texts[0]);
    fua_py_fields_clear(&fields);
    if (status != FUA_OK) {
        fua_py_raise(status);
        return NULL;
    }
    return PyLong_FromUnsignedLong(id == FUA_NO_ID ? 0 : fua_levels_of(&engine->levels, id));
}

PyDoc_STRVAR(batch_enforce_doc,
             "batch_enforce($self, requests, /)\n--\n\n"
             "The decisions for an iterable of requests, in order, as a list of bool.");

static PyObject *engine_batch_enforce(PyObject *op, PyObject *requests) {
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
            engine_enforce(op, PySequence_Fast_ITEMS(request), PySequence_Fast_GET_SIZE(request));
        if (append_steal(answers, answer) < 0) {
            Py_CLEAR(answers);
        }
    }
    Py_DECREF(list);
    return answers;
}

PyDoc_STRVAR(enforce_each_doc,
             "enforce_each($self, sub, requests, /)\n--\n\n"
             "The decisions for one subject and an iterable of requests without it, such as (obj, act, group), in\n"
             "order, as a list of bool.  What depends on the subject is worked out once.\n\n"
             "Raises TypeError for a value that is not a str or a request of a wrong number of values.");

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

static PyObject *engine_enforce_each(PyObject *op, PyObject *const *args, Py_ssize_t count) {
    if (count_args("enforce_each", count, 2, 2) < 0) {
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
        } else if (append_steal(list, PySequence_Tuple(request)) < 0) {
            Py_CLEAR(list);
        }
    }
    Py_XDECREF(given);
    if (list == NULL) {
        return NULL;
    }
    fua_engine *engine = as_engine(op)->engine;
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
        if (as_engine(op)->enabled) {
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

/* --- reading rules -------------------------------------------------------------------------------------------- */

PyDoc_STRVAR(rules_doc,
             "rules($self, ptype, field_index=0, field_values=(), /)\n--\n\n"
             "The rules of a policy type as lists of str, oldest first.  Field values filter from field_index on;\n"
             "\"\" stands for any value, as in Casbin.");

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
    const fua_engine *engine = as_engine(self)->engine;
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
    if (count_args(function, count, 1, 3) < 0 || parse_type(self, args[0], function, type) < 0) {
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

static PyObject *engine_rules(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    size_t type, from, found = 0;
    uint32_t *rows = NULL;
    fua_py_fields values;
    if (parse_filter(self, args, count, "rules", &type, &from, &values) < 0) {
        return NULL;
    }
    PyObject *list = filter_rows(self, type, from, &values, &rows, &found) < 0 ? NULL : PyList_New((Py_ssize_t)found);
    for (size_t i = 0; list != NULL && i < found; i++) {
        PyObject *rule = rule_to_list(as_engine(self)->engine, type, rows[i]);
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

PyDoc_STRVAR(has_rule_doc, "has_rule($self, ptype, rule, /)\n--\n\nWhether a rule is in the policy.");

static PyObject *engine_has_rule(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    size_t type;
    fua_py_fields fields = {.count = 0};
    if (count_args("has_rule", count, 2, 2) < 0 || parse_type(self, args[0], "has_rule", &type) < 0) {
        return NULL;
    }
    int parsed = fua_py_fields_add_all(&fields, args[1], "has_rule", "rule");
    bool has = parsed == 0 &&
               fua_engine_find(as_engine(self)->engine, type, fields.texts, fields.count) != FUA_NO_ROW;
    fua_py_fields_clear(&fields);
    return parsed < 0 ? NULL : PyBool_FromLong(has);
}

PyDoc_STRVAR(count_doc, "count($self, ptype, /)\n--\n\nThe number of rules of a policy type.");

static PyObject *engine_count(PyObject *self, PyObject *ptype) {
    size_t type;
    if (parse_type(self, ptype, "count", &type) < 0) {
        return NULL;
    }
    return PyLong_FromSize_t(as_engine(self)->engine->rules[type].live);
}

PyDoc_STRVAR(reach_doc,
             "reach($self, ptype, start, domain=None, members=False, /)\n--\n\n"
             "Everything above `start` over the links of a role type, nearest first, without `start` itself;\n"
             "with members=True everything below it.  A cycle is walked once.");

static PyObject *engine_reach(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    size_t type, found = 0;
    fua_py_fields fields = {.count = 0};
    const fua_reached *ids = NULL;
    int members = 0;
    if (count_args("reach", count, 2, 4) < 0 || parse_type(self, args[0], "reach", &type) < 0) {
        return NULL;
    }
    bool has_domain = count > 2 && args[2] != Py_None;
    if (!as_engine(self)->engine->model->types[type].is_role) {
        PyErr_SetString(PyExc_ValueError, "reach(): argument 'ptype' must be a role type");
        return NULL;
    }
    if (fua_py_fields_add(&fields, args[1], "reach", "start") < 0 ||
        (has_domain && fua_py_fields_add(&fields, args[2], "reach", "domain") < 0) ||
        (count > 3 && (members = PyObject_IsTrue(args[3])) < 0)) {
        fua_py_fields_clear(&fields);
        return NULL;
    }
    fua_engine *engine = as_engine(self)->engine;
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

PyDoc_STRVAR(types_doc, "types($self, /)\n--\n\nThe policy types of the model: {name: number of fields}.");

static PyObject *engine_types(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const fua_model *model = as_engine(self)->engine->model;
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

PyDoc_STRVAR(fields_doc, "fields($self, /)\n--\n\nThe names of the fields of a request and of a rule: (list, list).");

static PyObject *names_to_list(const char (*names)[FUA_NAME_MAX], size_t count) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count; i++) {
        if (append_steal(list, PyUnicode_FromString(names[i])) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *engine_fields(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const fua_model *model = as_engine(self)->engine->model;
    PyObject *request = names_to_list((const char(*)[FUA_NAME_MAX])model->request_names, model->request_width);
    PyObject *rule = names_to_list((const char(*)[FUA_NAME_MAX])model->rule_names, model->types[0].width);
    PyObject *both = request != NULL && rule != NULL ? PyTuple_Pack(2, request, rule) : NULL;
    Py_XDECREF(request);
    Py_XDECREF(rule);
    return both;
}

PyDoc_STRVAR(cycle_doc, "cycle($self, /)\n--\n\nA subject on a cycle of role links in the loaded policy, or None.");

static PyObject *engine_cycle(PyObject *self, PyObject *ignored) {
    (void)ignored;
    fua_text subject;
    fua_status status = fua_engine_settle(as_engine(self)->engine);
    if (status != FUA_OK) {
        fua_py_raise(status);
        return NULL;
    }
    if (!fua_engine_cycle_in_policy(as_engine(self)->engine, &subject)) {
        Py_RETURN_NONE;
    }
    return fua_py_str(subject);
}

/* --- changing rules ------------------------------------------------------------------------------------------- */

/* Whether links of this type may not form cycles. */
static bool is_acyclic_type(const fua_engine *engine, size_t type) {
    return type == FUA_TYPE_G && engine->model->builtin;
}

/* New links against each other and against the policy without the rules in `gone`. */
static int check_cycles(PyObject *self, size_t type, PyObject *rules, PyObject *gone) {
    fua_engine *engine = as_engine(self)->engine;
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
            parsed < 0 ? FUA_OK : fua_engine_check(as_engine(self)->engine, type, fields.texts, fields.count);
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

PyDoc_STRVAR(check_doc,
             "check($self, ptype, rules, gone=(), /)\n--\n\n"
             "Whether all rules may enter the policy once those in `gone` have left it; returns None.\n\n"
             "Raises RuleError for a rule that does not fit the model, CycleError for role links that would close\n"
             "a cycle, TypeError for anything that is not a list or tuple of str.");

static PyObject *engine_check(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    size_t type;
    if (count_args("check", count, 2, 3) < 0 || parse_type(self, args[0], "check", &type) < 0) {
        return NULL;
    }
    PyObject *rules = rule_list(args[1], "check");
    PyObject *gone = NULL; /* nothing more is called once there is an exception */
    if (rules != NULL) {
        gone = count > 2 ? rule_list(args[2], "check") : PyList_New(0);
    }
    int result = rules == NULL || gone == NULL ? -1 : check_rules(self, type, rules, "check");
    if (result == 0 && is_acyclic_type(as_engine(self)->engine, type)) {
        result = check_cycles(self, type, rules, gone);
    }
    Py_XDECREF(rules);
    Py_XDECREF(gone);
    if (result < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(add_doc,
             "add($self, ptype, rules, /)\n--\n\n"
             "Add rules to memory; returns how many were new.  All are checked before the first is added.");

static PyObject *engine_add(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    size_t type, fresh = 0;
    if (count_args("add", count, 2, 2) < 0 || parse_type(self, args[0], "add", &type) < 0) {
        return NULL;
    }
    PyObject *rules = rule_list(args[1], "add");
    int result = rules == NULL ? -1 : check_rules(self, type, rules, "add");
    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(rules); i++) {
        fua_py_fields fields = {.count = 0};
        bool added = false;
        result = fua_py_fields_add_all(&fields, PyList_GET_ITEM(rules, i), "add", "rules");
        if (result == 0) {
            fua_status status = fua_engine_add(as_engine(self)->engine, type, fields.texts, fields.count, &added);
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

PyDoc_STRVAR(remove_doc,
             "remove($self, ptype, rules, /)\n--\n\n"
             "Take rules out of memory; returns how many were there.");

static PyObject *engine_remove(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    size_t type, gone = 0;
    if (count_args("remove", count, 2, 2) < 0 || parse_type(self, args[0], "remove", &type) < 0) {
        return NULL;
    }
    PyObject *rules = rule_list(args[1], "remove");
    int result = rules == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(rules); i++) {
        fua_py_fields fields = {.count = 0};
        result = fua_py_fields_add_all(&fields, PyList_GET_ITEM(rules, i), "remove", "rules");
        if (result == 0) {
            uint32_t row = fua_engine_find(as_engine(self)->engine, type, fields.texts, fields.count);
            if (row != FUA_NO_ROW) {
                fua_engine_remove(as_engine(self)->engine, type, row);
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
    fua_engine *engine = as_engine(self)->engine;
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

PyDoc_STRVAR(load_doc,
             "load($self, rows, /)\n--\n\n"
             "Add stored rows (id, ptype, v0, v1, ...) to memory, for an engine that nobody asks yet.  Rows that do\n"
             "not fit the model are left out; returns them as a list of (id, reason).  Cycles of role links load.\n"
             "Call settle() after the last chunk.");

static PyObject *engine_load(PyObject *self, PyObject *rows) {
    PyObject *iterator = PyObject_GetIter(rows), *skipped = PyList_New(0), *row;
    if (iterator == NULL || skipped == NULL) {
        Py_XDECREF(iterator);
        Py_XDECREF(skipped);
        return NULL;
    }
    fua_engine_begin_load(as_engine(self)->engine);
    while (skipped != NULL && (row = PyIter_Next(iterator)) != NULL) {
        int failed;
        const char *reason = load_row(self, row, &failed);
        if (failed < 0) {
            Py_CLEAR(skipped);
        } else if (reason != NULL) {
            PyObject *entry = Py_BuildValue("(Os)", PyTuple_GET_ITEM(row, 0), reason);
            if (append_steal(skipped, entry) < 0) {
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

PyDoc_STRVAR(settle_doc,
             "settle($self, rules=None, /)\n--\n\n"
             "Finish a load: bring the indexes up to date, in one go or at most so many rules of it; whether that was\n"
             "the end.");

static PyObject *engine_settle(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    size_t rules = SIZE_MAX;
    bool done;
    if (count_args("settle", count, 0, 1) < 0) {
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
    fua_status status = fua_engine_settle_some(as_engine(self)->engine, rules, &done);
    if (status != FUA_OK) {
        fua_py_raise(status);
        return NULL;
    }
    return PyBool_FromLong(done);
}

/* --- the type ------------------------------------------------------------------------------------------------- */

static PyObject *get_enabled(PyObject *self, void *closure) {
    (void)closure;
    return PyBool_FromLong(as_engine(self)->enabled);
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
    as_engine(self)->enabled = truth == 1;
    return 0;
}

static PyObject *get_generation(PyObject *self, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLongLong(as_engine(self)->engine->generation);
}

static PyGetSetDef engine_getset[] = {
    {"enabled", get_enabled, set_enabled, "While False, everything is allowed (Casbin's enable_enforce).", NULL},
    {"generation", get_generation, NULL, "A number that moves on with every change of the policy.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef engine_methods[] = {
    {"define", FAST(engine_define), METH_FASTCALL, define_doc},
    {"exchange", engine_exchange, METH_O, exchange_doc},
    {"enforce", FAST(engine_enforce), METH_FASTCALL, enforce_doc},
    {"enforce_ex", FAST(engine_enforce_ex), METH_FASTCALL, enforce_ex_doc},
    {"reasons", FAST(engine_reasons), METH_FASTCALL, reasons_doc},
    {"level", engine_level, METH_O, level_doc},
    {"batch_enforce", engine_batch_enforce, METH_O, batch_enforce_doc},
    {"enforce_each", FAST(engine_enforce_each), METH_FASTCALL, enforce_each_doc},
    {"rules", FAST(engine_rules), METH_FASTCALL, rules_doc},
    {"has_rule", FAST(engine_has_rule), METH_FASTCALL, has_rule_doc},
    {"count", engine_count, METH_O, count_doc},
    {"reach", FAST(engine_reach), METH_FASTCALL, reach_doc},
    {"types", engine_types, METH_NOARGS, types_doc},
    {"fields", engine_fields, METH_NOARGS, fields_doc},
    {"cycle", engine_cycle, METH_NOARGS, cycle_doc},
    {"check", FAST(engine_check), METH_FASTCALL, check_doc},
    {"add", FAST(engine_add), METH_FASTCALL, add_doc},
    {"remove", FAST(engine_remove), METH_FASTCALL, remove_doc},
    {"load", engine_load, METH_O, load_doc},
    {"settle", FAST(engine_settle), METH_FASTCALL, settle_doc},
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
    .basicsize = sizeof(engine_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = engine_slots,
};

int fua_py_add_engine(PyObject *module) {
    fua_py_state *state = fua_py_state_of(module);
    state->engine_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &engine_spec, NULL);
    return state->engine_type == NULL ? -1 : PyModule_AddType(module, state->engine_type);
}
