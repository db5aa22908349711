#include "crypto/hmac.h"

#include <string.h>

#include "base/secret.h"

void fua_hmac_key_init(fua_hmac_key *key, fua_sha hash, const void *bytes, size_t size) {
    uint8_t block[FUA_SHA_BLOCK_MAX] = {0};
    if (size > hash.block_size) {
        fua_sha_digest(&hash, bytes, size, block);
    } else if (size != 0) {
        memcpy(block, bytes, size);
    }
    key->hash = hash;
    for (size_t i = 0; i < hash.block_size; i++) {
        block[i] ^= 0x36;
    }
    fua_sha_start(&hash, &key->inner);
    hash.compress(&key->inner, block, 1);
    for (size_t i = 0; i < hash.block_size; i++) {
        block[i] ^= 0x36 ^ 0x5C;
    }
    fua_sha_start(&hash, &key->outer);
    hash.compress(&key->outer, block, 1);
    fua_wipe(block, sizeof block);
}

void fua_hmac(const fua_hmac_key *key, const void *data, size_t size, uint8_t *mac) {
    uint8_t digest[FUA_SHA_DIGEST_MAX];
    fua_sha_state state = key->inner;
    fua_sha_finish(&key->hash, &state, key->hash.block_size, data, size, digest);
    state = key->outer;
    fua_sha_finish(&key->hash, &state, key->hash.block_size, digest, key->hash.digest_size, mac);
    fua_wipe(digest, sizeof digest);
    fua_wipe(&state, sizeof state);
}
