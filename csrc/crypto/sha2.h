/* SHA-256, SHA-384 and SHA-512 (FIPS 180-4), as pieces that HMAC and PBKDF2 are made of. */
#ifndef FUA_CRYPTO_SHA2_H
#define FUA_CRYPTO_SHA2_H

#include <stddef.h>
#include <stdint.h>

#include "base/cpu.h"

#define FUA_SHA2_BLOCK_MAX 128 /* bytes; SHA-256 has 64 */
#define FUA_SHA2_DIGEST_MAX 64 /* bytes */

typedef enum fua_sha2_kind { FUA_SHA256, FUA_SHA384, FUA_SHA512 } fua_sha2_kind;

typedef union fua_sha2_state {
    uint32_t w32[8]; /* SHA-256 */
    uint64_t w64[8]; /* SHA-384, SHA-512 */
} fua_sha2_state;

/* A hash function and the code that computes it here. */
typedef struct fua_sha2 {
    void (*compress)(fua_sha2_state *state, const uint8_t *data, size_t blocks);
    size_t block_size, digest_size; /* bytes */
    fua_sha2_kind kind;
} fua_sha2;

/* The fastest code for a processor; of a zeroed fua_cpu the portable one. */
fua_sha2 fua_sha2_of(fua_sha2_kind kind, fua_cpu cpu);

void fua_sha2_start(const fua_sha2 *hash, fua_sha2_state *state);

/* Takes in the last bytes of a message, of which `before` bytes (whole blocks) are in the state already, and gives
 * digest_size bytes.  The state is used up. */
void fua_sha2_finish(const fua_sha2 *hash, fua_sha2_state *state, uint64_t before, const void *data, size_t size,
                     uint8_t *digest);

/* All at once. */
void fua_sha2_digest(const fua_sha2 *hash, const void *data, size_t size, uint8_t *digest);

#endif
