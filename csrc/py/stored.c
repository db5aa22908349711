#include "py/passwords.h"

#include <stdbool.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/stored.h"
#include "py/state.h"

/* A password, copied: without the GIL nothing keeps the caller's object alive, and only this copy can be wiped. */
typedef struct password_copy {
    uint8_t *bytes; /* owned */
    size_t size;
} password_copy;

static int copy_password(PyObject *value, const char *function, password_copy *copy) {
    if (!PyBytes_Check(value)) {
        fua_py_refuse_type(function, "password", "bytes", value);
        return -1;
    }
    copy->size = (size_t)PyBytes_GET_SIZE(value);
    copy->bytes = fua_alloc(fua_allocator_default(), copy->size, 1);
    if (copy->bytes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(copy->bytes, PyBytes_AS_STRING(value), copy->size);
    return 0;
}

static void free_password(password_copy *copy) {
    fua_wipe(copy->bytes, copy->size);
    fua_free(fua_allocator_default(), copy->bytes);
}

/* 1 and *stored, 0 when the text is no known hash, -1 with an exception. */
static int parse(PyObject *value, const char *function, fua_stored *stored) {
    fua_text text;
    int found = fua_py_hash_text(value, function, &text);
    return found <= 0 ? found : fua_stored_parse(text.data, text.size, stored) == FUA_OK;
}

PyDoc_STRVAR(password_verify_doc,
             "password_verify(password, hashed)\n--\n\n"
             "Whether password (bytes) belongs to the stored hash (str or bytes) of any scheme.\n\n"
             "A password with a NUL never matches. The GIL is released meanwhile. Raises ValueError when hashed is of no\n"
             "known form, MemoryError when there is less memory than an Argon2 hash demands.");

static PyObject *password_verify(PyObject *module, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"password", "hashed", NULL};
    PyObject *password_arg, *hashed_arg;
    fua_stored stored;
    password_copy password;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:password_verify", keywords, &password_arg, &hashed_arg)) {
        return NULL;
    }
    int parsed = parse(hashed_arg, "password_verify", &stored);
    if (parsed == 0) {
        /* The text itself stays out of the message: it may be a password somebody stored as it was. */
        PyErr_SetString(PyExc_ValueError, "password_verify(): argument 'hashed' is of no known form");
    }
    if (parsed <= 0 || copy_password(password_arg, "password_verify", &password) < 0) {
        return NULL;
    }
    fua_status status;
    Py_BEGIN_ALLOW_THREADS
    status = fua_stored_verify(fua_allocator_default(), fua_cpu_detect(), &stored, password.bytes, password.size);
    Py_END_ALLOW_THREADS
    free_password(&password);
    fua_wipe(&stored, sizeof stored);
    if (status == FUA_OK) {
        Py_RETURN_TRUE;
    }
    if (status == FUA_ERR_MISMATCH) {
        Py_RETURN_FALSE;
    }
    fua_py_raise(status);
    return NULL;
}

static const char *const pbkdf2_names[] = {
    [FUA_SHA256] = "pbkdf2_sha256", [FUA_SHA384] = NULL, [FUA_SHA512] = "pbkdf2_sha512", [FUA_SHA1] = "pbkdf2_sha1"};

PyDoc_STRVAR(password_parse_doc,
             "password_parse(hashed)\n--\n\n"
             "What the stored hash in hashed (str or bytes) is, or None if it is of no known form: the name of its\n"
             "scheme, its costs by name, and whether it is spelled as password_hash() would.");

static PyObject *password_parse(PyObject *module, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"hashed", NULL};
    static const char *const argon2_names[] = {
        [FUA_ARGON2_D] = "argon2d", [FUA_ARGON2_I] = "argon2i", [FUA_ARGON2_ID] = "argon2id"};
    PyObject *hashed_arg, *result = NULL;
    fua_stored stored;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:password_parse", keywords, &hashed_arg)) {
        return NULL;
    }
    int parsed = parse(hashed_arg, "password_parse", &stored);
    if (parsed <= 0) {
        return parsed < 0 ? NULL : Py_NewRef(Py_None);
    }
    PyObject *own = stored.foreign ? Py_False : Py_True;
    switch (stored.scheme) {
    case FUA_STORED_BCRYPT:
        result = Py_BuildValue("(s{sI}O)", "bcrypt", "rounds", stored.bcrypt.cost, own);
        break;
    case FUA_STORED_BCRYPT_SHA256:
        result = Py_BuildValue("(s{sI}O)", "bcrypt_sha256", "rounds", stored.bcrypt.cost, own);
        break;
    case FUA_STORED_PBKDF2:
        result = Py_BuildValue("(s{sI}O)", pbkdf2_names[stored.hash], "rounds", stored.rounds, own);
        break;
    case FUA_STORED_ARGON2:
        result = Py_BuildValue("(s{sIsIsIsI}O)", argon2_names[stored.argon2.type], "memory", stored.argon2.memory,
                               "passes", stored.argon2.passes, "lanes", stored.argon2.lanes, "version",
                               stored.argon2.version, own);
        break;
    }
    fua_wipe(&stored, sizeof stored);
    return result;
}

