/* TokenCodec.encode. */
#include "py/codec.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "crypto/base64.h"

/* All registered names have three characters, and so have both of these. */
static bool is_name(PyObject *name, const char *other) {
    if (PyUnicode_IS_COMPACT_ASCII(name)) {
        return memcmp(PyUnicode_1BYTE_DATA(name), other, 3) == 0;
    }
    return PyUnicode_CompareWithASCIIString(name, other) == 0; /* an instance of a subclass */
}

static int refuse_claim(PyObject *name, const char *wanted) {
    PyErr_Format(PyExc_ValueError, "encode(): the claim %R must be %s", name, wanted);
    return -1;
}

/* What decode() would refuse is not written either. */
static int check_claim(PyObject *name, PyObject *value) {
    if (!PyUnicode_Check(name) || PyUnicode_GET_LENGTH(name) != 3) {
        return 0; /* its type is looked at when it is written */
    }
    if (is_name(name, "exp") || is_name(name, "nbf") || is_name(name, "iat")) {
        int overflow = 0;
        double seconds;
        if (PyLong_Check(value) && !PyBool_Check(value)) {
            seconds = (double)PyLong_AsLongLongAndOverflow(value, &overflow);
        } else if (PyFloat_Check(value)) {
            seconds = PyFloat_AS_DOUBLE(value);
        } else {
            return refuse_claim(name, "a number of seconds since the epoch");
        }
        return overflow == 0 && fua_claims_is_time(seconds) ? 0 : refuse_claim(name, "from 0 to below 2**53 seconds");
    }
    if (is_name(name, "iss") || is_name(name, "sub") || is_name(name, "jti")) {
        return PyUnicode_Check(value) ? 0 : refuse_claim(name, "str");
    }
    if (is_name(name, "aud") && !PyUnicode_Check(value)) {
        if (!PyList_Check(value) && !PyTuple_Check(value)) {
            return refuse_claim(name, "str or a list of str");
        }
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(value); i++) {
            if (!PyUnicode_Check(PySequence_Fast_GET_ITEM(value, i))) {
                return refuse_claim(name, "str or a list of str");
            }
        }
    }
    return 0;
}

/* Claims that the codec writes itself, in place of what it was given: NULL where it does not. */
typedef struct own_claims {
    PyObject *aud, *iss; /* borrowed */
    PyObject *iat, *exp; /* owned */
} own_claims;

static PyObject *own_claim(const own_claims *own, PyObject *name) {
    if (!PyUnicode_Check(name) || PyUnicode_GET_LENGTH(name) != 3) {
        return NULL;
    }
    return is_name(name, "exp")   ? own->exp
           : is_name(name, "iat") ? own->iat
           : is_name(name, "aud") ? own->aud
           : is_name(name, "iss") ? own->iss
                                  : NULL;
}

static int own_claims_make(const fua_py_codec *codec, PyObject *lifetime, PyObject *now_arg, own_claims *own) {
    double now, seconds;
    *own = (own_claims){codec->audience, codec->issuer, NULL, NULL};
    if (lifetime == NULL || lifetime == Py_None) {
        return 0;
    }
    if (fua_py_now_of(now_arg, &now) < 0 || fua_py_seconds_of(lifetime, "lifetime", &seconds) < 0) {
        return -1;
    }
    if (!(seconds > 0) || !fua_claims_is_time(now + seconds)) {
        PyErr_SetString(PyExc_ValueError, "'lifetime' must be more than 0 seconds, and end before 2**53");
        return -1;
    }
    /* whole seconds: of the time that has begun, and not longer than the life that was asked for */
    own->iat = PyLong_FromDouble(floor(now));
    own->exp = PyLong_FromDouble(floor(now + seconds));
    if (own->iat == NULL || own->exp == NULL) {
        Py_CLEAR(own->iat);
        Py_CLEAR(own->exp);
        return -1;
    }
    return 0;
}

static int write_own(fua_buffer *json, const char *name, PyObject *value) {
    PyObject *key = value == NULL ? NULL : PyUnicode_FromString(name);
    int failed = value != NULL && (key == NULL || fua_py_member_to_json(json, key, value, 1) < 0);
    Py_XDECREF(key);
    return failed ? -1 : 0;
}

