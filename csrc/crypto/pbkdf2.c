#include "crypto/pbkdf2.h"

#include <string.h>

#include "base/secret.h"
#include "crypto/hmac.h"

/* Everything secret of one computation, in one place to be wiped. */
typedef struct workspace {
    fua_hmac_key key;
    uint8_t salt[FUA_PBKDF2_SALT_MAX + 4];
    uint8_t link[FUA_SHA_DIGEST_MAX], sum[FUA_SHA_DIGEST_MAX];
} workspace;

fua_status fua_pbkdf2(fua_sha hash, const void *password, size_t size, const void *salt, size_t salt_size,
                      uint32_t rounds, uint8_t *out, size_t out_size) {
    workspace work;
    if (rounds == 0 || salt_size > FUA_PBKDF2_SALT_MAX || out_size / hash.digest_size >= UINT32_MAX) {
        return FUA_ERR_ARG;
    }
    fua_hmac_key_init(&work.key, hash, password, size);
    if (salt_size != 0) {
        memcpy(work.salt, salt, salt_size);
    }
    for (uint32_t block = 1; out_size > 0; block++) {
        for (unsigned i = 0; i < 4; i++) {
            work.salt[salt_size + i] = (uint8_t)(block >> (24 - 8 * i));
        }
        fua_hmac(&work.key, work.salt, salt_size + 4, work.link);
        memcpy(work.sum, work.link, hash.digest_size);
        for (uint32_t round = 1; round < rounds; round++) {
            fua_hmac(&work.key, work.link, hash.digest_size, work.link);
            for (size_t i = 0; i < hash.digest_size; i++) {
                work.sum[i] ^= work.link[i];
            }
        }
        size_t part = out_size < hash.digest_size ? out_size : hash.digest_size;
        memcpy(out, work.sum, part);
        out += part;
        out_size -= part;
    }
    fua_wipe(&work, sizeof work);
    return FUA_OK;
}
