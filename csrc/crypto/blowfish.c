#include "crypto/blowfish.h"

#include <stddef.h>

#include "crypto/blowfish_tables.h"

/*
 * Time goes into one chain of dependent operations per round: extract a byte, load, add, xor, add, xor.  So the rounds
 * are unrolled on two locals and the subkey enters `to` before the slow part is known.  The second byte is the late one
 * (shift, then mask); x86 with BMI takes it in one instruction, which gcc does not choose by itself: about 5 % off the
 * whole.  Hence the extraction is a parameter, and the hot function exists in up to two versions.
 */
#define BYTE2_SHIFT(word) (((word) >> 16) & 0xFFU)

#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__) && !defined(FUA_BLOWFISH_PORTABLE)
#define HAVE_BMI_VERSION 1
#define BYTE2_BMI(word) __builtin_ia32_bextr_u32((word), 0x0810U) /* 8 bits from bit 16 */
#endif

#define ROUND(st, from, to, n, BYTE2)                                                                                  \
    do {                                                                                                               \
        (to) ^= (st)->p[n];                                                                                            \
        (to) ^= (((st)->s[0][(from) >> 24] + (st)->s[1][BYTE2(from)]) ^ (st)->s[2][((from) >> 8) & 0xFFU]) +           \
                (st)->s[3][(from) & 0xFFU];                                                                            \
    } while (0)

#define ENCRYPT(st, left, right, BYTE2)                                                                                \
    do {                                                                                                               \
        (left) ^= (st)->p[0];                                                                                          \
        ROUND(st, left, right, 1, BYTE2);                                                                              \
        ROUND(st, right, left, 2, BYTE2);                                                                              \
        ROUND(st, left, right, 3, BYTE2);                                                                              \
        ROUND(st, right, left, 4, BYTE2);                                                                              \
        ROUND(st, left, right, 5, BYTE2);                                                                              \
        ROUND(st, right, left, 6, BYTE2);                                                                              \
        ROUND(st, left, right, 7, BYTE2);                                                                              \
        ROUND(st, right, left, 8, BYTE2);                                                                              \
        ROUND(st, left, right, 9, BYTE2);                                                                              \
        ROUND(st, right, left, 10, BYTE2);                                                                             \
        ROUND(st, left, right, 11, BYTE2);                                                                             \
        ROUND(st, right, left, 12, BYTE2);                                                                             \
        ROUND(st, left, right, 13, BYTE2);                                                                             \
        ROUND(st, right, left, 14, BYTE2);                                                                             \
        ROUND(st, left, right, 15, BYTE2);                                                                             \
        ROUND(st, right, left, 16, BYTE2);                                                                             \
        uint32_t swapped_ = (right) ^ (st)->p[17];                                                                     \
        (right) = (left);                                                                                              \
        (left) = swapped_;                                                                                             \
    } while (0)

void fua_blowfish_init(fua_blowfish *state) {
    *state = fua_blowfish_initial;
}

void fua_blowfish_encrypt(const fua_blowfish *state, uint32_t halves[2]) {
    uint32_t left = halves[0];
    uint32_t right = halves[1];
    ENCRYPT(state, left, right, BYTE2_SHIFT);
    halves[0] = left;
    halves[1] = right;
}

void fua_blowfish_expand_salted(fua_blowfish *state, const uint32_t key[FUA_BLOWFISH_SUBKEYS], const uint32_t salt[4]) {
    uint32_t left = 0;
    uint32_t right = 0;
    size_t half = 0; /* which half of the salt is next */
    for (size_t i = 0; i < FUA_BLOWFISH_SUBKEYS; i++) {
        state->p[i] ^= key[i];
    }
    for (size_t i = 0; i < FUA_BLOWFISH_SUBKEYS; i += 2) {
        left ^= salt[half];
        right ^= salt[half + 1];
        half ^= 2;
        ENCRYPT(state, left, right, BYTE2_SHIFT);
        state->p[i] = left;
        state->p[i + 1] = right;
    }
    for (size_t box = 0; box < 4; box++) {
        for (size_t i = 0; i < 256; i += 2) {
            left ^= salt[half];
            right ^= salt[half + 1];
            half ^= 2;
            ENCRYPT(state, left, right, BYTE2_SHIFT);
            state->s[box][i] = left;
            state->s[box][i + 1] = right;
        }
    }
}

#define DEFINE_EXPAND_PAIRS(name, BYTE2)                                                                               \
    static void name(fua_blowfish *restrict state, const uint32_t *restrict first, const uint32_t *restrict second,    \
                     uint32_t count) {                                                                                 \
        for (uint64_t turn = 0; turn < 2 * (uint64_t)count; turn++) {                                                  \
            const uint32_t *key = turn % 2 == 0 ? first : second;                                                      \
            uint32_t left = 0;                                                                                         \
            uint32_t right = 0;                                                                                        \
            for (size_t i = 0; i < FUA_BLOWFISH_SUBKEYS; i++) {                                                        \
                state->p[i] ^= key[i];                                                                                 \
            }                                                                                                          \
            for (size_t i = 0; i < FUA_BLOWFISH_SUBKEYS; i += 2) {                                                     \
                ENCRYPT(state, left, right, BYTE2);                                                                    \
                state->p[i] = left;                                                                                    \
                state->p[i + 1] = right;                                                                               \
            }                                                                                                          \
            for (size_t box = 0; box < 4; box++) {                                                                     \
                for (size_t i = 0; i < 256; i += 2) {                                                                  \
                    ENCRYPT(state, left, right, BYTE2);                                                                \
                    state->s[box][i] = left;                                                                           \
                    state->s[box][i + 1] = right;                                                                      \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

DEFINE_EXPAND_PAIRS(expand_pairs_portable, BYTE2_SHIFT)

#ifdef HAVE_BMI_VERSION
__attribute__((target("bmi"))) DEFINE_EXPAND_PAIRS(expand_pairs_bmi, BYTE2_BMI)
#endif

void fua_blowfish_expand_pairs(fua_blowfish *state, const uint32_t first[FUA_BLOWFISH_SUBKEYS],
                               const uint32_t second[FUA_BLOWFISH_SUBKEYS], uint32_t count) {
#ifdef HAVE_BMI_VERSION
    if (__builtin_cpu_supports("bmi")) {
        expand_pairs_bmi(state, first, second, count);
        return;
    }
#endif
    expand_pairs_portable(state, first, second, count);
}
