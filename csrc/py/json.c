#include "py/json.h"

#include <math.h>

#include "py/state.h"

/* --- to Python ------------------------------------------------------------------------------------------------ */

void fua_py_names_clear(fua_py_names *names) {
    for (size_t i = 0; i < FUA_PY_NAMES; i++) {
        Py_CLEAR(names->slots[i]);
    }
}

static PyObject *str_of(const fua_json_node *node) {
    return PyUnicode_DecodeUTF8(node->as.text, (Py_ssize_t)node->size, NULL);
}

/* The name of a member; new reference. */
static PyObject *name_of(const fua_json_node *node, fua_py_names *names) {
    const unsigned char *text = (const unsigned char *)node->as.text;
    size_t size = node->size;
    if (size == 0 || size > 32) {
        return str_of(node);
    }
    PyObject **slot = &names->slots[(text[0] * 7U + text[size - 1] * 3U + size) % FUA_PY_NAMES];
    if (*slot != NULL && PyUnicode_IS_COMPACT_ASCII(*slot) && (size_t)PyUnicode_GET_LENGTH(*slot) == size &&
        memcmp(PyUnicode_1BYTE_DATA(*slot), text, size) == 0) {
        return Py_NewRef(*slot);
    }
    PyObject *name = str_of(node);
    if (name != NULL) {
        Py_XSETREF(*slot, Py_NewRef(name));
    }
    return name;
}

static PyObject *real_of(const fua_json_node *node) {
    /* what follows a number was a delimiter, and has been read */
    char *end = (char *)(uintptr_t)(node->as.text + node->size), kept = *end;
    *end = '\0';
    double value = PyOS_string_to_double(node->as.text, NULL, NULL);
    *end = kept;
    return value == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(value);
}

static PyObject *array_of(const fua_json_node *nodes, size_t index, fua_py_names *names) {
    PyObject *list = PyList_New((Py_ssize_t)nodes[index].size);
    size_t at = index + 1;
    for (Py_ssize_t i = 0; list != NULL && i < (Py_ssize_t)nodes[index].size; i++) {
        PyObject *element = fua_py_from_json(nodes, at, names);
        if (element == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, element);
        at = nodes[at].next;
    }
    return list;
}

