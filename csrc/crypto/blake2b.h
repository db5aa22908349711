/* BLAKE2b (RFC 7693) without a key. */
#ifndef FUA_CRYPTO_BLAKE2B_H
#define FUA_CRYPTO_BLAKE2B_H

#include <stddef.h>
#include <stdint.h>

#define FUA_BLAKE2B_DIGEST_MAX 64 /* bytes */

typedef struct fua_blake2b {
    uint64_t state[8];
    uint64_t total[2]; /* bytes taken in, low and high word */
    uint8_t block[128];
    size_t held; /* bytes in block */
    size_t digest_size;
} fua_blake2b;

/* digest_size is from 1 to FUA_BLAKE2B_DIGEST_MAX. */
void fua_blake2b_init(fua_blake2b *hash, size_t digest_size);
void fua_blake2b_add(fua_blake2b *hash, const void *data, size_t size);
/* Gives digest_size bytes and wipes the hash. */
void fua_blake2b_end(fua_blake2b *hash, uint8_t *digest);

#endif
