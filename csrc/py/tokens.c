#include "py/codec.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/secret.h"
#include "crypto/base64.h"

#define KEYS_MAX 16
#define SIZE_LIMIT (1L << 20)

const fua_py_codec *fua_py_codec_ready(PyObject *self) {
    if (fua_py_codec_of(self)->keys == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "TokenCodec is not initialised");
        return NULL;
    }
    return fua_py_codec_of(self);
}

/* --- arguments ------------------------------------------------------------------------------------------------ */

static int text_of(PyObject *value, const char *name, fua_text *text) {
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "TokenCodec(): '%s' must be str, not %.100s", name, Py_TYPE(value)->tp_name);
        return -1;
    }
    Py_ssize_t size;
    text->data = PyUnicode_AsUTF8AndSize(value, &size);
    text->size = (size_t)size;
    return text->data == NULL ? -1 : 0;
}

int fua_py_seconds_of(PyObject *value, const char *name, double *seconds) {
    *seconds = PyFloat_AsDouble(value);
    if (*seconds == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    if (!fua_claims_is_time(*seconds)) {
        PyErr_Format(PyExc_ValueError, "'%s' must be a number of seconds from 0 to below 2**53", name);
        return -1;
    }
    return 0;
}

int fua_py_now_of(PyObject *value, double *now) {
    if (value != NULL && value != Py_None) {
        return fua_py_seconds_of(value, "now", now);
    }
    struct timespec time;
    if (timespec_get(&time, TIME_UTC) != TIME_UTC) {
        PyErr_SetString(PyExc_OSError, "the clock cannot be read");
        return -1;
    }
    *now = (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
    return 0;
}

int fua_py_read_arguments(const char *function, PyObject *const *args, Py_ssize_t count, PyObject *kwnames,
                          const char *const *names, PyObject **values) {
    if (count != 1) {
        PyErr_Format(PyExc_TypeError, "%s() takes 1 positional argument (%zd given)", function, count);
        return -1;
    }
    for (Py_ssize_t i = 0; kwnames != NULL && i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        size_t known = 0;
        while (names[known] != NULL && PyUnicode_CompareWithASCIIString(name, names[known]) != 0) {
            known++;
        }
        if (names[known] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() has no argument %R", function, name);
            return -1;
        }
        values[known] = args[count + i];
    }
    return 0;
}

/* --- construction --------------------------------------------------------------------------------------------- */

static void key_clear(fua_py_codec_key *key) {
    Py_CLEAR(key->algorithm);
    Py_CLEAR(key->kid);
    Py_CLEAR(key->header);
    Py_CLEAR(key->sign);
    Py_CLEAR(key->verify);
    fua_wipe(&key->hmac, sizeof key->hmac);
}

static void keys_free(fua_py_codec_key *keys, size_t count) {
    for (size_t i = 0; i < count; i++) {
        key_clear(&keys[i]);
    }
    fua_free(fua_allocator_default(), keys);
}

/* The header of tokens that a key signs, encoded: the same octets that PyJWT and python-jose write. */
static int make_header(fua_py_codec_key *key, PyObject *typ) {
    char storage[512];
    fua_buffer json;
    fua_buffer_init(&json, fua_allocator_default(), storage, sizeof storage);
    PyObject *members = PyDict_New();
    int failed = members == NULL || PyDict_SetItemString(members, "alg", key->algorithm) < 0 ||
                 (key->kid != NULL && PyDict_SetItemString(members, "kid", key->kid) < 0) ||
                 PyDict_SetItemString(members, "typ", typ) < 0 ||
                 fua_py_to_json(&json, members, 0) < 0;
    if (!failed && fua_base64_size(json.size) > FUA_JWS_HEADER_MAX) {
        PyErr_SetString(PyExc_ValueError, "TokenCodec(): 'kid' and 'typ' are too long");
        failed = 1;
    }
    if (!failed) {
        key->header = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)fua_base64_size(json.size));
        failed = key->header == NULL;
    }
    if (!failed) {
        (void)fua_base64_encode(FUA_BASE64_URL, json.data, json.size, PyBytes_AS_STRING(key->header));
        key->header_text = (fua_text){PyBytes_AS_STRING(key->header), (size_t)PyBytes_GET_SIZE(key->header)};
    }
    Py_XDECREF(members);
    fua_buffer_free(&json);
    return failed ? -1 : 0;
}

