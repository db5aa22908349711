/* JSON (RFC 8259), bounded and strict: what two readers might understand differently is refused.
 *
 * The reader takes no memory: it writes a flat list of nodes into an array of the caller's and unescapes strings where
 * they stand.  A value's node is followed by those of its members or elements, in order; a member is the node of its
 * name and then its value.  `next` leads past all of it. */
#ifndef FUA_DATA_JSON_H
#define FUA_DATA_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/status.h"
#include "base/text.h"

#define FUA_JSON_DEPTH_MAX 32     /* arrays and objects within each other */
#define FUA_JSON_MEMBERS_MAX 1024 /* of one object */
#define FUA_JSON_SIZE_MAX (1U << 24) /* bytes of text */

typedef enum fua_json_kind {
    FUA_JSON_NULL,
    FUA_JSON_FALSE,
    FUA_JSON_TRUE,
    FUA_JSON_INTEGER, /* without fraction and exponent; fits int64_t */
    FUA_JSON_REAL,    /* any other number; within the range of double */
    FUA_JSON_STRING,
    FUA_JSON_ARRAY,
    FUA_JSON_OBJECT
} fua_json_kind;

typedef struct fua_json_node {
    fua_json_kind kind;
    uint32_t size; /* bytes of a string or real, elements of an array, members of an object */
    uint32_t next; /* index of the first node that does not belong to this value */
    union {
        const char *text; /* of strings (UTF-8, may hold NUL) and reals; borrowed from the text that was read */
        int64_t integer;
    } as;
} fua_json_node;

/* Nodes that a text of `size` bytes can need at most. */
static inline size_t fua_json_nodes_max(size_t size) {
    return size / 2 + 1;
}

/*
 * Reads one value with nothing but white space around it.  `text` is changed, and stays in use as long as the nodes;
 * one byte after it may be written by whoever ends a number there.  FUA_ERR_SYNTAX for anything that RFC 8259 has not,
 * invalid UTF-8, lone surrogates, NaN, a member given twice; FUA_ERR_LIMIT for more than the limits above, more than
 * `room` nodes, or a number out of range.
 */
fua_status fua_json_read(char *text, size_t size, fua_json_node *nodes, size_t room, size_t *count);

/* The value of a member of the object at index `object`, or NULL. */
const fua_json_node *fua_json_member(const fua_json_node *nodes, size_t object, fua_text name);

static inline fua_text fua_json_text(const fua_json_node *node) {
    return (fua_text){node->as.text, node->size};
}

/* A number, near enough to compare times by: within a part in 10^12. */
double fua_json_number(const fua_json_node *node);

/* Appends a string with its quotes; FUA_ERR_SYNTAX if it is not valid UTF-8. */
fua_status fua_json_write_text(fua_buffer *out, fua_text text);
fua_status fua_json_write_integer(fua_buffer *out, int64_t integer);

#endif
