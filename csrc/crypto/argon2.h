/* Argon2 (RFC 9106), all three types, versions 0x10 and 0x13. */
#ifndef FUA_CRYPTO_ARGON2_H
#define FUA_CRYPTO_ARGON2_H

#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/status.h"

#define FUA_ARGON2_MEMORY_MAX (1U << 21) /* KiB: 2 GiB */
#define FUA_ARGON2_PASSES_MAX (1U << 16)
#define FUA_ARGON2_LANES_MAX 64
#define FUA_ARGON2_SALT_MIN 8
#define FUA_ARGON2_OUT_MIN 4
#define FUA_ARGON2_INPUT_MAX (1U << 24) /* bytes of password, salt, secret and data each, and of output */

typedef enum fua_argon2_type { FUA_ARGON2_D, FUA_ARGON2_I, FUA_ARGON2_ID } fua_argon2_type;

typedef struct fua_argon2_cost {
    fua_argon2_type type;
    uint32_t version; /* 0x10 or 0x13 */
    uint32_t memory;  /* KiB, at least 8 per lane */
    uint32_t passes;  /* at least 1 */
    uint32_t lanes;   /* at least 1 */
} fua_argon2_cost;

typedef struct fua_bytes {
    const void *data; /* borrowed */
    size_t size;
} fua_bytes;

/* Whether a cost is within the bounds above. */
int fua_argon2_cost_valid(const fua_argon2_cost *cost);

/*
 * Hashes a password.  Secret and data may be empty.  Lanes are computed by threads of their own where the system gives
 * them, and one after the other where it does not: the result is the same.  FUA_ERR_ARG for what is out of bounds,
 * FUA_ERR_NOMEM without the memory, which is wiped afterwards.
 */
fua_status fua_argon2(const fua_allocator *al, fua_cpu cpu, const fua_argon2_cost *cost, fua_bytes password,
                      fua_bytes salt, fua_bytes secret, fua_bytes data, uint8_t *out, size_t out_size);

#endif
