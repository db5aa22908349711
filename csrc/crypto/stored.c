#include "crypto/stored.h"

#include <string.h>

#include "base/secret.h"
#include "crypto/base64.h"
#include "crypto/hmac.h"
#include "crypto/pbkdf2.h"

#define BCRYPT_SALT_CHARS 22
#define BCRYPT_DIGEST_CHARS 31

/* What is left of a text that is being read. */
typedef struct cursor {
    const char *at, *end;
} cursor;

static bool skip(cursor *in, const char *wanted) {
    size_t size = strlen(wanted);
    if ((size_t)(in->end - in->at) < size || memcmp(in->at, wanted, size) != 0) {
        return false;
    }
    in->at += size;
    return true;
}

/* A number without leading zeros, from 1 to max. */
static bool read_number(cursor *in, uint32_t max, uint32_t *number) {
    uint64_t value = 0;
    const char *start = in->at;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9' && value <= max) {
        value = value * 10 + (uint64_t)(*in->at++ - '0');
    }
    *number = (uint32_t)value;
    return in->at > start && *start != '0' && value <= max;
}

/* The size of the part up to the next '$' or the end. */
static size_t part_size(const cursor *in) {
    const char *dollar = in->at == in->end ? NULL : memchr(in->at, '$', (size_t)(in->end - in->at));
    return (size_t)((dollar == NULL ? in->end : dollar) - in->at);
}

/* A part in base64, of at most max bytes. */
static bool read_base64(cursor *in, fua_base64 alphabet, uint8_t *out, size_t max, size_t *size) {
    uint8_t room[FUA_STORED_DIGEST_MAX + 8];
    size_t chars = part_size(in);
    if (fua_base64_room(chars) > sizeof room ||
        fua_base64_decode(alphabet, in->at, chars, room, size) != FUA_OK || *size > max) {
        return false;
    }
    memcpy(out, room, *size);
    fua_wipe(room, sizeof room);
    in->at += chars;
    return true;
}

/* --- bcrypt and what wraps it --------------------------------------------------------------------------------- */

static fua_status parse_bcrypt(cursor in, fua_stored *stored) {
    return fua_bcrypt_parse(in.at, (size_t)(in.end - in.at), &stored->bcrypt);
}

/* After "$bcrypt-sha256$": "v=2,t=2b,r=12$salt$digest" or "2b,12$salt$digest". */
static fua_status parse_passlib_bcrypt(cursor in, fua_stored *stored) {
    char text[FUA_BCRYPT_TEXT_SIZE];
    uint32_t cost;
    bool current = skip(&in, "v=2,t=");
    stored->scheme = FUA_STORED_BCRYPT_SHA256;
    stored->prehash = current ? FUA_PREHASH_HMAC : FUA_PREHASH_BASE64;
    stored->foreign = !current;
    if (in.end - in.at < 2 || in.at[0] != '2' || (in.at[1] != 'b' && (current || in.at[1] != 'a'))) {
        return FUA_ERR_SYNTAX;
    }
    char variant = in.at[1];
    in.at += 2;
    if (!skip(&in, current ? ",r=" : ",") || !read_number(&in, FUA_BCRYPT_COST_MAX, &cost) || !skip(&in, "$")) {
        return FUA_ERR_SYNTAX;
    }
    if (in.end - in.at != BCRYPT_SALT_CHARS + 1 + BCRYPT_DIGEST_CHARS || in.at[BCRYPT_SALT_CHARS] != '$') {
        return FUA_ERR_SYNTAX;
    }
    /* the same as crypt text, for the one parser of it */
    text[0] = '$';
    text[1] = '2';
    text[2] = variant;
    text[3] = '$';
    text[4] = (char)('0' + cost / 10);
    text[5] = (char)('0' + cost % 10);
    text[6] = '$';
    memcpy(text + 7, in.at, BCRYPT_SALT_CHARS);
    memcpy(text + 7 + BCRYPT_SALT_CHARS, in.at + BCRYPT_SALT_CHARS + 1, BCRYPT_DIGEST_CHARS);
    return fua_bcrypt_parse(text, sizeof text, &stored->bcrypt);
}

/* The salt of a record as text: part of what bcrypt writes. */
static fua_status salt_text(const fua_bcrypt_record *record, char text[FUA_BCRYPT_TEXT_SIZE + 1]) {
    return fua_bcrypt_hash("", 0, record->salt, FUA_BCRYPT_COST_MIN, FUA_BCRYPT_2B, text);
}

