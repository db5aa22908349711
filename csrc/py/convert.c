#include "py/convert.h"

int fua_py_fields_add(fua_py_fields *fields, PyObject *value, const char *function, const char *name) {
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s(): argument '%s' must be str, not %.100s", function, name,
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    if (fields->count == FUA_RULE_MAX_FIELDS) {
        PyErr_Format(PyExc_ValueError, "%s(): argument '%s' has more than %d fields", function, name,
                     FUA_RULE_MAX_FIELDS);
        return -1;
    }
    Py_ssize_t size = 0;
    PyObject *keep = NULL;
    const char *data = PyUnicode_AsUTF8AndSize(value, &size);
    if (data == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            return -1;
        }
        PyErr_Clear();
        keep = PyUnicode_AsEncodedString(value, "utf-8", "surrogatepass");
        if (keep == NULL) {
            return -1;
        }
        data = PyBytes_AS_STRING(keep);
        size = PyBytes_GET_SIZE(keep);
    }
    fields->texts[fields->count] = (fua_text){data, (size_t)size};
    fields->keep[fields->count++] = keep;
    return 0;
}

int fua_py_fields_add_all(fua_py_fields *fields, PyObject *sequence, const char *function, const char *name) {
    if (!PyList_Check(sequence) && !PyTuple_Check(sequence)) {
        PyErr_Format(PyExc_TypeError, "%s(): argument '%s' must be a list or tuple of str, not %.100s", function, name,
                     Py_TYPE(sequence)->tp_name);
        return -1;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence); i++) {
        if (fua_py_fields_add(fields, PySequence_Fast_GET_ITEM(sequence, i), function, name) < 0) {
            return -1;
        }
    }
    return 0;
}

void fua_py_fields_clear(fua_py_fields *fields) {
    while (fields->count > 0) {
        fields->count--; /* apart: before CPython 3.12 Py_CLEAR evaluates its argument twice */
        Py_CLEAR(fields->keep[fields->count]);
    }
}

PyObject *fua_py_str(fua_text text) {
    return PyUnicode_DecodeUTF8(text.data, (Py_ssize_t)text.size, "surrogatepass");
}

int fua_py_count_args(const char *function, Py_ssize_t count, Py_ssize_t least, Py_ssize_t most) {
    if (count < least || count > most) {
        PyErr_Format(PyExc_TypeError, "%s() takes %zd to %zd arguments (%zd given)", function, least, most, count);
        return -1;
    }
    return 0;
}

int fua_py_append(PyObject *list, PyObject *item) {
    int result = item == NULL ? -1 : PyList_Append(list, item);
    Py_XDECREF(item);
    return result;
}
