#include "py/passwords.h"

#include <stdbool.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/bcrypt.h"

void fua_py_refuse_type(const char *function, const char *argument, const char *wanted, PyObject *value) {
    PyErr_Format(PyExc_TypeError, "%s(): argument '%s' must be %s, not %.100s", function, argument, wanted,
                 Py_TYPE(value)->tp_name);
}

/*
 * The part of a password that counts, copied: without the GIL nothing keeps the caller's object alive, and only this
 * copy can be wiped.
 */
typedef struct password_copy {
    uint8_t bytes[FUA_BCRYPT_PASSWORD_MAX];
    size_t size;
    bool has_nul; /* anywhere in the password, also after the bytes that count */
} password_copy;

static int copy_password(PyObject *value, const char *function, password_copy *copy) {
    if (!PyBytes_Check(value)) {
        fua_py_refuse_type(function, "password", "bytes", value);
        return -1;
    }
    const char *data = PyBytes_AS_STRING(value);
    size_t size = (size_t)PyBytes_GET_SIZE(value);
    copy->has_nul = memchr(data, 0, size) != NULL;
    copy->size = size < sizeof copy->bytes ? size : sizeof copy->bytes;
    memcpy(copy->bytes, data, copy->size);
    return 0;
}

int fua_py_hash_text(PyObject *value, const char *function, fua_text *text) {
    Py_ssize_t size;
    if (PyUnicode_Check(value)) {
        text->data = PyUnicode_AsUTF8AndSize(value, &size);
        if (text->data == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
                return -1;
            }
            PyErr_Clear(); /* a lone surrogate: not in any alphabet either */
            return 0;
        }
    } else if (PyBytes_Check(value)) {
        text->data = PyBytes_AS_STRING(value);
        size = PyBytes_GET_SIZE(value);
    } else {
        fua_py_refuse_type(function, "hashed", "str or bytes", value);
        return -1;
    }
    text->size = (size_t)size;
    return 1;
}

/* 1 and *record, 0 when the text is no bcrypt hash, -1 with TypeError or MemoryError. */
static int parse_hash(PyObject *value, const char *function, fua_bcrypt_record *record) {
    fua_text text;
    int found = fua_py_hash_text(value, function, &text);
    return found <= 0 ? found : fua_bcrypt_parse(text.data, text.size, record) == FUA_OK;
}

/* -1 with an exception for anything but "2a", "2b", "2y". */
static int read_variant(PyObject *value, fua_bcrypt_variant *variant) {
    if (!PyUnicode_Check(value)) {
        fua_py_refuse_type("bcrypt_hash", "variant", "str", value);
        return -1;
    }
    if (PyUnicode_CompareWithASCIIString(value, "2b") == 0) {
        *variant = FUA_BCRYPT_2B;
    } else if (PyUnicode_CompareWithASCIIString(value, "2y") == 0) {
        *variant = FUA_BCRYPT_2Y;
    } else if (PyUnicode_CompareWithASCIIString(value, "2a") == 0) {
        *variant = FUA_BCRYPT_2A;
    } else {
        PyErr_Format(PyExc_ValueError, "bcrypt_hash(): argument 'variant' must be '2a', '2b' or '2y', not %R", value);
        return -1;
    }
    return 0;
}

static int read_cost(PyObject *value, unsigned *cost) {
    if (!PyLong_Check(value)) {
        fua_py_refuse_type("bcrypt_hash", "cost", "int", value);
        return -1;
    }
    int overflow;
    long number = PyLong_AsLongAndOverflow(value, &overflow);
    if (number == -1 && PyErr_Occurred() != NULL) {
        return -1;
    }
    if (overflow != 0 || number < FUA_BCRYPT_COST_MIN || number > FUA_BCRYPT_COST_MAX) {
        PyErr_Format(PyExc_ValueError, "bcrypt_hash(): argument 'cost' must be between %d and %d, not %R",
                     FUA_BCRYPT_COST_MIN, FUA_BCRYPT_COST_MAX, value);
        return -1;
    }
    *cost = (unsigned)number;
    return 0;
}

PyDoc_STRVAR(bcrypt_hash_doc,
             "bcrypt_hash(password, salt, cost, variant='2b')\n--\n\n"
             "The bcrypt hash of password (bytes) with salt (16 bytes) and 2**cost rounds, as text of 60 characters.\n\n"
             "Bytes after the 72nd do not count. The GIL is released meanwhile.\n"
             "Raises ValueError for a NUL in the password, a salt of another size, a cost outside 4..31,\n"
             "or a variant other than '2a', '2b', '2y'.");

