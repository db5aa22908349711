/* TokenCodec.decode. */
#include "py/codec.h"

#include <stdbool.h>
#include <string.h>

#include "crypto/base64.h"

/* The exception of a refused token; `claim` names what FUA_ERR_CLAIM is about. */
static void raise_token(PyObject *self, fua_status status, fua_text claim) {
    fua_py_state *state = fua_py_state_of_instance(self);
    if (state == NULL) {
        return;
    }
    if (status == FUA_ERR_CLAIM) {
        PyObject *name = PyUnicode_DecodeUTF8(claim.data, (Py_ssize_t)claim.size, "replace");
        if (name != NULL) {
            PyErr_Format(state->token_claim_error, "the claim %R is missing or not acceptable", name);
            Py_DECREF(name);
        }
        return;
    }
    if (status == FUA_ERR_NOMEM) {
        PyErr_NoMemory();
        return;
    }
    PyObject *type = state->token_format_error;
    const char *message = fua_status_message(status);
    if (status == FUA_ERR_EXPIRED) {
        type = state->token_expired_error;
    } else if (status == FUA_ERR_EARLY) {
        type = state->token_claim_error;
    } else if (status == FUA_ERR_ALGORITHM || status == FUA_ERR_MISMATCH || status == FUA_ERR_UNSUPPORTED) {
        type = state->token_signature_error;
        message = status == FUA_ERR_MISMATCH      ? "the signature does not match"
                  : status == FUA_ERR_UNSUPPORTED ? "the token demands an extension (crit)"
                                                  : message;
    } else if (status == FUA_ERR_SYNTAX) {
        message = "not a strictly encoded token";
    }
    PyErr_SetString(type, message);
}

/* What the header says; of the codec's own headers this is known without reading them. */
static fua_status header_of(const fua_py_codec *codec, const fua_jws *parts, char scratch[FUA_JWS_HEADER_MAX],
                            fua_jws_header *header) {
    for (size_t i = 0; i < codec->key_count; i++) {
        const fua_py_codec_key *key = &codec->keys[i];
        if (fua_text_equal(parts->header, key->header_text)) {
            *header = (fua_jws_header){key->algorithm_text, key->kid_text, codec->typ_text, key->kid != NULL, true};
            return FUA_OK;
        }
    }
    fua_status status = fua_jws_read_header(parts->header, scratch, header);
    if (status != FUA_OK) {
        return status;
    }
    /* a token may leave out that it is a JWT, but not that it is something else (RFC 8725, 3.11) */
    fua_text typ = header->has_typ ? header->typ : fua_text_of("JWT");
    return fua_jws_same_type(typ, codec->typ_text) ? FUA_OK : FUA_ERR_ALGORITHM;
}

/* Whether a key may be tried: the algorithm is the key's, never the token's choice. */
static bool key_fits(const fua_py_codec_key *key, const fua_jws_header *header) {
    return fua_text_equal(key->algorithm_text, header->algorithm) &&
           (!header->has_kid || key->kid == NULL || fua_text_equal(key->kid_text, header->kid));
}

/* Asks a key's callable; *status is set unless -1 is returned with its exception. */
static int verify_by_call(const fua_py_codec_key *key, const fua_jws *parts, fua_status *status) {
    size_t size;
    PyObject *signature = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)fua_base64_room(parts->signature.size));
    if (signature == NULL) {
        return -1;
    }
    *status = fua_base64_decode(FUA_BASE64_URL, parts->signature.data, parts->signature.size,
                                PyBytes_AS_STRING(signature), &size);
    if (*status != FUA_OK) {
        Py_DECREF(signature);
        return 0;
    }
    if (_PyBytes_Resize(&signature, (Py_ssize_t)size) < 0) {
        return -1;
    }
    PyObject *answer = PyObject_CallFunction(key->verify, "Oy#", signature, parts->signed_part.data,
                                             (Py_ssize_t)parts->signed_part.size);
    Py_DECREF(signature);
    int valid = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    *status = valid == 1 ? FUA_OK : FUA_ERR_MISMATCH;
    return valid < 0 ? -1 : 0;
}

