/* TokenCodec: signed claims (RFC 7519) as a Python type.
 *
 * Nothing of a token becomes a Python object before its signature and its claims are found good.  Parsing and checks
 * are the C core's; signatures other than HMAC come from two callables that go with the key. */
#ifndef FUA_PY_CODEC_H
#define FUA_PY_CODEC_H

#include "py/json.h"
#include "py/state.h"
#include "token/claims.h"
#include "token/jws.h"

#define FUA_PY_REQUIRED_MAX 16

typedef struct fua_py_codec_key {
    PyObject *algorithm;   /* owned str */
    PyObject *kid;         /* owned str or NULL */
    PyObject *header;      /* owned bytes: the encoded header of tokens signed by it */
    PyObject *sign, *verify; /* owned callables; NULL for HMAC keys and, `sign` only, for public keys */
    fua_text algorithm_text, kid_text, header_text; /* borrowed from the above */
    fua_hmac_key hmac;     /* secret; unless verify is set */
} fua_py_codec_key;

typedef struct fua_py_codec {
    PyObject_HEAD
    fua_py_codec_key *keys; /* owned; the first one signs; NULL until initialised */
    size_t key_count;
    PyObject *audience, *issuer, *typ; /* owned str, the first two or NULL */
    PyObject *required;                /* owned tuple of str */
    fua_text required_texts[FUA_PY_REQUIRED_MAX]; /* borrowed from it */
    fua_claims_rules rules;            /* borrows from these */
    fua_text typ_text;
    size_t max_size; /* characters */
    fua_py_names names;
} fua_py_codec;

static inline fua_py_codec *fua_py_codec_of(PyObject *self) {
    return (fua_py_codec *)self;
}

/* The codec, or NULL with RuntimeError before __init__. */
const fua_py_codec *fua_py_codec_ready(PyObject *self);

/* A number of seconds within what claims may have; -1 with an exception that gives `name`. */
int fua_py_seconds_of(PyObject *value, const char *name, double *seconds);
/* The same for a point in time, or the clock for NULL and None. */
int fua_py_now_of(PyObject *value, double *now);
/* One positional argument and, by name, those in `names` (NULL ends it): their values, untouched where not given. */
int fua_py_read_arguments(const char *function, PyObject *const *args, Py_ssize_t count, PyObject *kwnames,
                          const char *const *names, PyObject **values);

/* The methods; METH_FASTCALL | METH_KEYWORDS. */
PyObject *fua_py_codec_decode(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames);
PyObject *fua_py_codec_encode(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames);

#endif