/* The claims as JSON, with those that the codec adds. */
static int write_claims(const fua_py_codec *codec, PyObject *claims, const own_claims *own, fua_buffer *json) {
    Py_ssize_t position = 0;
    PyObject *name, *value;
    if (PyDict_GET_SIZE(claims) > FUA_JSON_MEMBERS_MAX - 4) {
        PyErr_SetString(PyExc_ValueError, "encode(): there are too many claims");
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(codec->required); i++) {
        name = PyTuple_GET_ITEM(codec->required, i);
        int found = own_claim(own, name) != NULL ? 1 : PyDict_Contains(claims, name);
        if (found <= 0) {
            return found < 0 ? -1 : refuse_claim(name, "given: decode() requires it");
        }
    }
    if (fua_buffer_add(json, "{", 1) != FUA_OK) { /* the storage has room */
        PyErr_NoMemory();
        return -1;
    }
    bool adds = own->aud != NULL || own->iss != NULL || own->iat != NULL;
    while (PyDict_Next(claims, &position, &name, &value)) {
        if ((!adds || own_claim(own, name) == NULL) &&
            (check_claim(name, value) < 0 || fua_py_member_to_json(json, name, value, 1) < 0)) {
            return -1;
        }
    }
    if (write_own(json, "aud", own->aud) < 0 || write_own(json, "iss", own->iss) < 0 ||
        write_own(json, "iat", own->iat) < 0 || write_own(json, "exp", own->exp) < 0) {
        return -1;
    }
    if (fua_buffer_add(json, "}", 1) != FUA_OK) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

/* Header, dot and payload at the beginning of a str of `size` characters in all; new reference. */
static PyObject *unsigned_token(const fua_py_codec_key *key, const fua_buffer *json, size_t size) {
    PyObject *token = PyUnicode_New((Py_ssize_t)size, 127);
    if (token != NULL) {
        char *at = (char *)PyUnicode_1BYTE_DATA(token);
        memcpy(at, key->header_text.data, key->header_text.size);
        at += key->header_text.size;
        *at++ = '.';
        (void)fua_base64_encode(FUA_BASE64_URL, json->data, json->size, at);
    }
    return token;
}

/* The signature by a key's callable, as bytes; new reference. */
static PyObject *sign_by_call(const fua_py_codec_key *key, PyObject *to_sign) {
    if (key->sign == NULL) {
        PyErr_SetString(PyExc_ValueError, "encode(): the codec has only a public key, which cannot sign");
        return NULL;
    }
    PyObject *signature = PyObject_CallFunction(key->sign, "y#", (const char *)PyUnicode_1BYTE_DATA(to_sign),
                                                (Py_ssize_t)PyUnicode_GET_LENGTH(to_sign));
    if (signature != NULL && (!PyBytes_Check(signature) || PyBytes_GET_SIZE(signature) == 0)) {
        PyErr_SetString(PyExc_TypeError, "encode(): the signing function must return bytes");
        Py_CLEAR(signature);
    }
    return signature;
}

static PyObject *signed_token(const fua_py_codec *codec, const fua_buffer *json) {
    const fua_py_codec_key *key = &codec->keys[0];
    size_t size = key->header_text.size + 1 + fua_base64_size(json->size);
    PyObject *token, *signature = NULL;
    if (key->verify == NULL) {
        size_t total = size + fua_jws_signature_size(&key->hmac);
        token = total > codec->max_size ? NULL : unsigned_token(key, json, total);
        if (token != NULL) {
            fua_jws_sign(&key->hmac, (char *)PyUnicode_1BYTE_DATA(token), size);
            return token;
        }
    } else {
        PyObject *to_sign = size > codec->max_size ? NULL : unsigned_token(key, json, size);
        signature = to_sign == NULL ? NULL : sign_by_call(key, to_sign);
        Py_XDECREF(to_sign);
        size_t more = signature == NULL ? 0 : 1 + fua_base64_size((size_t)PyBytes_GET_SIZE(signature));
        token = signature == NULL || size + more > codec->max_size ? NULL : unsigned_token(key, json, size + more);
        if (token != NULL) {
            char *end = (char *)PyUnicode_1BYTE_DATA(token) + size;
            *end = '.';
            (void)fua_base64_encode(FUA_BASE64_URL, PyBytes_AS_STRING(signature),
                                    (size_t)PyBytes_GET_SIZE(signature), end + 1);
        }
        Py_XDECREF(signature);
    }
    if (token == NULL && !PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, "encode(): the token would be longer than %zu characters", codec->max_size);
    }
    return token;
}

PyObject *fua_py_codec_encode(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames) {
    static const char *const names[] = {"lifetime", "now", NULL};
    char storage[1024];
    PyObject *values[2] = {NULL, NULL}, *token = NULL;
    const fua_py_codec *codec = fua_py_codec_ready(self);
    own_claims own;
    fua_buffer json;
    if (codec == NULL || fua_py_read_arguments("encode", args, count, kwnames, names, values) < 0) {
        return NULL;
    }
    if (!PyDict_Check(args[0])) {
        return PyErr_Format(PyExc_TypeError, "encode(): argument 'claims' must be a dict, not %.100s",
                            Py_TYPE(args[0])->tp_name);
    }
    if (own_claims_make(codec, values[0], values[1], &own) < 0) {
        return NULL;
    }
    fua_buffer_init(&json, fua_allocator_default(), storage, sizeof storage);
    if (write_claims(codec, args[0], &own, &json) == 0) {
        token = signed_token(codec, &json);
    }
    fua_buffer_free(&json);
    Py_XDECREF(own.iat);
    Py_XDECREF(own.exp);
    return token;
}