/* What bcrypt gets for a password; its size, at most 64. */
static fua_status prehash(fua_cpu cpu, const fua_stored *stored, const void *password, size_t size, char out[64],
                          size_t *out_size) {
    static const char digits[] = "0123456789abcdef";
    char text[FUA_BCRYPT_TEXT_SIZE + 1];
    uint8_t digest[FUA_SHA_DIGEST_MAX];
    fua_sha sha256 = fua_sha_of(FUA_SHA256, cpu);
    if (stored->prehash == FUA_PREHASH_HMAC) {
        fua_hmac_key key;
        fua_status status = salt_text(&stored->bcrypt, text);
        if (status != FUA_OK) {
            return status;
        }
        fua_hmac_key_init(&key, sha256, text + 7, BCRYPT_SALT_CHARS);
        fua_hmac(&key, password, size, digest);
    } else {
        fua_sha_digest(&sha256, password, size, digest);
    }
    if (stored->prehash == FUA_PREHASH_HEX) {
        for (size_t i = 0; i < 32; i++) {
            out[2 * i] = digits[digest[i] >> 4];
            out[2 * i + 1] = digits[digest[i] & 15];
        }
        *out_size = 64;
    } else {
        *fua_base64_encode(FUA_BASE64_STANDARD, digest, 32, out) = '='; /* one, as 32 bytes need */
        *out_size = 44;
    }
    fua_wipe(digest, sizeof digest);
    return FUA_OK;
}

/* --- Argon2 --------------------------------------------------------------------------------------------------- */

/* From "$argon2id$" on. */
static fua_status parse_argon2(cursor in, fua_stored *stored) {
    fua_argon2_cost *cost = &stored->argon2;
    uint32_t version = 0x10;
    stored->scheme = FUA_STORED_ARGON2;
    if (skip(&in, "$argon2id$")) {
        cost->type = FUA_ARGON2_ID;
    } else if (skip(&in, "$argon2i$")) {
        cost->type = FUA_ARGON2_I;
    } else if (skip(&in, "$argon2d$")) {
        cost->type = FUA_ARGON2_D;
    } else {
        return FUA_ERR_SYNTAX;
    }
    if (skip(&in, "v=") && (!read_number(&in, 0x13, &version) || !skip(&in, "$"))) {
        return FUA_ERR_SYNTAX;
    }
    cost->version = version;
    if (!skip(&in, "m=") || !read_number(&in, FUA_ARGON2_MEMORY_MAX, &cost->memory) || !skip(&in, ",t=") ||
        !read_number(&in, FUA_ARGON2_PASSES_MAX, &cost->passes) || !skip(&in, ",p=") ||
        !read_number(&in, FUA_ARGON2_LANES_MAX, &cost->lanes) || !skip(&in, "$") ||
        !read_base64(&in, FUA_BASE64_STANDARD, stored->salt, FUA_STORED_SALT_MAX, &stored->salt_size) ||
        !skip(&in, "$") ||
        !read_base64(&in, FUA_BASE64_STANDARD, stored->digest, FUA_STORED_DIGEST_MAX, &stored->digest_size)) {
        return FUA_ERR_SYNTAX;
    }
    return in.at == in.end && fua_argon2_cost_valid(cost) && stored->salt_size >= FUA_ARGON2_SALT_MIN &&
                   stored->digest_size >= FUA_STORED_DIGEST_MIN
               ? FUA_OK
               : FUA_ERR_SYNTAX;
}

/* --- PBKDF2 --------------------------------------------------------------------------------------------------- */

static size_t pbkdf2_digest_size(fua_sha_kind kind) {
    return kind == FUA_SHA1 ? 20 : kind == FUA_SHA256 ? 32 : 64;
}

/* "29000$salt$digest" with the salt in passlib's base64 or, of Django, as it is, and the digest likewise. */
static fua_status parse_pbkdf2(cursor in, fua_sha_kind kind, bool django, fua_stored *stored) {
    size_t size = pbkdf2_digest_size(kind);
    stored->scheme = FUA_STORED_PBKDF2;
    stored->hash = kind;
    stored->foreign = django;
    if (!read_number(&in, FUA_PBKDF2_ROUNDS_MAX, &stored->rounds) || !skip(&in, "$")) {
        return FUA_ERR_SYNTAX;
    }
    if (django) {
        stored->salt_size = part_size(&in);
        if (stored->salt_size > FUA_STORED_SALT_MAX) {
            return FUA_ERR_SYNTAX;
        }
        memcpy(stored->salt, in.at, stored->salt_size);
        in.at += stored->salt_size;
        for (size_t padding = (3 - size % 3) % 3; padding > 0; padding--) {
            if (in.end == in.at || *--in.end != '=') {
                return FUA_ERR_SYNTAX;
            }
        }
    } else if (!read_base64(&in, FUA_BASE64_DOT, stored->salt, FUA_STORED_SALT_MAX, &stored->salt_size)) {
        return FUA_ERR_SYNTAX;
    }
    fua_base64 alphabet = django ? FUA_BASE64_STANDARD : FUA_BASE64_DOT;
    if (!skip(&in, "$") ||
        !read_base64(&in, alphabet, stored->digest, FUA_STORED_DIGEST_MAX, &stored->digest_size) ||
        in.at != in.end || stored->digest_size != size) {
        return FUA_ERR_SYNTAX;
    }
    return FUA_OK;
}