/* Tries the keys that fit; -1 with an exception of a callable. */
static int verify(const fua_py_codec *codec, const fua_jws *parts, const fua_jws_header *header, fua_status *status) {
    *status = FUA_ERR_ALGORITHM;
    for (size_t i = 0; i < codec->key_count && *status != FUA_OK; i++) {
        const fua_py_codec_key *key = &codec->keys[i];
        if (!key_fits(key, header)) {
            continue;
        }
        if (key->verify == NULL) {
            *status = fua_jws_verify(&key->hmac, parts);
        } else if (verify_by_call(key, parts, status) < 0) {
            return -1;
        }
    }
    return 0;
}

/* The claims of a token whose signature is good. */
static PyObject *read_claims(fua_py_codec *codec, fua_text payload, double now, fua_status *status, fua_text *claim) {
    char text_storage[1024];
    fua_json_node node_storage[512];
    const fua_allocator *al = fua_allocator_default();
    size_t size, count, room = fua_base64_room(payload.size) + 1, node_room = fua_json_nodes_max(room);
    bool heap = room > sizeof text_storage || node_room > sizeof node_storage / sizeof *node_storage;
    char *text = heap ? fua_alloc(al, room, 1) : text_storage;
    fua_json_node *nodes = heap ? fua_alloc(al, node_room, sizeof *nodes) : node_storage;
    PyObject *claims = NULL;
    *status = text == NULL || nodes == NULL
                  ? FUA_ERR_NOMEM
                  : fua_base64_decode(FUA_BASE64_URL, payload.data, payload.size, text, &size);
    if (*status == FUA_OK) {
        *status = fua_json_read(text, size, nodes, node_room, &count);
    }
    if (*status == FUA_OK) {
        *status = fua_claims_check(nodes, &codec->rules, now, claim);
    }
    if (*status == FUA_OK) {
        claims = fua_py_from_json(nodes, 0, &codec->names);
    } else if (*status == FUA_ERR_CLAIM) {
        raise_token((PyObject *)codec, *status, *claim); /* while the name is there */
    }
    if (heap) {
        fua_free(al, text);
        fua_free(al, nodes);
    }
    return claims;
}

/* The characters of a token; a text that no token can be stands for what has none. */
static int token_text(PyObject *value, fua_text *token) {
    if (PyUnicode_Check(value)) {
        bool ascii = PyUnicode_IS_COMPACT_ASCII(value);
        *token = (fua_text){ascii ? (const char *)PyUnicode_1BYTE_DATA(value) : "",
                            ascii ? (size_t)PyUnicode_GET_LENGTH(value) : 0};
        return 0;
    }
    if (PyBytes_Check(value)) {
        *token = (fua_text){PyBytes_AS_STRING(value), (size_t)PyBytes_GET_SIZE(value)};
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "decode(): argument 'token' must be str or bytes, not %.100s",
                 Py_TYPE(value)->tp_name);
    return -1;
}

PyObject *fua_py_codec_decode(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames) {
    static const char *const names[] = {"now", NULL};
    static const fua_text nothing = {NULL, 0};
    char scratch[FUA_JWS_HEADER_MAX];
    PyObject *values[1] = {NULL};
    const fua_py_codec *codec = fua_py_codec_ready(self);
    fua_jws parts;
    fua_jws_header header;
    fua_text token, claim = nothing;
    double now;
    if (codec == NULL || fua_py_read_arguments("decode", args, count, kwnames, names, values) < 0 ||
        token_text(args[0], &token) < 0 || fua_py_now_of(values[0], &now) < 0) {
        return NULL;
    }
    fua_status status = token.size > codec->max_size ? FUA_ERR_LIMIT : fua_jws_split(token, &parts);
    if (status == FUA_OK) {
        status = header_of(codec, &parts, scratch, &header);
    }
    if (status == FUA_OK && verify(codec, &parts, &header, &status) < 0) {
        return NULL;
    }
    PyObject *claims = NULL;
    if (status == FUA_OK) {
        claims = read_claims(fua_py_codec_of(self), parts.payload, now, &status, &claim);
    }
    if (claims == NULL && !PyErr_Occurred()) {
        raise_token(self, status, nothing);
    }
    return claims;
}
