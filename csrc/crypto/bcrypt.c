#include "crypto/bcrypt.h"

#include <stdbool.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/blowfish.h"

#define SALT_CHARS 22
#define DIGEST_CHARS 31
#define SALT_AT 7 /* after "$2b$12$" */
#define DIGEST_AT (SALT_AT + SALT_CHARS)

/* Everything secret of one computation, in one place to be wiped. */
typedef struct workspace {
    fua_blowfish state;
    uint32_t key[FUA_BLOWFISH_SUBKEYS];
    uint32_t block[6];
} workspace;

/* bcrypt's own base64 order.  A NUL or byte outside it gives -1. */
static int decode_char(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A' + 2;
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 28;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 54;
    }
    return c == '.' ? 0 : c == '/' ? 1 : -1;
}

/* Decodes count characters to count * 6 / 8 bytes; left-over bits are dropped.  False for a character not in the set. */
static bool decode(const char *text, size_t count, uint8_t *out) {
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < count; i++) {
        int value = decode_char(text[i]);
        if (value < 0) {
            return false;
        }
        bits = (bits << 6) | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *out++ = (uint8_t)(bits >> held);
        }
    }
    return true;
}

static char *encode(const uint8_t *data, size_t size, char *out) {
    static const char alphabet[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < size; i++) {
        bits = (bits << 8) | data[i];
        held += 8;
        while (held >= 6) {
            held -= 6;
            *out++ = alphabet[(bits >> held) & 0x3FU];
        }
    }
    if (held > 0) {
        *out++ = alphabet[(bits << (6 - held)) & 0x3FU];
    }
    return out;
}

static bool variant_known(fua_bcrypt_variant variant) {
    return variant == FUA_BCRYPT_2A || variant == FUA_BCRYPT_2B || variant == FUA_BCRYPT_2Y;
}

static bool cost_in_range(unsigned cost) {
    return cost >= FUA_BCRYPT_COST_MIN && cost <= FUA_BCRYPT_COST_MAX;
}

static bool has_nul(const void *password, size_t size) {
    return size != 0 && memchr(password, 0, size) != NULL;
}

fua_status fua_bcrypt_parse(const char *text, size_t size, fua_bcrypt_record *record) {
    if (size != FUA_BCRYPT_TEXT_SIZE || text[0] != '$' || text[1] != '2' || text[3] != '$' || text[6] != '$') {
        return FUA_ERR_SYNTAX;
    }
    fua_bcrypt_variant variant;
    switch (text[2]) {
    case 'a': variant = FUA_BCRYPT_2A; break;
    case 'b': variant = FUA_BCRYPT_2B; break;
    case 'y': variant = FUA_BCRYPT_2Y; break;
    default: return FUA_ERR_SYNTAX;
    }
    if (text[4] < '0' || text[4] > '9' || text[5] < '0' || text[5] > '9') {
        return FUA_ERR_SYNTAX;
    }
    unsigned cost = (unsigned)(text[4] - '0') * 10 + (unsigned)(text[5] - '0');
    if (!cost_in_range(cost)) {
        return FUA_ERR_SYNTAX;
    }
    if (!decode(text + SALT_AT, SALT_CHARS, record->salt) || !decode(text + DIGEST_AT, DIGEST_CHARS, record->digest)) {
        return FUA_ERR_SYNTAX;
    }
    record->variant = variant;
    record->cost = cost;
    return FUA_OK;
}

/* The password with its terminating NUL, repeated to fill 18 words; a password of 72 bytes or more fills them alone. */
static void load_key(const uint8_t *password, size_t size, uint32_t key[FUA_BLOWFISH_SUBKEYS]) {
    size_t at = 0;
    for (size_t i = 0; i < FUA_BLOWFISH_SUBKEYS; i++) {
        uint32_t word = 0;
        for (size_t j = 0; j < 4; j++) {
            word <<= 8;
            if (at < size) {
                word |= password[at++];
            } else {
                at = 0;
            }
        }
        key[i] = word;
    }
}

fua_status fua_bcrypt_digest(const void *password, size_t size, const uint8_t salt[FUA_BCRYPT_SALT_SIZE],
                             unsigned cost, uint8_t digest[FUA_BCRYPT_DIGEST_SIZE]) {
    /* "OrpheanBeholderScryDoubt" */
    static const uint32_t magic[6] = {0x4F727068U, 0x65616E42U, 0x65686F6CU, 0x64657253U, 0x63727944U, 0x6F756274U};
    if (!cost_in_range(cost) || has_nul(password, size)) {
        return FUA_ERR_ARG;
    }
    workspace work;
    uint32_t salt_words[FUA_BLOWFISH_SUBKEYS];
    for (size_t i = 0; i < FUA_BLOWFISH_SUBKEYS; i++) {
        const uint8_t *from = salt + i % 4 * 4;
        salt_words[i] = (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
    }
    load_key(password, size, work.key);
    fua_blowfish_init(&work.state);
    fua_blowfish_expand_salted(&work.state, work.key, salt_words);
    fua_blowfish_expand_pairs(&work.state, work.key, salt_words, UINT32_C(1) << cost);
    memcpy(work.block, magic, sizeof magic);
    for (size_t i = 0; i < 6; i += 2) {
        for (unsigned turn = 0; turn < 64; turn++) {
            fua_blowfish_encrypt(&work.state, work.block + i);
        }
    }
    for (size_t i = 0; i < FUA_BCRYPT_DIGEST_SIZE; i++) {
        digest[i] = (uint8_t)(work.block[i / 4] >> (24 - i % 4 * 8));
    }
    fua_wipe(&work, sizeof work);
    return FUA_OK;
}

fua_status fua_bcrypt_hash(const void *password, size_t size, const uint8_t salt[FUA_BCRYPT_SALT_SIZE], unsigned cost,
                           fua_bcrypt_variant variant, char text[FUA_BCRYPT_TEXT_SIZE + 1]) {
    uint8_t digest[FUA_BCRYPT_DIGEST_SIZE];
    if (!variant_known(variant)) {
        return FUA_ERR_ARG;
    }
    fua_status status = fua_bcrypt_digest(password, size, salt, cost, digest);
    if (status != FUA_OK) {
        return status;
    }
    char *out = text;
    *out++ = '$';
    *out++ = '2';
    *out++ = (char)variant;
    *out++ = '$';
    *out++ = (char)('0' + cost / 10);
    *out++ = (char)('0' + cost % 10);
    *out++ = '$';
    out = encode(salt, FUA_BCRYPT_SALT_SIZE, out);
    out = encode(digest, FUA_BCRYPT_DIGEST_SIZE, out);
    *out = '\0';
    fua_wipe(digest, sizeof digest);
    return FUA_OK;
}

fua_status fua_bcrypt_verify(const void *password, size_t size, const fua_bcrypt_record *record) {
    uint8_t digest[FUA_BCRYPT_DIGEST_SIZE];
    if (!cost_in_range(record->cost)) {
        return FUA_ERR_ARG;
    }
    if (has_nul(password, size)) {
        return FUA_ERR_MISMATCH;
    }
    fua_status status = fua_bcrypt_digest(password, size, record->salt, record->cost, digest);
    if (status != FUA_OK) {
        return status;
    }
    bool equal = fua_equal_ct(digest, record->digest, sizeof digest);
    fua_wipe(digest, sizeof digest);
    return equal ? FUA_OK : FUA_ERR_MISMATCH;
}