/* --- all ------------------------------------------------------------------------------------------------------ */

fua_status fua_stored_parse(const char *text, size_t size, fua_stored *stored) {
    cursor in = {text, text + size};
    if (size == 0 || size > FUA_STORED_TEXT_MAX) {
        return FUA_ERR_SYNTAX;
    }
    memset(stored, 0, sizeof *stored);
    if (skip(&in, "$2")) {
        in.at = text;
        return parse_bcrypt(in, stored);
    }
    if (skip(&in, "$bcrypt-sha256$")) {
        return parse_passlib_bcrypt(in, stored);
    }
    if (skip(&in, "$argon2")) {
        in.at = text;
        return parse_argon2(in, stored);
    }
    if (skip(&in, "$pbkdf2-sha256$")) {
        return parse_pbkdf2(in, FUA_SHA256, false, stored);
    }
    if (skip(&in, "$pbkdf2-sha512$")) {
        return parse_pbkdf2(in, FUA_SHA512, false, stored);
    }
    if (skip(&in, "$pbkdf2$")) {
        return parse_pbkdf2(in, FUA_SHA1, false, stored);
    }
    if (skip(&in, "pbkdf2_sha256$")) {
        return parse_pbkdf2(in, FUA_SHA256, true, stored);
    }
    if (skip(&in, "pbkdf2_sha512$")) {
        return parse_pbkdf2(in, FUA_SHA512, true, stored);
    }
    if (skip(&in, "pbkdf2_sha1$")) {
        return parse_pbkdf2(in, FUA_SHA1, true, stored);
    }
    stored->foreign = true;
    if (skip(&in, "argon2$")) {
        in.at--; /* the '$' of what follows */
        return parse_argon2(in, stored);
    }
    if (skip(&in, "bcrypt$")) {
        return parse_bcrypt(in, stored);
    }
    if (skip(&in, "bcrypt_sha256$")) {
        stored->scheme = FUA_STORED_BCRYPT_SHA256;
        stored->prehash = FUA_PREHASH_HEX;
        return parse_bcrypt(in, stored);
    }
    return FUA_ERR_SYNTAX;
}

/* The digest that a password has under a record's costs and salt; digest_size bytes. */
static fua_status compute(const fua_allocator *al, fua_cpu cpu, const fua_stored *stored, const void *password,
                          size_t size, uint8_t *digest) {
    static const fua_bytes none = {"", 0};
    char text[64];
    fua_status status;
    switch (stored->scheme) {
    case FUA_STORED_BCRYPT:
        return fua_bcrypt_digest(password, size, stored->bcrypt.salt, stored->bcrypt.cost, digest);
    case FUA_STORED_BCRYPT_SHA256:
        status = prehash(cpu, stored, password, size, text, &size);
        if (status == FUA_OK) {
            status = fua_bcrypt_digest(text, size, stored->bcrypt.salt, stored->bcrypt.cost, digest);
        }
        fua_wipe(text, sizeof text);
        return status;
    case FUA_STORED_ARGON2:
        return fua_argon2(al, cpu, &stored->argon2, (fua_bytes){password, size},
                          (fua_bytes){stored->salt, stored->salt_size}, none, none, digest, stored->digest_size);
    case FUA_STORED_PBKDF2:
        return fua_pbkdf2(fua_sha_of(stored->hash, cpu), password, size, stored->salt, stored->salt_size,
                          stored->rounds, digest, stored->digest_size);
    }
    return FUA_ERR_ARG;
}

/* bcrypt ends a password there, and HMAC takes "a" and "a\0" for the same key. */
static bool has_nul(const void *password, size_t size) {
    return size != 0 && memchr(password, 0, size) != NULL;
}

static bool is_bcrypt(const fua_stored *stored) {
    return stored->scheme == FUA_STORED_BCRYPT || stored->scheme == FUA_STORED_BCRYPT_SHA256;
}