static int make_secret(fua_py_codec_key *key, PyObject *secret) {
    fua_sha_kind kind;
    if (!fua_jws_hmac(key->algorithm_text, &kind)) {
        PyErr_Format(PyExc_ValueError, "TokenCodec(): %R is not an HMAC algorithm (HS256, HS384, HS512)",
                     key->algorithm);
        return -1;
    }
    if (!PyBytes_Check(secret)) {
        PyErr_Format(PyExc_TypeError, "TokenCodec(): a secret must be bytes, not %.100s", Py_TYPE(secret)->tp_name);
        return -1;
    }
    if (PyBytes_GET_SIZE(secret) == 0) {
        PyErr_SetString(PyExc_ValueError, "TokenCodec(): a secret must not be empty");
        return -1;
    }
    fua_hmac_key_init(&key->hmac, fua_sha_of(kind, fua_cpu_detect()), PyBytes_AS_STRING(secret),
                      (size_t)PyBytes_GET_SIZE(secret));
    return 0;
}

/* (algorithm, kid or None, secret), or (algorithm, kid or None, sign or None, verify); the key owns what it has. */
static int make_key(fua_py_codec_key *key, PyObject *item, PyObject *typ) {
    fua_sha_kind kind;
    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) < 3 || PyTuple_GET_SIZE(item) > 4) {
        PyErr_SetString(PyExc_TypeError, "TokenCodec(): keys must be tuples of 3 or 4");
        return -1;
    }
    PyObject *kid = PyTuple_GET_ITEM(item, 1), *third = PyTuple_GET_ITEM(item, 2);
    if (text_of(PyTuple_GET_ITEM(item, 0), "algorithm", &key->algorithm_text) < 0) {
        return -1;
    }
    key->algorithm = Py_NewRef(PyTuple_GET_ITEM(item, 0));
    if (kid != Py_None) {
        if (text_of(kid, "kid", &key->kid_text) < 0) {
            return -1;
        }
        key->kid = Py_NewRef(kid);
    }
    if (PyTuple_GET_SIZE(item) == 3) {
        return make_secret(key, third) < 0 ? -1 : make_header(key, typ);
    }
    if (fua_jws_hmac(key->algorithm_text, &kind) || key->algorithm_text.size != 5) {
        /* as all of RFC 7518 and RFC 8037 but "none", which is no signature */
        PyErr_Format(PyExc_ValueError, "TokenCodec(): %R is not an algorithm with a key pair", key->algorithm);
        return -1;
    }
    PyObject *verify = PyTuple_GET_ITEM(item, 3);
    if (!PyCallable_Check(verify) || (third != Py_None && !PyCallable_Check(third))) {
        PyErr_SetString(PyExc_TypeError, "TokenCodec(): 'sign' and 'verify' must be callable");
        return -1;
    }
    key->sign = third == Py_None ? NULL : Py_NewRef(third);
    key->verify = Py_NewRef(verify);
    return make_header(key, typ);
}

