/* Decisions already made, by the identity or text of the four strings of a request.
 *
 * A hash table with linear probing, never more than half full.  An entry holds the request's own string objects and
 * the engine generation its answer belongs to; any change of the policy moves the generation on, which ends all
 * entries at once without touching them, and their places are used again.  Keys are usually the very same objects as
 * last time, so that four pointer comparisons decide; otherwise the texts are compared.  CPython keeps the hash of a
 * string in the string: nothing is hashed twice.  An entry is one cache line; a byte of each hash stands apart, so that
 * a request that was never asked need not wait for the entry that it is not.
 *
 * The table grows with use up to FUA_DECISIONS_MAX entries and is then begun anew; long strings are not kept. */
#ifndef FUA_PY_DECISIONS_H
#define FUA_PY_DECISIONS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/prefetch.h"

#define FUA_DECISION_FIELDS 4
#define FUA_DECISION_LINE 64        /* bytes of an entry, and their alignment */
#define FUA_DECISIONS_MAX 65536     /* entries: 8 MiB of slots */
#define FUA_DECISION_MAX_TEXT 1024  /* characters of a request that is kept */

typedef struct fua_py_decision {
    PyObject *fields[FUA_DECISION_FIELDS]; /* owned exact str; all NULL while never used */
    uint64_t hash;
    uint64_t generation;
    bool allowed;
} fua_py_decision;

typedef union fua_py_decision_slot {
    fua_py_decision entry;
    char line[FUA_DECISION_LINE];
} fua_py_decision_slot;

typedef struct fua_py_decisions {
    fua_py_decision_slot *slots; /* within memory, aligned; NULL until the first decision is kept */
    uint8_t *tags;               /* within memory: a byte of each entry's hash, 0 where there never was one */
    void *memory;                /* owned */
    size_t mask;                 /* slots - 1; a power of two less one */
    size_t used;                 /* slots that were ever used, ended entries included */
} fua_py_decisions;

static inline uint64_t fua_py_str_hash(PyObject *text) {
    Py_hash_t hash = ((PyASCIIObject *)text)->hash;
    return (uint64_t)(hash != -1 ? hash : PyObject_Hash(text)); /* cannot fail for an exact str */
}

/* Four multiplications that do not wait for each other; the hashes of strings are keyed and mixed already. */
static inline uint64_t fua_py_decision_hash(PyObject *const *fields) {
    uint64_t hash = fua_py_str_hash(fields[0]) * UINT64_C(0x9E3779B97F4A7C15) +
                    fua_py_str_hash(fields[1]) * UINT64_C(0xBF58476D1CE4E5B9) +
                    fua_py_str_hash(fields[2]) * UINT64_C(0x94D049BB133111EB) +
                    fua_py_str_hash(fields[3]) * UINT64_C(0xD6E8FEB86659FD93);
    return hash ^ (hash >> 32);
}

static inline bool fua_py_same_text(PyObject *left, PyObject *right) {
    if (left == right) {
        return true;
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(left);
    return PyUnicode_GET_LENGTH(right) == length && PyUnicode_KIND(left) == PyUnicode_KIND(right) &&
           memcmp(PyUnicode_DATA(left), PyUnicode_DATA(right), (size_t)length * (size_t)PyUnicode_KIND(left)) == 0;
}

static inline uint8_t fua_py_decision_tag(uint64_t hash) {
    return (uint8_t)((hash >> 56) | 1);
}

/* The kept decision for four exact str of this hash; NULL when there is none of this generation. */
static inline const fua_py_decision *fua_py_decisions_find(const fua_py_decisions *decisions, PyObject *const *fields,
                                                           uint64_t hash, uint64_t generation) {
    if (decisions->slots == NULL) {
        return NULL;
    }
    size_t at = (size_t)hash & decisions->mask;
    FUA_PREFETCH(&decisions->slots[at]); /* a new decision will most likely be kept there */
    for (; decisions->tags[at] != 0; at = (at + 1) & decisions->mask) {
        const fua_py_decision *entry = &decisions->slots[at].entry;
        if (decisions->tags[at] == fua_py_decision_tag(hash) && entry->hash == hash &&
            entry->generation == generation && fua_py_same_text(entry->fields[0], fields[0]) &&
            fua_py_same_text(entry->fields[1], fields[1]) && fua_py_same_text(entry->fields[2], fields[2]) &&
            fua_py_same_text(entry->fields[3], fields[3])) {
            return entry;
        }
    }
    return NULL;
}

/* Keeps a decision that fua_py_decisions_find did not find; without memory it is not kept, which is only slower. */
void fua_py_decisions_keep(fua_py_decisions *decisions, PyObject *const *fields, uint64_t hash, uint64_t generation,
                           bool allowed);
void fua_py_decisions_free(fua_py_decisions *decisions);

#endif
