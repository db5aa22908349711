#include "policy/matcher.h"

#include <stdio.h>
#include <string.h>

typedef struct parser {
    const fua_allocator *al;
    const fua_matcher_names *names;
    fua_matcher *out;
    const char *at, *end;
    size_t depth;
    char *message;
    size_t message_size;
} parser;

static fua_status fail(parser *p, fua_status status, const char *what, fua_text near) {
    int shown = near.size < 60 ? (int)near.size : 60;
    (void)snprintf(p->message, p->message_size, "%s '%.*s'", what, shown, near.data);
    return status;
}

static fua_text rest_of(const parser *p) {
    fua_text text = {p->at, (size_t)(p->end - p->at)};
    return text;
}

static void skip_space(parser *p) {
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r' || *p->at == '\n')) {
        p->at++;
    }
}

static bool take(parser *p, const char *token) {
    skip_space(p);
    size_t size = strlen(token);
    if ((size_t)(p->end - p->at) < size || memcmp(p->at, token, size) != 0) {
        return false;
    }
    p->at += size;
    return true;
}

static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static fua_text take_name(parser *p) {
    fua_text name = {p->at, 0};
    while (p->at < p->end && (is_name_start(*p->at) || (*p->at >= '0' && *p->at <= '9'))) {
        p->at++;
    }
    name.size = (size_t)(p->at - name.data);
    return name;
}

static fua_status add_node(parser *p, fua_node node, uint32_t *id) {
    if (p->out->count == FUA_MATCHER_MAX_NODES) { /* evaluation recurses along chains of && and || */
        return fail(p, FUA_ERR_UNSUPPORTED, "the matcher is too long, near", rest_of(p));
    }
    void *block = p->out->nodes;
    fua_status status = fua_grow(p->al, &block, &p->out->cap, p->out->count + 1, sizeof *p->out->nodes);
    p->out->nodes = block;
    if (status != FUA_OK) {
        return status;
    }
    node.on_rule = node.kind == FUA_NODE_RULE;
    for (size_t i = 0; i < 3; i++) {
        if (node.args[i] != FUA_NO_NODE) {
            node.on_rule = node.on_rule || p->out->nodes[node.args[i]].on_rule;
        }
    }
    *id = (uint32_t)p->out->count;
    p->out->nodes[p->out->count++] = node;
    return FUA_OK;
}

static fua_node make(fua_node_kind kind) {
    fua_node node = {kind, 0, {FUA_NO_NODE, FUA_NO_NODE, FUA_NO_NODE}, {NULL, 0}, false};
    return node;
}

static fua_status parse_or(parser *p, uint32_t *id);

static fua_status parse_field(parser *p, fua_text owner, uint32_t *id) {
    fua_text name = take_name(p);
    bool request = owner.data[0] == 'r';
    size_t count = request ? p->names->request_count : p->names->rule_count;
    const char(*known)[32] = request ? p->names->request : p->names->rule;
    for (size_t i = 0; i < count; i++) {
        if (fua_text_equal(name, fua_text_of(known[i]))) {
            fua_node node = make(request ? FUA_NODE_REQUEST : FUA_NODE_RULE);
            node.index = (uint32_t)i;
            if (p->at < p->end && *p->at == '.') {
                return fail(p, FUA_ERR_UNSUPPORTED, "attributes of a field are not supported, near", rest_of(p));
            }
            return add_node(p, node, id);
        }
    }
    return fail(p, FUA_ERR_SYNTAX, "the model defines no such field:", name);
}

/* A value: a field or a literal. */
static fua_status parse_value(parser *p, uint32_t *id) {
    skip_space(p);
    if (p->at < p->end && (*p->at == '"' || *p->at == '\'')) {
        char quote = *p->at++;
        const char *close = memchr(p->at, quote, (size_t)(p->end - p->at));
        if (close == NULL) {
            return fail(p, FUA_ERR_SYNTAX, "a text is not closed, near", rest_of(p));
        }
        fua_node node = make(FUA_NODE_TEXT);
        node.text = (fua_text){p->at, (size_t)(close - p->at)};
        if (memchr(node.text.data, '\\', node.text.size) != NULL) {
            return fail(p, FUA_ERR_UNSUPPORTED, "backslashes in texts are not supported:", node.text);
        }
        p->at = close + 1;
        return add_node(p, node, id);
    }
    if (p->at < p->end && is_name_start(*p->at)) {
        fua_text owner = take_name(p);
        if (owner.size == 1 && (owner.data[0] == 'r' || owner.data[0] == 'p') && p->at < p->end && *p->at == '.') {
            p->at++;
            return parse_field(p, owner, id);
        }
        return fail(p, FUA_ERR_UNSUPPORTED, "not supported in a matcher:", owner);
    }
    return fail(p, FUA_ERR_SYNTAX, "a field or a text is expected, near", rest_of(p));
}

