/* Argon2's compression function on blocks of 1 KiB: internal to argon2.c. */
#ifndef FUA_CRYPTO_ARGON2_BLOCK_H
#define FUA_CRYPTO_ARGON2_BLOCK_H

#include <stdint.h>

#include "base/cpu.h"

#define FUA_ARGON2_WORDS 128

typedef struct fua_argon2_block {
    uint64_t words[FUA_ARGON2_WORDS];
} fua_argon2_block;

/* out = G(left, right), or out ^= G(left, right) with `mix`; out may be one of them. */
typedef void (*fua_argon2_fill)(const fua_argon2_block *left, const fua_argon2_block *right, fua_argon2_block *out,
                                int mix);

/* The fastest one for a processor; of a zeroed fua_cpu the one for the architecture's minimum. */
fua_argon2_fill fua_argon2_fill_of(fua_cpu cpu);
/* The one in plain C. */
void fua_argon2_fill_portable(const fua_argon2_block *left, const fua_argon2_block *right, fua_argon2_block *out,
                              int mix);

#endif
