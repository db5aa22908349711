/* Row filters: filter_simplify and filter_sql.  Both read the same nested lists; filters.py makes them. */
#include "filter/simplify.h"
#include "filter/sql.h"
#include "py/convert.h"
#include "py/state.h"

static const char *const op_names[] = {
    [FUA_FILTER_IN] = "in", [FUA_FILTER_NOT_IN] = "not in", [FUA_FILTER_LT] = "<",  [FUA_FILTER_LE] = "<=",
    [FUA_FILTER_GT] = ">",  [FUA_FILTER_GE] = ">=",         [FUA_FILTER_CLAUSE] = "clause"};

static const char *const kind_names[] = {
    [FUA_VALUE_OPAQUE] = "opaque", [FUA_VALUE_INTEGER] = "integer", [FUA_VALUE_REAL] = "real",
    [FUA_VALUE_DATE] = "date",     [FUA_VALUE_TIME] = "time",       [FUA_VALUE_AGO] = "ago",
    [FUA_VALUE_LATER] = "later"};

static const char *const style_names[] = {
    [FUA_SQL_QMARK] = "qmark",   [FUA_SQL_NUMERIC] = "numeric", [FUA_SQL_DOLLAR] = "dollar",
    [FUA_SQL_FORMAT] = "format", [FUA_SQL_NAMED] = "named",     [FUA_SQL_PYFORMAT] = "pyformat"};

/* The index of a name in a table of names; -1 with TypeError or ValueError. */
static int index_of(PyObject *value, const char *const *names, int count, const char *what) {
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be str, not %.100s", what, Py_TYPE(value)->tp_name);
        return -1;
    }
    for (int i = 0; i < count; i++) {
        if (PyUnicode_CompareWithASCIIString(value, names[i]) == 0) {
            return i;
        }
    }
    PyErr_Format(PyExc_ValueError, "%R is no %s", value, what);
    return -1;
}

/* A borrowed text, valid as long as the str; -1 with TypeError, or UnicodeEncodeError for lone surrogates. */
static int text_of(PyObject *value, const char *what, fua_text *text) {
    Py_ssize_t size;
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be str, not %.100s", what, Py_TYPE(value)->tp_name);
        return -1;
    }
    text->data = PyUnicode_AsUTF8AndSize(value, &size);
    text->size = (size_t)size;
    return text->data == NULL ? -1 : 0;
}

/* --- from Python ---------------------------------------------------------------------------------------------- */

static int raise_unless_ok(fua_status status) {
    if (status == FUA_OK) {
        return 0;
    }
    if (status == FUA_ERR_SYNTAX) {
        PyErr_SetString(PyExc_ValueError, "a column's name must not be empty or hold a NUL character");
    } else {
        fua_py_raise(status);
    }
    return -1;
}

/* A number of the caller's, which is a plain int: nothing of Python's runs while the lists are read. */
static int read_number(PyObject *value, const char *what, uint32_t *number) {
    unsigned long found = PyLong_CheckExact(value) ? PyLong_AsUnsignedLong(value) : ULONG_MAX;
    if (found >= FUA_FILTER_NONE) {
        PyErr_Format(PyExc_ValueError, "%s must be an int from 0 to 2**32 - 2", what);
        return -1;
    }
    *number = (uint32_t)found;
    return 0;
}

static int refuse_shape(const char *wanted) {
    PyErr_SetString(PyExc_TypeError, wanted);
    return -1;
}

