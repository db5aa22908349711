#include "token/claims.h"

typedef struct checked {
    const fua_json_node *nodes; /* borrowed */
    const fua_claims_rules *rules; /* borrowed */
    double now;
} checked;

/* A NumericDate (RFC 7519, section 2). */
static fua_status check_time(const checked *c, const fua_json_node *value, fua_text name) {
    if (value->kind != FUA_JSON_INTEGER && value->kind != FUA_JSON_REAL) {
        return FUA_ERR_CLAIM;
    }
    double at = fua_json_number(value);
    if (!fua_claims_is_time(at)) {
        return FUA_ERR_CLAIM;
    }
    if (name.data[0] == 'e' && !(c->now < at + c->rules->leeway)) {
        return FUA_ERR_EXPIRED;
    }
    if (name.data[0] == 'n' && !(c->now >= at - c->rules->leeway)) {
        return FUA_ERR_EARLY;
    }
    return FUA_OK;
}

static fua_status check_audience(const checked *c, const fua_json_node *value) {
    fua_text wanted = c->rules->audience;
    bool found = false;
    size_t index = (size_t)(value - c->nodes), end = value->next;
    /* one text, or an array of them: the elements of an array are the nodes after it */
    for (index += value->kind == FUA_JSON_ARRAY; index < end; index++) {
        if (c->nodes[index].kind != FUA_JSON_STRING) {
            return FUA_ERR_CLAIM;
        }
        found = found || (wanted.data != NULL && fua_text_equal(fua_json_text(&c->nodes[index]), wanted));
    }
    return found ? FUA_OK : FUA_ERR_CLAIM;
}

static fua_status check_text(const fua_json_node *value, fua_text wanted) {
    if (value->kind != FUA_JSON_STRING) {
        return FUA_ERR_CLAIM;
    }
    return wanted.data == NULL || fua_text_equal(fua_json_text(value), wanted) ? FUA_OK : FUA_ERR_CLAIM;
}

static bool named(fua_text name, const char *other) { /* both of three characters */
    return memcmp(name.data, other, 3) == 0;
}

static fua_status check_claim(const checked *c, fua_text name, const fua_json_node *value) {
    static const fua_text any = {NULL, 0};
    if (name.size != 3) { /* as all registered names have */
        return FUA_OK;
    }
    if (named(name, "exp") || named(name, "nbf") || named(name, "iat")) {
        return check_time(c, value, name);
    }
    if (named(name, "aud")) {
        return check_audience(c, value);
    }
    if (named(name, "iss")) {
        return check_text(value, c->rules->issuer);
    }
    return named(name, "jti") || named(name, "sub") ? check_text(value, any) : FUA_OK;
}

static fua_status demand(const fua_json_node *nodes, fua_text name, fua_text *claim) {
    *claim = name;
    return fua_json_member(nodes, 0, name) != NULL ? FUA_OK : FUA_ERR_CLAIM;
}

fua_status fua_claims_check(const fua_json_node *nodes, const fua_claims_rules *rules, double now, fua_text *claim) {
    checked c = {nodes, rules, now};
    fua_status status = FUA_OK;
    if (nodes[0].kind != FUA_JSON_OBJECT) {
        return FUA_ERR_SYNTAX;
    }
    for (size_t i = 0; status == FUA_OK && i < rules->required_count; i++) {
        status = demand(nodes, rules->required[i], claim);
    }
    if (status == FUA_OK && rules->audience.data != NULL) {
        status = demand(nodes, fua_text_of("aud"), claim);
    }
    if (status == FUA_OK && rules->issuer.data != NULL) {
        status = demand(nodes, fua_text_of("iss"), claim);
    }
    for (size_t i = 1; status == FUA_OK && i < nodes[0].next; i = nodes[i + 1].next) {
        *claim = fua_json_text(&nodes[i]);
        status = check_claim(&c, *claim, &nodes[i + 1]);
    }
    return status;
}