static fua_status parse_call(parser *p, fua_text name, uint32_t *id) {
    size_t width = 2;
    fua_node node;
    if (fua_text_equal(name, fua_text_of("keyMatch"))) {
        node = make(FUA_NODE_KEY_MATCH);
    } else {
        int type = p->names->role_type(p->names->ctx, name, &width);
        if (type < 0) {
            return fail(p, FUA_ERR_UNSUPPORTED, "function not supported:", name);
        }
        node = make(FUA_NODE_ROLE);
        node.index = (uint32_t)type;
    }
    for (size_t i = 0; i < width; i++) {
        if (i > 0 && !take(p, ",")) {
            return fail(p, FUA_ERR_SYNTAX, "too few arguments for", name);
        }
        fua_status status = parse_value(p, &node.args[i]);
        if (status != FUA_OK) {
            return status;
        }
    }
    if (!take(p, ")")) {
        return fail(p, FUA_ERR_SYNTAX, "too many arguments for", name);
    }
    return add_node(p, node, id);
}

static fua_status parse_comparison(parser *p, uint32_t *id) {
    uint32_t left, right;
    fua_status status = parse_value(p, &left);
    if (status != FUA_OK) {
        return status;
    }
    fua_node node;
    if (take(p, "==")) {
        node = make(FUA_NODE_EQUAL);
    } else if (take(p, "!=")) {
        node = make(FUA_NODE_NOT_EQUAL);
    } else {
        return fail(p, FUA_ERR_UNSUPPORTED, "only == and != compare values, near", rest_of(p));
    }
    status = parse_value(p, &right);
    node.args[0] = left;
    node.args[1] = right;
    return status == FUA_OK ? add_node(p, node, id) : status;
}

static fua_status parse_unary(parser *p, uint32_t *id) {
    if (++p->depth > FUA_MATCHER_MAX_DEPTH) {
        return fail(p, FUA_ERR_SYNTAX, "nested too deeply, near", rest_of(p));
    }
    fua_status status;
    if (take(p, "(")) {
        status = parse_or(p, id);
        if (status == FUA_OK && !take(p, ")")) {
            status = fail(p, FUA_ERR_SYNTAX, "a closing parenthesis is missing, near", rest_of(p));
        }
    } else if (p->at < p->end && *p->at == '!' && (p->end - p->at < 2 || p->at[1] != '=')) {
        p->at++;
        fua_node node = make(FUA_NODE_NOT);
        status = parse_unary(p, &node.args[0]);
        if (status == FUA_OK) {
            status = add_node(p, node, id);
        }
    } else {
        const char *start = p->at;
        fua_text name = take_name(p);
        if (name.size > 0 && take(p, "(")) {
            status = parse_call(p, name, id);
        } else if (fua_text_equal(name, fua_text_of("true")) || fua_text_equal(name, fua_text_of("false"))) {
            status = add_node(p, make(name.data[0] == 't' ? FUA_NODE_TRUE : FUA_NODE_FALSE), id);
        } else {
            p->at = start;
            status = parse_comparison(p, id);
        }
    }
    p->depth--;
    return status;
}

static fua_status parse_chain(parser *p, const char *token, fua_node_kind kind,
                              fua_status (*next)(parser *, uint32_t *), uint32_t *id) {
    fua_status status = next(p, id);
    while (status == FUA_OK && take(p, token)) {
        fua_node node = make(kind);
        node.args[0] = *id;
        status = next(p, &node.args[1]);
        if (status == FUA_OK) {
            status = add_node(p, node, id);
        }
    }
    return status;
}

static fua_status parse_and(parser *p, uint32_t *id) {
    return parse_chain(p, "&&", FUA_NODE_AND, parse_unary, id);
}

static fua_status parse_or(parser *p, uint32_t *id) {
    return parse_chain(p, "||", FUA_NODE_OR, parse_and, id);
}

fua_status fua_matcher_compile(const fua_allocator *al, fua_text source, const fua_matcher_names *names,
                               fua_matcher *out, char *message, size_t size) {
    memset(out, 0, sizeof *out);
    out->source = fua_alloc(al, source.size + 1, 1);
    if (out->source == NULL) {
        return FUA_ERR_NOMEM;
    }
    memcpy(out->source, source.data, source.size);
    out->source[source.size] = '\0';
    parser p = {al, names, out, out->source, out->source + source.size, 0, message, size};
    fua_status status = parse_or(&p, &out->root);
    skip_space(&p);
    if (status == FUA_OK && p.at != p.end) {
        status = fail(&p, FUA_ERR_UNSUPPORTED, "not supported in a matcher:", rest_of(&p));
    }
    if (status != FUA_OK) {
        fua_matcher_free(al, out);
    }
    return status;
}

void fua_matcher_free(const fua_allocator *al, fua_matcher *matcher) {
    fua_free(al, matcher->source);
    fua_free(al, matcher->nodes);
    memset(matcher, 0, sizeof *matcher);
}
