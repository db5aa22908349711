/* Matcher expressions of Casbin models, compiled to a small tree.
 *
 * What is evaluated: && || ! == != ( ) 'text' "text" true false, fields r.name and p.name, role calls such as
 * g(r.sub, p.sub) and g(r.sub, p.sub, r.dom), and keyMatch.  Anything else is refused by name when the model is
 * read: an expression that is only half understood must never decide. */
#ifndef FUA_POLICY_MATCHER_H
#define FUA_POLICY_MATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/text.h"

#define FUA_MATCHER_MAX_FIELDS 16
#define FUA_MATCHER_MAX_DEPTH 64
#define FUA_MATCHER_MAX_NODES 4096
#define FUA_NO_NODE UINT32_MAX

typedef enum fua_node_kind {
    FUA_NODE_REQUEST,  /* field `index` of the request */
    FUA_NODE_RULE,     /* field `index` of the rule */
    FUA_NODE_TEXT,     /* the literal `text` */
    FUA_NODE_TRUE,
    FUA_NODE_FALSE,
    FUA_NODE_EQUAL,    /* args 0 and 1 are values */
    FUA_NODE_NOT_EQUAL,
    FUA_NODE_KEY_MATCH,
    FUA_NODE_ROLE,     /* role type `index`; args: member, role, domain or FUA_NO_NODE */
    FUA_NODE_NOT,      /* args are conditions from here on */
    FUA_NODE_AND,
    FUA_NODE_OR
} fua_node_kind;

typedef struct fua_node {
    fua_node_kind kind;
    uint32_t index;
    uint32_t args[3];
    fua_text text; /* borrowed from the matcher's own copy of its source */
    bool on_rule;  /* depends on the rule, not on the request alone */
} fua_node;

typedef struct fua_matcher {
    char *source;    /* owned */
    fua_node *nodes; /* owned */
    size_t count, cap;
    uint32_t root;
} fua_matcher;

/* The names an expression may use. */
typedef struct fua_matcher_names {
    const char (*request)[32];
    size_t request_count;
    const char (*rule)[32];
    size_t rule_count;
    /* The number of a role type and the fields of its links; -1 for an unknown name. */
    int (*role_type)(const void *ctx, fua_text name, size_t *width);
    const void *ctx; /* borrowed */
} fua_matcher_names;

/* Compiles an expression (copied).  FUA_ERR_SYNTAX and FUA_ERR_UNSUPPORTED fill message[size]. */
fua_status fua_matcher_compile(const fua_allocator *al, fua_text source, const fua_matcher_names *names,
                               fua_matcher *out, char *message, size_t size);
void fua_matcher_free(const fua_allocator *al, fua_matcher *matcher);

#endif
