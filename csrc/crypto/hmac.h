/* HMAC (RFC 2104) over the functions of sha.h, with the key's two pads hashed once. */
#ifndef FUA_CRYPTO_HMAC_H
#define FUA_CRYPTO_HMAC_H

#include "crypto/sha.h"

/* Secret: to be wiped when done with. */
typedef struct fua_hmac_key {
    fua_sha hash;
    fua_sha_state inner, outer; /* after the block of the key's inner and outer pad */
} fua_hmac_key;

/* The key may have any size; it is not kept. */
void fua_hmac_key_init(fua_hmac_key *key, fua_sha hash, const void *bytes, size_t size);

/* Gives hash.digest_size bytes. */
void fua_hmac(const fua_hmac_key *key, const void *data, size_t size, uint8_t *mac);

#endif