static int make_keys(fua_py_codec *codec, PyObject *items) {
    PyObject *list = PySequence_Tuple(items);
    if (list == NULL) {
        return -1;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(list);
    if (count == 0 || count > KEYS_MAX) {
        PyErr_Format(PyExc_ValueError, "TokenCodec(): there must be 1 to %d keys, not %zd", KEYS_MAX, count);
        Py_DECREF(list);
        return -1;
    }
    fua_py_codec_key *keys = fua_calloc(fua_allocator_default(), (size_t)count, sizeof *keys);
    int failed = keys == NULL ? -1 : 0;
    if (failed < 0) {
        PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; failed == 0 && i < count; i++) {
        failed = make_key(&keys[i], PyTuple_GET_ITEM(list, i), codec->typ);
    }
    Py_DECREF(list);
    if (failed < 0) {
        if (keys != NULL) {
            keys_free(keys, (size_t)count);
        }
        return -1;
    }
    codec->keys = keys;
    codec->key_count = (size_t)count;
    return 0;
}

static int make_rules(fua_py_codec *codec, PyObject *required, double leeway) {
    if (PyUnicode_Check(required)) {
        PyErr_SetString(PyExc_TypeError, "TokenCodec(): 'required' must hold names, not be a str");
        return -1;
    }
    Py_XSETREF(codec->required, PySequence_Tuple(required));
    if (codec->required == NULL) {
        return -1;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(codec->required);
    if (count > FUA_PY_REQUIRED_MAX) {
        PyErr_Format(PyExc_ValueError, "TokenCodec(): at most %d claims can be required", FUA_PY_REQUIRED_MAX);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (text_of(PyTuple_GET_ITEM(codec->required, i), "required", &codec->required_texts[i]) < 0) {
            return -1;
        }
    }
    codec->rules = (fua_claims_rules){{NULL, 0}, {NULL, 0}, codec->required_texts, (size_t)count, leeway};
    if (codec->audience != NULL && text_of(codec->audience, "audience", &codec->rules.audience) < 0) {
        return -1;
    }
    return codec->issuer != NULL && text_of(codec->issuer, "issuer", &codec->rules.issuer) < 0 ? -1 : 0;
}

static PyObject *owned_or_null(PyObject *value) {
    return value == NULL || value == Py_None ? NULL : Py_NewRef(value);
}

static int codec_init(PyObject *self, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"keys", "audience", "issuer", "typ", "required", "leeway", "max_size", NULL};
    fua_py_codec *codec = fua_py_codec_of(self);
    PyObject *keys, *audience = NULL, *issuer = NULL, *typ = NULL, *required = NULL, *leeway = NULL;
    long max_size = 8192;
    double seconds = 0;
    if (codec->keys != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "TokenCodec is initialised already");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OOOOOl:TokenCodec", keywords, &keys, &audience, &issuer, &typ,
                                     &required, &leeway, &max_size)) {
        return -1;
    }
    if (max_size < 1 || max_size > SIZE_LIMIT) {
        PyErr_Format(PyExc_ValueError, "TokenCodec(): 'max_size' must be from 1 to %ld", SIZE_LIMIT);
        return -1;
    }
    if (leeway != NULL && fua_py_seconds_of(leeway, "leeway", &seconds) < 0) {
        return -1;
    }
    codec->max_size = (size_t)max_size;
    Py_XSETREF(codec->audience, owned_or_null(audience));
    Py_XSETREF(codec->issuer, owned_or_null(issuer));
    Py_XSETREF(codec->typ, typ == NULL ? PyUnicode_FromString("JWT") : Py_NewRef(typ));
    if (codec->typ == NULL || text_of(codec->typ, "typ", &codec->typ_text) < 0) {
        return -1;
    }
    required = required == NULL ? PyTuple_New(0) : Py_NewRef(required);
    int failed = required == NULL ? -1 : make_rules(codec, required, seconds);
    Py_XDECREF(required);
    return failed < 0 ? -1 : make_keys(codec, keys);
}

static int codec_traverse(PyObject *self, visitproc visit, void *arg) {
    fua_py_codec *codec = fua_py_codec_of(self);
    Py_VISIT(Py_TYPE(self));
    for (size_t i = 0; i < codec->key_count; i++) {
        Py_VISIT(codec->keys[i].sign);
        Py_VISIT(codec->keys[i].verify);
    }
    Py_VISIT(codec->required);
    return 0;
}