/* (kind, number, ref) */
static int read_value(fua_filter *filter, PyObject *item) {
    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 3) {
        return refuse_shape("a value is (kind, number, ref)");
    }
    PyObject *number = PyTuple_GET_ITEM(item, 1);
    int kind = index_of(PyTuple_GET_ITEM(item, 0), kind_names, FUA_VALUE_KINDS, "kind of value");
    fua_value value = {.kind = (fua_value_kind)kind};
    if (kind < 0 || read_number(PyTuple_GET_ITEM(item, 2), "a ref", &value.ref) < 0) {
        return -1;
    }
    if (value.kind == FUA_VALUE_REAL) {
        if (!PyFloat_CheckExact(number)) {
            return refuse_shape("the number of a real value is a float");
        }
        value.as.real = PyFloat_AS_DOUBLE(number);
    } else if (value.kind != FUA_VALUE_OPAQUE && value.kind != FUA_VALUE_LATER) {
        if (!PyLong_CheckExact(number)) {
            return refuse_shape("the number of a value is an int");
        }
        value.as.integer = PyLong_AsLongLong(number);
        if (value.as.integer == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    return raise_unless_ok(fua_filter_value(filter, value));
}

/* (column, op, null, values); of a clause the column is its number */
static int read_term(fua_filter *filter, uint32_t branch, PyObject *item) {
    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 4 || !PyTuple_Check(PyTuple_GET_ITEM(item, 3))) {
        return refuse_shape("a term is (column, op, null, values)");
    }
    PyObject *column_arg = PyTuple_GET_ITEM(item, 0), *values = PyTuple_GET_ITEM(item, 3);
    bool null = PyTuple_GET_ITEM(item, 2) == Py_True;
    int op = index_of(PyTuple_GET_ITEM(item, 1), op_names, FUA_FILTER_GONE, "operator");
    uint32_t column = 0;
    fua_text name;
    if (op < 0) {
        return -1;
    }
    if (op == FUA_FILTER_CLAUSE) {
        if (read_number(column_arg, "a clause", &column) < 0) {
            return -1;
        }
    } else if (text_of(column_arg, "a column", &name) < 0 ||
               raise_unless_ok(fua_filter_column(filter, name, &column)) < 0) {
        return -1;
    }
    if (raise_unless_ok(fua_filter_term(filter, branch, (fua_filter_op)op, column, null)) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(values); i++) {
        if (read_value(filter, PyTuple_GET_ITEM(values, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

/* A list of alternatives, each a list of terms. */
static int read_group(fua_filter *filter, PyObject *alternatives) {
    if (raise_unless_ok(fua_filter_group(filter)) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(alternatives); i++) {
        PyObject *terms = PyList_GET_ITEM(alternatives, i);
        uint32_t branch;
        if (!PyList_Check(terms)) {
            PyErr_SetString(PyExc_TypeError, "an alternative is a list of terms");
            return -1;
        }
        if (raise_unless_ok(fua_filter_branch(filter, &branch)) < 0) {
            return -1;
        }
        for (Py_ssize_t j = 0; j < PyList_GET_SIZE(terms); j++) {
            if (read_term(filter, branch, PyList_GET_ITEM(terms, j)) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int read_items(fua_filter *filter, PyObject *items) {
    if (!PyList_Check(items)) {
        PyErr_Format(PyExc_TypeError, "items must be a list, not %.100s", Py_TYPE(items)->tp_name);
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
        PyObject *item = PyList_GET_ITEM(items, i);
        if ((PyList_Check(item) ? read_group(filter, item) : read_term(filter, 0, item)) < 0) {
            return -1;
        }
    }
    return 0;
}

/* --- to Python ------------------------------------------------------------------------------------------------ */

static PyObject *term_of(const fua_filter *filter, const fua_term *term) {
    size_t count = 0;
    for (uint32_t v = term->first; v != FUA_FILTER_NONE; v = filter->values[v].next) {
        count++;
    }
    PyObject *refs = PyTuple_New((Py_ssize_t)count);
    uint32_t v = term->first;
    for (size_t i = 0; refs != NULL && i < count; i++) {
        PyObject *ref = PyLong_FromUnsignedLong(filter->values[v].ref);
        if (ref == NULL) {
            Py_CLEAR(refs);
            break;
        }
        PyTuple_SET_ITEM(refs, (Py_ssize_t)i, ref);
        v = filter->values[v].next;
    }
    if (refs == NULL) {
        return NULL;
    }
    PyObject *column = term->op == FUA_FILTER_CLAUSE ? PyLong_FromUnsignedLong(term->column)
                                                     : fua_py_str(filter->columns[term->column]);
    return Py_BuildValue("(NsNN)", column, op_names[term->op], PyBool_FromLong(term->null), refs);
}

/* Appends the terms of a branch to a list. */
static int add_terms(const fua_filter *filter, uint32_t branch, PyObject *list) {
    for (size_t i = 0; i < filter->term_count; i++) {
        if (fua_filter_in_branch(&filter->terms[i], branch)) {
            PyObject *term = term_of(filter, &filter->terms[i]);
            int status = term == NULL ? -1 : PyList_Append(list, term);
            Py_XDECREF(term);
            if (status < 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int add_group(const fua_filter *filter, uint32_t group, PyObject *items) {
    PyObject *alternatives = PyList_New(0);
    int status = alternatives == NULL ? -1 : PyList_Append(items, alternatives);
    for (uint32_t b = 1; status == 0 && b < filter->branch_count; b++) {
        if (fua_filter_in_group(&filter->branches[b], group)) {
            PyObject *terms = PyList_New(0);
            status = terms == NULL ? -1 : PyList_Append(alternatives, terms);
            status = status == 0 ? add_terms(filter, b, terms) : status;
            Py_XDECREF(terms);
        }
    }
    Py_XDECREF(alternatives);
    return status;
}

static PyObject *items_of(const fua_filter *filter) {
    PyObject *items = PyList_New(0);
    int status = items == NULL ? -1 : add_terms(filter, 0, items);
    for (uint32_t group = 1; status == 0 && group <= filter->group_count; group++) {
        if (fua_filter_group_counts(filter, group)) {
            status = add_group(filter, group, items);
        }
    }
    if (status < 0) {
        Py_CLEAR(items);
    }
    return items;
}

PyDoc_STRVAR(filter_simplify_doc,
             "filter_simplify($module, items, /)\n--\n\n"
             "The shortest list of items that is known to be true of the same rows; None if no row can be.\n\n"
             "An item is a term (column, op, null, values) with values (kind, number, ref), or a list of\n"
             "alternatives, each a list of terms. The result has refs in the place of values.\n"
             "Raises TypeError and ValueError for anything else.");

static PyObject *filter_simplify(PyObject *module, PyObject *items) {
    PyObject *result = NULL;
    fua_filter filter;
    (void)module;
    if (raise_unless_ok(fua_filter_init(&filter, fua_allocator_default())) == 0 && read_items(&filter, items) == 0 &&
        raise_unless_ok(fua_filter_simplify(&filter)) == 0) {
        result = filter.branches[0].never ? Py_NewRef(Py_None) : items_of(&filter);
    }
    fua_filter_free(&filter);
    return result;
}

static int read_form(PyObject *style_arg, PyObject *quote, PyObject *table, PyObject *prefix, fua_sql_form *form) {
    int style = index_of(style_arg, style_names, FUA_SQL_STYLES, "parameter style");
    fua_text mark;
    if (style < 0 || text_of(quote, "a quote", &mark) < 0 || text_of(table, "a table", &form->table) < 0 ||
        text_of(prefix, "a prefix", &form->prefix) < 0) {
        return -1;
    }
    if (mark.size != 1 || (form->table.size > 0 && memchr(form->table.data, '\0', form->table.size) != NULL)) {
        PyErr_SetString(PyExc_ValueError, "a quote is one character, and a table's name has no NUL character");
        return -1;
    }
    form->style = (fua_sql_style)style;
    form->quote = mark.data[0];
    return 0;
}

static PyObject *sql_of(const fua_filter *filter, const fua_sql_form *form) {
    char storage[512];
    size_t count = 0;
    fua_buffer out;
    PyObject *text = NULL, *refs = NULL;
    uint32_t *numbers = PyMem_Calloc(filter->value_count + 1, sizeof *numbers);
    fua_buffer_init(&out, filter->al, storage, sizeof storage);
    if (numbers == NULL) {
        PyErr_NoMemory();
    } else if (raise_unless_ok(fua_filter_sql(filter, form, &out, numbers, &count)) == 0) {
        text = fua_py_str((fua_text){out.data, out.size});
        refs = PyList_New((Py_ssize_t)count);
        for (size_t i = 0; refs != NULL && i < count; i++) {
            PyObject *ref = PyLong_FromUnsignedLong(numbers[i]);
            if (ref == NULL) {
                Py_CLEAR(refs);
                break;
            }
            PyList_SET_ITEM(refs, (Py_ssize_t)i, ref);
        }
    }
    fua_buffer_free(&out);
    PyMem_Free(numbers);
    if (text == NULL || refs == NULL) {
        Py_XDECREF(text);
        Py_XDECREF(refs);
        return NULL;
    }
    return Py_BuildValue("(NN)", text, refs);
}

PyDoc_STRVAR(filter_sql_doc,
             "filter_sql($module, items, style, quote, table, prefix, start, /)\n--\n\n"
             "(text, refs): the SQL condition of items as filter_simplify takes them, and the refs of the values in\n"
             "the order of their marks.\n\n"
             "style is that of the marks (PEP 249), quote the one of names, table what columns are qualified with, prefix\n"
             "and start name and number the marks.\n\n"
             "Raises TypeError and ValueError for what filter_simplify refuses, and for clauses.");

static PyObject *filter_sql(PyObject *module, PyObject *args) {
    PyObject *items, *style, *quote, *table, *prefix, *start_arg, *result = NULL;
    uint32_t start;
    fua_sql_form form;
    fua_filter filter;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOOOOO:filter_sql", &items, &style, &quote, &table, &prefix, &start_arg) ||
        read_form(style, quote, table, prefix, &form) < 0 || read_number(start_arg, "the start", &start) < 0) {
        return NULL;
    }
    form.start = start;
    if (raise_unless_ok(fua_filter_init(&filter, fua_allocator_default())) == 0 && read_items(&filter, items) == 0) {
        result = sql_of(&filter, &form);
    }
    fua_filter_free(&filter);
    return result;
}

int fua_py_add_filter(PyObject *module) {
    static PyMethodDef methods[] = {
        {"filter_simplify", filter_simplify, METH_O, filter_simplify_doc},
        {"filter_sql", filter_sql, METH_VARARGS, filter_sql_doc},
        {NULL, NULL, 0, NULL},
    };
    return PyModule_AddFunctions(module, methods);
}