static PyObject *object_of(const fua_json_node *nodes, size_t index, fua_py_names *names) {
    PyObject *dict = PyDict_New();
    for (size_t at = index + 1; dict != NULL && at < nodes[index].next; at = nodes[at + 1].next) {
        PyObject *name = name_of(&nodes[at], names);
        PyObject *value = name == NULL ? NULL : fua_py_from_json(nodes, at + 1, names);
        if (value == NULL || PyDict_SetItem(dict, name, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    return dict;
}

PyObject *fua_py_from_json(const fua_json_node *nodes, size_t index, fua_py_names *names) {
    const fua_json_node *node = &nodes[index];
    switch (node->kind) {
    case FUA_JSON_NULL: Py_RETURN_NONE;
    case FUA_JSON_FALSE: Py_RETURN_FALSE;
    case FUA_JSON_TRUE: Py_RETURN_TRUE;
    case FUA_JSON_INTEGER: return PyLong_FromLongLong(node->as.integer);
    case FUA_JSON_REAL: return real_of(node);
    case FUA_JSON_STRING: return str_of(node);
    case FUA_JSON_ARRAY: return array_of(nodes, index, names);
    case FUA_JSON_OBJECT: return object_of(nodes, index, names);
    }
    PyErr_SetString(PyExc_SystemError, "unknown kind of JSON node");
    return NULL;
}

/* --- from Python ---------------------------------------------------------------------------------------------- */

static int added(fua_status status) {
    if (status == FUA_OK) {
        return 0;
    }
    fua_py_raise(status);
    return -1;
}

static int text_to_json(fua_buffer *out, PyObject *value) {
    if (PyUnicode_IS_COMPACT_ASCII(value)) {
        fua_text text = {(const char *)PyUnicode_1BYTE_DATA(value), (size_t)PyUnicode_GET_LENGTH(value)};
        return added(fua_json_write_text(out, text));
    }
    Py_ssize_t size;
    const char *data = PyUnicode_AsUTF8AndSize(value, &size); /* UnicodeEncodeError is a ValueError */
    return data == NULL ? -1 : added(fua_json_write_text(out, (fua_text){data, (size_t)size}));
}

static int integer_to_json(fua_buffer *out, PyObject *value) {
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow != 0) {
        PyErr_SetString(PyExc_ValueError, "integers in JSON must fit 64 bits");
        return -1;
    }
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    return added(fua_json_write_integer(out, number));
}

static int real_to_json(fua_buffer *out, double value) {
    if (!isfinite(value)) {
        PyErr_SetString(PyExc_ValueError, "JSON has no NaN and no infinity");
        return -1;
    }
    char *text = PyOS_double_to_string(value, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (text == NULL) {
        return -1;
    }
    int result = added(fua_buffer_add(out, text, strlen(text)));
    PyMem_Free(text);
    return result;
}

int fua_py_member_to_json(fua_buffer *out, PyObject *name, PyObject *value, unsigned depth) {
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "names of members must be str, not %.100s", Py_TYPE(name)->tp_name);
        return -1;
    }
    if (out->size != 0 && out->data[out->size - 1] != '{' && added(fua_buffer_add(out, ",", 1)) < 0) {
        return -1;
    }
    if (text_to_json(out, name) < 0 || added(fua_buffer_add(out, ":", 1)) < 0) {
        return -1;
    }
    return fua_py_to_json(out, value, depth);
}

static int dict_to_json(fua_buffer *out, PyObject *dict, unsigned depth) {
    Py_ssize_t position = 0;
    PyObject *name, *value;
    if (PyDict_GET_SIZE(dict) > FUA_JSON_MEMBERS_MAX) {
        PyErr_Format(PyExc_ValueError, "an object has more than %d members", FUA_JSON_MEMBERS_MAX);
        return -1;
    }
    if (added(fua_buffer_add(out, "{", 1)) < 0) {
        return -1;
    }
    while (PyDict_Next(dict, &position, &name, &value)) {
        if (fua_py_member_to_json(out, name, value, depth) < 0) {
            return -1;
        }
    }
    return added(fua_buffer_add(out, "}", 1));
}

static int sequence_to_json(fua_buffer *out, PyObject *sequence, unsigned depth) {
    if (added(fua_buffer_add(out, "[", 1)) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence); i++) {
        if ((i != 0 && added(fua_buffer_add(out, ",", 1)) < 0) ||
            fua_py_to_json(out, PySequence_Fast_GET_ITEM(sequence, i), depth) < 0) {
            return -1;
        }
    }
    return added(fua_buffer_add(out, "]", 1));
}

int fua_py_to_json(fua_buffer *out, PyObject *value, unsigned depth) {
    if (PyUnicode_Check(value)) {
        return text_to_json(out, value);
    }
    if (value == Py_True || value == Py_False || value == Py_None) {
        fua_text word = fua_text_of(value == Py_True ? "true" : value == Py_False ? "false" : "null");
        return added(fua_buffer_add(out, word.data, word.size));
    }
    if (PyLong_Check(value)) {
        return integer_to_json(out, value);
    }
    if (PyFloat_Check(value)) {
        return real_to_json(out, PyFloat_AS_DOUBLE(value));
    }
    bool dict = PyDict_Check(value);
    if (!dict && !PyList_Check(value) && !PyTuple_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%.100s is not a type of JSON", Py_TYPE(value)->tp_name);
        return -1;
    }
    if (depth == FUA_JSON_DEPTH_MAX) {
        PyErr_Format(PyExc_ValueError, "arrays and objects are nested more than %d deep", FUA_JSON_DEPTH_MAX);
        return -1;
    }
    return dict ? dict_to_json(out, value, depth + 1) : sequence_to_json(out, value, depth + 1);
}
