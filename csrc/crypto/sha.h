/* SHA-256, SHA-384, SHA-512 and SHA-1 (FIPS 180-4), as pieces that HMAC and PBKDF2 are made of.  SHA-1 is there
 * for the PBKDF2 hashes of others, and nothing else uses it. */
#ifndef FUA_CRYPTO_SHA_H
#define FUA_CRYPTO_SHA_H

#include <stddef.h>
#include <stdint.h>

#include "base/cpu.h"

#define FUA_SHA_BLOCK_MAX 128 /* bytes; SHA-256 and SHA-1 have 64 */
#define FUA_SHA_DIGEST_MAX 64 /* bytes */

typedef enum fua_sha_kind { FUA_SHA256, FUA_SHA384, FUA_SHA512, FUA_SHA1 } fua_sha_kind;

typedef union fua_sha_state {
    uint32_t w32[8]; /* SHA-256, SHA-1 (five) */
    uint64_t w64[8]; /* SHA-384, SHA-512 */
} fua_sha_state;

/* A hash function and the code that computes it here. */
typedef struct fua_sha {
    void (*compress)(fua_sha_state *state, const uint8_t *data, size_t blocks);
    size_t block_size, digest_size; /* bytes */
    fua_sha_kind kind;
} fua_sha;

/* The fastest code for a processor; of a zeroed fua_cpu the portable one. */
fua_sha fua_sha_of(fua_sha_kind kind, fua_cpu cpu);

void fua_sha_start(const fua_sha *hash, fua_sha_state *state);

/* Takes in the last bytes of a message, of which `before` bytes (whole blocks) are in the state already, and gives
 * digest_size bytes.  The state is used up. */
void fua_sha_finish(const fua_sha *hash, fua_sha_state *state, uint64_t before, const void *data, size_t size,
                     uint8_t *digest);

/* All at once. */
void fua_sha_digest(const fua_sha *hash, const void *data, size_t size, uint8_t *digest);

#endif
