/* Decisions already made, by the identity or text of the four strings of a request.
 *
 * The table is bounded and set-associative: a request can stand in two places, the newer answer takes the place
 * of the older.  An entry holds the request's own string objects and the engine generation its answer belongs to;
 * any change of the policy moves the generation on, which ends all entries at once without touching them.  Keys
 * are usually the very same objects as last time, so that four pointer comparisons decide; otherwise the texts
 * are compared.  CPython keeps the hash of a string in the string: nothing is hashed twice. */
#ifndef FUA_PY_DECISIONS_H
#define FUA_PY_DECISIONS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FUA_DECISION_FIELDS 4
#define FUA_DECISION_SLOTS 16384 /* 16,384 x 48 bytes, made when the first decision is kept */

typedef struct fua_py_decision {
    PyObject *fields[FUA_DECISION_FIELDS]; /* owned exact str; all NULL while unused */
    uint64_t generation;
    bool allowed;
} fua_py_decision;

static inline uint64_t fua_py_str_hash(PyObject *text) {
    Py_hash_t hash = ((PyASCIIObject *)text)->hash;
    return (uint64_t)(hash != -1 ? hash : PyObject_Hash(text)); /* cannot fail for an exact str */
}

static inline size_t fua_py_decision_home(PyObject *const *fields) {
    uint64_t hash = fua_py_str_hash(fields[0]);
    hash = hash * UINT64_C(0x9E3779B97F4A7C15) + fua_py_str_hash(fields[1]);
    hash = hash * UINT64_C(0x9E3779B97F4A7C15) + fua_py_str_hash(fields[2]);
    hash = hash * UINT64_C(0x9E3779B97F4A7C15) + fua_py_str_hash(fields[3]);
    hash *= UINT64_C(0xBF58476D1CE4E5B9);
    return (size_t)(hash >> 40) & (FUA_DECISION_SLOTS - 1);
}

static inline bool fua_py_same_text(PyObject *left, PyObject *right) {
    if (left == right) {
        return true;
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(left);
    return PyUnicode_GET_LENGTH(right) == length && PyUnicode_KIND(left) == PyUnicode_KIND(right) &&
           fua_py_str_hash(left) == fua_py_str_hash(right) &&
           memcmp(PyUnicode_DATA(left), PyUnicode_DATA(right), (size_t)length * (size_t)PyUnicode_KIND(left)) == 0;
}

static inline bool fua_py_decision_is(const fua_py_decision *entry, PyObject *const *fields, uint64_t generation) {
    return entry->generation == generation && entry->fields[0] != NULL &&
           fua_py_same_text(entry->fields[0], fields[0]) && fua_py_same_text(entry->fields[1], fields[1]) &&
           fua_py_same_text(entry->fields[2], fields[2]) && fua_py_same_text(entry->fields[3], fields[3]);
}

#endif