fua_status fua_stored_verify(const fua_allocator *al, fua_cpu cpu, const fua_stored *stored, const void *password,
                             size_t size) {
    uint8_t digest[FUA_STORED_DIGEST_MAX];
    if (has_nul(password, size)) {
        return FUA_ERR_MISMATCH;
    }
    fua_status status = compute(al, cpu, stored, password, size, digest);
    if (status != FUA_OK) {
        return status;
    }
    bool equal = is_bcrypt(stored) ? fua_equal_ct(digest, stored->bcrypt.digest, FUA_BCRYPT_DIGEST_SIZE)
                                   : fua_equal_ct(digest, stored->digest, stored->digest_size);
    fua_wipe(digest, sizeof digest);
    return equal ? FUA_OK : FUA_ERR_MISMATCH;
}

static char *put(char *out, const char *text) {
    size_t size = strlen(text);
    memcpy(out, text, size);
    return out + size;
}

static char *put_number(char *out, uint32_t number) {
    char digits[10], *at = digits + sizeof digits;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    size_t size = (size_t)(digits + sizeof digits - at);
    memcpy(out, at, size);
    return out + size;
}

static char *put_salt_and_digest(char *out, fua_base64 alphabet, const fua_stored *stored) {
    out = fua_base64_encode(alphabet, stored->salt, stored->salt_size, put(out, "$"));
    return fua_base64_encode(alphabet, stored->digest, stored->digest_size, put(out, "$"));
}

/* bcrypt writes its own text; bcrypt_sha256 takes that apart again. */
static fua_status hash_bcrypt(fua_cpu cpu, const fua_stored *stored, const void *password, size_t size, char *out) {
    char secret[64], text[FUA_BCRYPT_TEXT_SIZE + 1];
    fua_status status = prehash(cpu, stored, password, size, secret, &size);
    if (status == FUA_OK) {
        status = fua_bcrypt_hash(secret, size, stored->bcrypt.salt, stored->bcrypt.cost, FUA_BCRYPT_2B, text);
    }
    fua_wipe(secret, sizeof secret);
    if (status != FUA_OK) {
        return status;
    }
    out = put_number(put(out, "$bcrypt-sha256$v=2,t=2b,r="), stored->bcrypt.cost);
    *out++ = '$';
    memcpy(out, text + 7, BCRYPT_SALT_CHARS);
    out[BCRYPT_SALT_CHARS] = '$';
    (void)put(out + BCRYPT_SALT_CHARS + 1, text + 7 + BCRYPT_SALT_CHARS);
    out[BCRYPT_SALT_CHARS + 1 + BCRYPT_DIGEST_CHARS] = '\0';
    return FUA_OK;
}

fua_status fua_stored_hash(const fua_allocator *al, fua_cpu cpu, fua_stored *stored, const void *password, size_t size,
                           char text[FUA_STORED_TEXT_MAX + 1]) {
    char *out = text;
    if (has_nul(password, size)) {
        return FUA_ERR_ARG;
    }
    if (stored->scheme == FUA_STORED_BCRYPT) {
        return fua_bcrypt_hash(password, size, stored->bcrypt.salt, stored->bcrypt.cost, FUA_BCRYPT_2B, text);
    }
    if (stored->scheme == FUA_STORED_BCRYPT_SHA256) {
        return hash_bcrypt(cpu, stored, password, size, text);
    }
    stored->digest_size = stored->scheme == FUA_STORED_ARGON2 ? 32 : pbkdf2_digest_size(stored->hash);
    if (stored->salt_size > FUA_STORED_SALT_MAX || stored->rounds > FUA_PBKDF2_ROUNDS_MAX) {
        return FUA_ERR_ARG;
    }
    fua_status status = compute(al, cpu, stored, password, size, stored->digest);
    if (status != FUA_OK) {
        return status;
    }
    if (stored->scheme == FUA_STORED_ARGON2) {
        static const char *const types[] = {
            [FUA_ARGON2_D] = "$argon2d$v=", [FUA_ARGON2_I] = "$argon2i$v=", [FUA_ARGON2_ID] = "$argon2id$v="};
        out = put_number(put(out, types[stored->argon2.type]), stored->argon2.version);
        out = put_number(put(out, "$m="), stored->argon2.memory);
        out = put_number(put(out, ",t="), stored->argon2.passes);
        out = put_number(put(out, ",p="), stored->argon2.lanes);
        out = put_salt_and_digest(out, FUA_BASE64_STANDARD, stored);
    } else {
        out = put(out, stored->hash == FUA_SHA1     ? "$pbkdf2$"
                       : stored->hash == FUA_SHA256 ? "$pbkdf2-sha256$"
                                                    : "$pbkdf2-sha512$");
        out = put_salt_and_digest(put_number(out, stored->rounds), FUA_BASE64_DOT, stored);
    }
    *out = '\0';
    return FUA_OK;
}
