#include "token/jws.h"

#include "base/secret.h"
#include "crypto/base64.h"
#include "data/json.h"

#define HEADER_NODES 128

fua_status fua_jws_split(fua_text token, fua_jws *parts) {
    const char *end = token.data + token.size;
    const char *first = token.size == 0 ? NULL : memchr(token.data, '.', token.size);
    if (first == NULL) {
        return FUA_ERR_SYNTAX;
    }
    const char *second = memchr(first + 1, '.', (size_t)(end - first) - 1);
    if (second == NULL || memchr(second + 1, '.', (size_t)(end - second) - 1) != NULL) {
        return FUA_ERR_SYNTAX;
    }
    parts->header = (fua_text){token.data, (size_t)(first - token.data)};
    parts->payload = (fua_text){first + 1, (size_t)(second - first) - 1};
    parts->signature = (fua_text){second + 1, (size_t)(end - second) - 1};
    parts->signed_part = (fua_text){token.data, (size_t)(second - token.data)};
    return parts->header.size != 0 && parts->payload.size != 0 && parts->signature.size != 0 ? FUA_OK : FUA_ERR_SYNTAX;
}

/* A member that is a string or absent. */
static fua_status string_member(const fua_json_node *nodes, const char *name, bool *has, fua_text *text) {
    const fua_json_node *found = fua_json_member(nodes, 0, fua_text_of(name));
    *has = found != NULL;
    *text = (fua_text){"", 0};
    if (found == NULL) {
        return FUA_OK;
    }
    if (found->kind != FUA_JSON_STRING) {
        return FUA_ERR_SYNTAX;
    }
    *text = fua_json_text(found);
    return FUA_OK;
}

fua_status fua_jws_read_header(fua_text encoded, char scratch[FUA_JWS_HEADER_MAX], fua_jws_header *header) {
    fua_json_node nodes[HEADER_NODES];
    size_t size, count;
    bool has_algorithm;
    if (encoded.size > FUA_JWS_HEADER_MAX) {
        return FUA_ERR_LIMIT;
    }
    fua_status status = fua_base64_decode(FUA_BASE64_URL, encoded.data, encoded.size, scratch, &size);
    if (status == FUA_OK) {
        status = fua_json_read(scratch, size, nodes, HEADER_NODES, &count);
    }
    if (status == FUA_OK && nodes[0].kind != FUA_JSON_OBJECT) {
        status = FUA_ERR_SYNTAX;
    }
    if (status != FUA_OK) {
        return status;
    }
    if (fua_json_member(nodes, 0, fua_text_of("crit")) != NULL) {
        return FUA_ERR_UNSUPPORTED;
    }
    status = string_member(nodes, "alg", &has_algorithm, &header->algorithm);
    if (status == FUA_OK && !has_algorithm) {
        status = FUA_ERR_SYNTAX;
    }
    if (status == FUA_OK) {
        status = string_member(nodes, "kid", &header->has_kid, &header->kid);
    }
    if (status == FUA_OK) {
        status = string_member(nodes, "typ", &header->has_typ, &header->typ);
    }
    return status;
}

bool fua_jws_hmac(fua_text algorithm, fua_sha_kind *kind) {
    static const char *const names[] = {[FUA_SHA256] = "HS256", [FUA_SHA384] = "HS384", [FUA_SHA512] = "HS512"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (fua_text_equal(algorithm, fua_text_of(names[i]))) {
            *kind = (fua_sha_kind)i;
            return true;
        }
    }
    return false;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_letters(const char *left, const char *right, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (lower(left[i]) != lower(right[i])) {
            return false;
        }
    }
    return true;
}

static fua_text without_prefix(fua_text type) {
    static const char prefix[] = "application/";
    size_t size = sizeof prefix - 1;
    if (type.size > size && same_letters(type.data, prefix, size)) {
        return (fua_text){type.data + size, type.size - size};
    }
    return type;
}

bool fua_jws_same_type(fua_text typ, fua_text wanted) {
    fua_text left = without_prefix(typ), right = without_prefix(wanted);
    return left.size == right.size && same_letters(left.data, right.data, left.size);
}

fua_status fua_jws_verify(const fua_hmac_key *key, const fua_jws *parts) {
    uint8_t given[FUA_SHA_DIGEST_MAX + 2], wanted[FUA_SHA_DIGEST_MAX];
    size_t size;
    if (parts->signature.size != fua_base64_size(key->hash.digest_size)) {
        return FUA_ERR_MISMATCH;
    }
    fua_status status =
        fua_base64_decode(FUA_BASE64_URL, parts->signature.data, parts->signature.size, given, &size);
    if (status != FUA_OK) {
        return status;
    }
    fua_hmac(key, parts->signed_part.data, parts->signed_part.size, wanted);
    bool equal = fua_equal_ct(given, wanted, key->hash.digest_size);
    fua_wipe(wanted, sizeof wanted);
    return equal ? FUA_OK : FUA_ERR_MISMATCH;
}

size_t fua_jws_signature_size(const fua_hmac_key *key) {
    return 1 + fua_base64_size(key->hash.digest_size);
}

void fua_jws_sign(const fua_hmac_key *key, char *token, size_t size) {
    uint8_t mac[FUA_SHA_DIGEST_MAX];
    fua_hmac(key, token, size, mac);
    token[size] = '.';
    (void)fua_base64_encode(FUA_BASE64_URL, mac, key->hash.digest_size, token + size + 1);
}