static PyObject *bcrypt_hash(PyObject *module, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"password", "salt", "cost", "variant", NULL};
    PyObject *password_arg, *salt_arg, *cost_arg, *variant_arg = NULL;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO|O:bcrypt_hash", keywords, &password_arg, &salt_arg, &cost_arg,
                                     &variant_arg)) {
        return NULL;
    }
    fua_bcrypt_variant variant = FUA_BCRYPT_2B;
    uint8_t salt[FUA_BCRYPT_SALT_SIZE];
    unsigned cost;
    if (!PyBytes_Check(salt_arg)) {
        fua_py_refuse_type("bcrypt_hash", "salt", "bytes", salt_arg);
        return NULL;
    }
    if (PyBytes_GET_SIZE(salt_arg) != FUA_BCRYPT_SALT_SIZE) {
        return PyErr_Format(PyExc_ValueError, "bcrypt_hash(): argument 'salt' must be %d bytes, not %zd",
                            FUA_BCRYPT_SALT_SIZE, PyBytes_GET_SIZE(salt_arg));
    }
    memcpy(salt, PyBytes_AS_STRING(salt_arg), sizeof salt);
    if (read_cost(cost_arg, &cost) < 0 || (variant_arg != NULL && read_variant(variant_arg, &variant) < 0)) {
        return NULL;
    }
    password_copy password;
    if (copy_password(password_arg, "bcrypt_hash", &password) < 0) {
        return NULL;
    }
    char text[FUA_BCRYPT_TEXT_SIZE + 1];
    fua_status status = FUA_ERR_ARG;
    if (!password.has_nul) {
        Py_BEGIN_ALLOW_THREADS
        status = fua_bcrypt_hash(password.bytes, password.size, salt, cost, variant, text);
        Py_END_ALLOW_THREADS
    }
    fua_wipe(&password, sizeof password);
    if (status != FUA_OK) { /* everything else was checked above */
        PyErr_SetString(PyExc_ValueError, "bcrypt_hash(): argument 'password' must not contain NUL bytes");
        return NULL;
    }
    return PyUnicode_FromStringAndSize(text, FUA_BCRYPT_TEXT_SIZE);
}

PyDoc_STRVAR(bcrypt_verify_doc,
             "bcrypt_verify(password, hashed)\n--\n\n"
             "Whether password (bytes) belongs to the stored hash (str or bytes).\n\n"
             "Bytes after the 72nd do not count; a password with a NUL never matches, and is answered at once.\n"
             "The GIL is released meanwhile. Raises ValueError when hashed is no $2a$, $2b$ or $2y$ hash.");

static PyObject *bcrypt_verify(PyObject *module, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"password", "hashed", NULL};
    PyObject *password_arg, *hashed_arg;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:bcrypt_verify", keywords, &password_arg, &hashed_arg)) {
        return NULL;
    }
    fua_bcrypt_record record;
    int parsed = parse_hash(hashed_arg, "bcrypt_verify", &record);
    if (parsed < 0) {
        return NULL;
    }
    password_copy password;
    if (copy_password(password_arg, "bcrypt_verify", &password) < 0) {
        return NULL;
    }
    fua_status status = parsed == 0 ? FUA_ERR_SYNTAX : FUA_ERR_MISMATCH;
    if (parsed != 0 && !password.has_nul) {
        Py_BEGIN_ALLOW_THREADS
        status = fua_bcrypt_verify(password.bytes, password.size, &record);
        Py_END_ALLOW_THREADS
    }
    fua_wipe(&password, sizeof password);
    fua_wipe(&record, sizeof record);
    if (status == FUA_OK) {
        Py_RETURN_TRUE;
    }
    if (status == FUA_ERR_MISMATCH) {
        Py_RETURN_FALSE;
    }
    /* The text itself stays out of the message: it may be a password somebody stored as it was. */
    PyErr_SetString(PyExc_ValueError, "bcrypt_verify(): argument 'hashed' is not a $2a$, $2b$ or $2y$ hash");
    return NULL;
}

PyDoc_STRVAR(bcrypt_parse_doc,
             "bcrypt_parse(hashed)\n--\n\n"
             "The variant ('2a', '2b' or '2y') and cost of the stored hash in hashed (str or bytes), or None if it is\n"
             "not one.");

static PyObject *bcrypt_parse(PyObject *module, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"hashed", NULL};
    PyObject *hashed_arg;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:bcrypt_parse", keywords, &hashed_arg)) {
        return NULL;
    }
    fua_bcrypt_record record;
    int parsed = parse_hash(hashed_arg, "bcrypt_parse", &record);
    if (parsed < 0) {
        return NULL;
    }
    if (parsed == 0) {
        Py_RETURN_NONE;
    }
    char variant[3] = {'2', (char)record.variant, '\0'};
    unsigned cost = record.cost;
    fua_wipe(&record, sizeof record);
    return Py_BuildValue("(sI)", variant, cost);
}

int fua_py_add_passwords(PyObject *module) {
    static PyMethodDef methods[] = {
        {"bcrypt_hash", (PyCFunction)(void (*)(void))bcrypt_hash, METH_VARARGS | METH_KEYWORDS, bcrypt_hash_doc},
        {"bcrypt_verify", (PyCFunction)(void (*)(void))bcrypt_verify, METH_VARARGS | METH_KEYWORDS, bcrypt_verify_doc},
        {"bcrypt_parse", (PyCFunction)(void (*)(void))bcrypt_parse, METH_VARARGS | METH_KEYWORDS, bcrypt_parse_doc},
        {NULL, NULL, 0, NULL},
    };
    return PyModule_AddFunctions(module, methods) < 0 ? -1 : fua_py_add_stored(module);
}