/* Only the callables can lead back to the codec; without them its keys verify nothing. */
static int codec_clear(PyObject *self) {
    fua_py_codec *codec = fua_py_codec_of(self);
    fua_py_codec_key *keys = codec->keys;
    size_t count = codec->key_count;
    codec->keys = NULL;
    codec->key_count = 0;
    if (keys != NULL) {
        keys_free(keys, count);
    }
    return 0;
}

static void codec_dealloc(PyObject *self) {
    fua_py_codec *codec = fua_py_codec_of(self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)codec_clear(self);
    Py_CLEAR(codec->audience);
    Py_CLEAR(codec->issuer);
    Py_CLEAR(codec->typ);
    Py_CLEAR(codec->required);
    fua_py_names_clear(&codec->names);
    type->tp_free(self);
    Py_DECREF(type);
}

/* --- the type ------------------------------------------------------------------------------------------------- */

#define FAST(function) ((PyCFunction)(void (*)(void))(function))
#define SLOT(function) ((void *)(uintptr_t)(function))

PyDoc_STRVAR(decode_doc,
             "decode($self, token, /, *, now=None)\n--\n\n"
             "The claims of a token (str or bytes) as a dict, once its signature and they themselves are found good.\n\n"
             "`now` is the time to judge them by, in seconds since the epoch; default is the clock.\n"
             "Raises TokenFormatError, TokenSignatureError, TokenClaimError or TokenExpiredError, all TokenErrors.");

PyDoc_STRVAR(encode_doc,
             "encode($self, claims, /, *, lifetime=None, now=None)\n--\n\n"
             "A token (str) with these claims (a dict), signed by the first key.\n\n"
             "With `lifetime`, in seconds, `iat` and `exp` are written, counted from `now` (default: the clock); so are\n"
             "the codec's audience and issuer. They take the place of what the claims say.\n"
             "Raises ValueError for what decode() would refuse, TypeError for values that JSON does not have.");

static PyMethodDef codec_methods[] = {
    {"decode", FAST(fua_py_codec_decode), METH_FASTCALL | METH_KEYWORDS, decode_doc},
    {"encode", FAST(fua_py_codec_encode), METH_FASTCALL | METH_KEYWORDS, encode_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(codec_doc,
             "TokenCodec(keys, *, audience=None, issuer=None, typ='JWT', required=(), leeway=0, max_size=8192)\n"
             "--\n\n"
             "Writes and reads signed claims (RFC 7519). Base of fastapi_user_auth_c.tokens.TokenCodec.\n\n"
             "keys holds (algorithm, kid or None, secret) for HMAC, and (algorithm, kid or None, sign or None, verify)\n"
             "with callables sign(data) -> bytes and verify(signature, data) -> bool for others. The first one signs.\n"
             "audience, issuer, typ and the claims in required are what a token has to have, leeway is for exp and nbf in\n"
             "seconds, max_size the longest token in characters. ValueError for what is out of range.");

static PyType_Slot codec_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t)codec_doc},
    {Py_tp_new, SLOT(PyType_GenericNew)},
    {Py_tp_init, SLOT(codec_init)},
    {Py_tp_dealloc, SLOT(codec_dealloc)},
    {Py_tp_traverse, SLOT(codec_traverse)},
    {Py_tp_clear, SLOT(codec_clear)},
    {Py_tp_methods, codec_methods},
    {0, NULL},
};

static PyType_Spec codec_spec = {
    .name = "fastapi_user_auth_c._core.TokenCodec",
    .basicsize = sizeof(fua_py_codec),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = codec_slots,
};

int fua_py_add_tokens(PyObject *module) {
    fua_py_state *state = fua_py_state_of(module);
    state->codec_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &codec_spec, NULL);
    return state->codec_type == NULL ? -1 : PyModule_AddType(module, state->codec_type);
}
