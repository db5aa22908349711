/* PBKDF2 (RFC 8018, section 5.2) with HMAC. */
#ifndef FUA_CRYPTO_PBKDF2_H
#define FUA_CRYPTO_PBKDF2_H

#include "base/status.h"
#include "crypto/sha.h"

#define FUA_PBKDF2_SALT_MAX 1024 /* bytes */

/* FUA_ERR_ARG for no rounds, a salt over FUA_PBKDF2_SALT_MAX, or more output than 2^32 - 1 blocks. */
fua_status fua_pbkdf2(fua_sha hash, const void *password, size_t size, const void *salt, size_t salt_size,
                      uint32_t rounds, uint8_t *out, size_t out_size);

#endif
