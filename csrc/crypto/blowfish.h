/* Blowfish with the key schedule of bcrypt ("EksBlowfish", Provos and Mazieres 1999). */
#ifndef FUA_CRYPTO_BLOWFISH_H
#define FUA_CRYPTO_BLOWFISH_H

#include <stdint.h>

#define FUA_BLOWFISH_SUBKEYS 18 /* 16 rounds and the output whitening */

/* The expanded key: a secret, to be wiped by its owner.  One block, aligned to cache lines: a round does four loads from it. */
typedef struct fua_blowfish {
    _Alignas(64) uint32_t s[4][256];
    uint32_t p[FUA_BLOWFISH_SUBKEYS];
} fua_blowfish;

/* Sets the initial state (digits of pi). */
void fua_blowfish_init(fua_blowfish *state);

/* Mixes the key into the state and replaces subkeys and S-boxes; the chained blocks are salted.  Both borrowed. */
void fua_blowfish_expand_salted(fua_blowfish *state, const uint32_t key[FUA_BLOWFISH_SUBKEYS], const uint32_t salt[4]);

/* The same with a salt of zeros, `count` times over for each of the two keys in turn: first, second, first, ...
 * This is where bcrypt spends its time. */
void fua_blowfish_expand_pairs(fua_blowfish *state, const uint32_t first[FUA_BLOWFISH_SUBKEYS],
                               const uint32_t second[FUA_BLOWFISH_SUBKEYS], uint32_t count);

/* Encrypts one block in place: halves[0] is the left one. */
void fua_blowfish_encrypt(const fua_blowfish *state, uint32_t halves[2]);

#endif