static bool find_pbkdf2(const char *name, fua_sha_kind *kind) {
    for (unsigned i = 0; i < sizeof pbkdf2_names / sizeof *pbkdf2_names; i++) {
        if (pbkdf2_names[i] != NULL && strcmp(name, pbkdf2_names[i]) == 0) {
            *kind = (fua_sha_kind)i;
            return true;
        }
    }
    return false;
}

/* The scheme of a name, and its cost from the arguments; -1 with ValueError for an unknown one. */
static int read_scheme(const char *name, unsigned rounds, const fua_argon2_cost *cost, fua_stored *stored) {
    stored->rounds = rounds;
    if (strcmp(name, "argon2id") == 0) {
        stored->scheme = FUA_STORED_ARGON2;
        stored->argon2 = *cost;
    } else if (find_pbkdf2(name, &stored->hash)) {
        stored->scheme = FUA_STORED_PBKDF2;
    } else if (strcmp(name, "bcrypt") == 0 || strcmp(name, "bcrypt_sha256") == 0) {
        stored->scheme = strcmp(name, "bcrypt") == 0 ? FUA_STORED_BCRYPT : FUA_STORED_BCRYPT_SHA256;
        stored->bcrypt.cost = rounds;
        if (stored->salt_size != FUA_BCRYPT_SALT_SIZE) {
            PyErr_Format(PyExc_ValueError, "password_hash(): the salt of %s must be %d bytes", name,
                         FUA_BCRYPT_SALT_SIZE);
            return -1;
        }
        memcpy(stored->bcrypt.salt, stored->salt, FUA_BCRYPT_SALT_SIZE);
    } else {
        PyErr_Format(PyExc_ValueError, "password_hash(): unknown scheme '%.100s'", name);
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(password_hash_doc,
             "password_hash(scheme, password, salt, *, rounds=0, memory=0, passes=0, lanes=0)\n--\n\n"
             "The hash of password (bytes) with salt (bytes), as text.\n\n"
             "scheme is 'argon2id', with memory in KiB, passes and lanes; 'bcrypt' or 'bcrypt_sha256', with rounds as a\n"
             "base-2 logarithm and a salt of 16 bytes; 'pbkdf2_sha256', 'pbkdf2_sha512' or 'pbkdf2_sha1', with\n"
             "rounds. The GIL is released meanwhile. Raises ValueError for a NUL in the password, an unknown scheme, or\n"
             "a cost or salt out of range.");

static PyObject *password_hash(PyObject *module, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"scheme", "password", "salt", "rounds", "memory", "passes", "lanes", NULL};
    const char *scheme, *salt;
    Py_ssize_t salt_size;
    PyObject *password_arg;
    unsigned long long rounds = 0, memory = 0, passes = 0, lanes = 0;
    fua_stored stored;
    password_copy password;
    char text[FUA_STORED_TEXT_MAX + 1];
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sOy#|$KKKK:password_hash", keywords, &scheme, &password_arg, &salt,
                                     &salt_size, &rounds, &memory, &passes, &lanes)) {
        return NULL;
    }
    if (salt_size > FUA_STORED_SALT_MAX || (rounds | memory | passes | lanes) > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "password_hash(): a cost or the salt is out of range");
        return NULL;
    }
    memset(&stored, 0, sizeof stored);
    memcpy(stored.salt, salt, (size_t)salt_size);
    stored.salt_size = (size_t)salt_size;
    fua_argon2_cost cost = {FUA_ARGON2_ID, 0x13, (uint32_t)memory, (uint32_t)passes, (uint32_t)lanes};
    if (read_scheme(scheme, (unsigned)rounds, &cost, &stored) < 0 ||
        copy_password(password_arg, "password_hash", &password) < 0) {
        return NULL;
    }
    fua_status status;
    Py_BEGIN_ALLOW_THREADS
    status = fua_stored_hash(fua_allocator_default(), fua_cpu_detect(), &stored, password.bytes, password.size, text);
    Py_END_ALLOW_THREADS
    free_password(&password);
    fua_wipe(&stored, sizeof stored);
    if (status == FUA_ERR_ARG) {
        PyErr_SetString(PyExc_ValueError, "password_hash(): a cost or the salt is out of range, or there is a NUL");
        return NULL;
    }
    if (status != FUA_OK) {
        fua_py_raise(status);
        return NULL;
    }
    return PyUnicode_FromString(text);
}

int fua_py_add_stored(PyObject *module) {
    static PyMethodDef methods[] = {
        {"password_hash", (PyCFunction)(void (*)(void))password_hash, METH_VARARGS | METH_KEYWORDS, password_hash_doc},
        {"password_verify", (PyCFunction)(void (*)(void))password_verify, METH_VARARGS | METH_KEYWORDS,
         password_verify_doc},
        {"password_parse", (PyCFunction)(void (*)(void))password_parse, METH_VARARGS | METH_KEYWORDS,
         password_parse_doc},
        {NULL, NULL, 0, NULL},
    };
    return PyModule_AddFunctions(module, methods);
}
