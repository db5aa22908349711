/*
 * The block is a matrix of 8 x 8 registers of two words.  The permutation P (BLAKE2b's round with multiplications) goes
 * over each row, then over each column of registers.  P sees its eight registers as a 4 x 4 matrix of words: A0 A1 are
 * its first row, B0 B1 the second, and so on; it mixes columns, then diagonals.
 *
 * The vector code is one macro for both widths: with 128 bits a register is a vector, with 256 two of them from
 * neighbouring rows or columns go through P side by side.
 */
#include "crypto/argon2_block.h"

#include <string.h>

#if FUA_X86
#include <immintrin.h>
#endif

/* --- plain C -------------------------------------------------------------------------------------------------- */

static inline uint64_t rotr(uint64_t x, unsigned by) {
    return x >> by | x << (64 - by);
}

static inline uint64_t multiply_add(uint64_t x, uint64_t y) {
    return x + y + 2 * (uint64_t)(uint32_t)x * (uint32_t)y;
}

static inline void mix_words(uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d) {
    *a = multiply_add(*a, *b);
    *d = rotr(*d ^ *a, 32);
    *c = multiply_add(*c, *d);
    *b = rotr(*b ^ *c, 24);
    *a = multiply_add(*a, *b);
    *d = rotr(*d ^ *a, 16);
    *c = multiply_add(*c, *d);
    *b = rotr(*b ^ *c, 63);
}

/* P on the registers at first, first + step, ... */
static inline void permute(uint64_t *first, size_t step) {
    uint64_t v[16];
    for (size_t i = 0; i < 16; i++) {
        v[i] = first[i / 2 * step + i % 2];
    }
    for (size_t i = 0; i < 4; i++) {
        mix_words(&v[i], &v[4 + i], &v[8 + i], &v[12 + i]);
    }
    for (size_t i = 0; i < 4; i++) {
        mix_words(&v[i], &v[4 + (i + 1) % 4], &v[8 + (i + 2) % 4], &v[12 + (i + 3) % 4]);
    }
    for (size_t i = 0; i < 16; i++) {
        first[i / 2 * step + i % 2] = v[i];
    }
}

void fua_argon2_fill_portable(const fua_argon2_block *left, const fua_argon2_block *right, fua_argon2_block *out,
                              int mix) {
    fua_argon2_block sum, work;
    for (size_t i = 0; i < FUA_ARGON2_WORDS; i++) {
        work.words[i] = left->words[i] ^ right->words[i];
        sum.words[i] = work.words[i] ^ (mix ? out->words[i] : 0);
    }
    for (size_t row = 0; row < 8; row++) {
        permute(work.words + 16 * row, 2);
    }
    for (size_t column = 0; column < 8; column++) {
        permute(work.words + 2 * column, 16);
    }
    for (size_t i = 0; i < FUA_ARGON2_WORDS; i++) {
        out->words[i] = sum.words[i] ^ work.words[i];
    }
}

#if FUA_X86

/* --- vectors -------------------------------------------------------------------------------------------------- */

#define MULTIPLY_ADD(X, Y) ADD(ADD(X, Y), DOUBLE(MULTIPLY(X, Y)))
#define DOUBLE(X) ADD(X, X)
#define HALF_MIX(A, B, C, D, ROT_D, ROT_B)                                                                             \
    do {                                                                                                               \
        A##0 = MULTIPLY_ADD(A##0, B##0);                                                                               \
        A##1 = MULTIPLY_ADD(A##1, B##1);                                                                               \
        D##0 = ROT_D(XOR(D##0, A##0));                                                                                 \
        D##1 = ROT_D(XOR(D##1, A##1));                                                                                 \
        C##0 = MULTIPLY_ADD(C##0, D##0);                                                                               \
        C##1 = MULTIPLY_ADD(C##1, D##1);                                                                               \
        B##0 = ROT_B(XOR(B##0, C##0));                                                                                 \
        B##1 = ROT_B(XOR(B##1, C##1));                                                                                 \
    } while (0)

/* MIDDLE(X, Y) is the high word of X and the low word of Y: what shifts the rows of the matrix by one or three. */
#define PERMUTE()                                                                                                      \
    do {                                                                                                               \
        VECTOR s, t;                                                                                                   \
        HALF_MIX(a, b, c, d, ROT32, ROT24);                                                                            \
        HALF_MIX(a, b, c, d, ROT16, ROT63);                                                                            \
        s = MIDDLE(b0, b1), t = MIDDLE(b1, b0), b0 = s, b1 = t;                                                        \
        s = c0, c0 = c1, c1 = s;                                                                                       \
        s = MIDDLE(d1, d0), t = MIDDLE(d0, d1), d0 = s, d1 = t;                                                        \
        HALF_MIX(a, b, c, d, ROT32, ROT24);                                                                            \
        HALF_MIX(a, b, c, d, ROT16, ROT63);                                                                            \
        s = MIDDLE(b1, b0), t = MIDDLE(b0, b1), b0 = s, b1 = t;                                                        \
        s = c0, c0 = c1, c1 = s;                                                                                       \
        s = MIDDLE(d0, d1), t = MIDDLE(d1, d0), d0 = s, d1 = t;                                                        \
    } while (0)

/* P on eight vectors of w[]. */
#define PERMUTE_AT(I0, I1, I2, I3, I4, I5, I6, I7)                                                                     \
    do {                                                                                                               \
        VECTOR a0 = w[I0], a1 = w[I1], b0 = w[I2], b1 = w[I3], c0 = w[I4], c1 = w[I5], d0 = w[I6], d1 = w[I7];         \
        PERMUTE();                                                                                                     \
        w[I0] = a0, w[I1] = a1, w[I2] = b0, w[I3] = b1, w[I4] = c0, w[I5] = c1, w[I6] = d0, w[I7] = d1;                \
    } while (0)

#if defined(__SSE2__)
/* 128 bits: SSE2, which every x86-64 has */
#define VECTOR __m128i
#define ADD _mm_add_epi64
#define XOR _mm_xor_si128
#define MULTIPLY _mm_mul_epu32
#define ROT32(X) _mm_shuffle_epi32((X), 0xB1)
#define ROT24(X) _mm_or_si128(_mm_srli_epi64((X), 24), _mm_slli_epi64((X), 40))
#define ROT16(X) _mm_shufflehi_epi16(_mm_shufflelo_epi16((X), 0x39), 0x39)
#define ROT63(X) _mm_xor_si128(_mm_srli_epi64((X), 63), _mm_add_epi64((X), (X)))
#define MIDDLE(X, Y) _mm_castpd_si128(_mm_shuffle_pd(_mm_castsi128_pd(X), _mm_castsi128_pd(Y), 1))

static void fill_sse2(const fua_argon2_block *left, const fua_argon2_block *right, fua_argon2_block *out, int mix) {
    const __m128i *l = (const __m128i *)(const void *)left->words, *r = (const __m128i *)(const void *)right->words;
    __m128i *o = (__m128i *)(void *)out->words;
    __m128i w[64], sum[64];
    for (size_t i = 0; i < 64; i++) {
        w[i] = XOR(_mm_loadu_si128(l + i), _mm_loadu_si128(r + i));
        sum[i] = mix ? XOR(w[i], _mm_loadu_si128(o + i)) : w[i];
    }
    for (size_t i = 0; i < 64; i += 8) {
        PERMUTE_AT(i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, i + 7);
    }
    for (size_t i = 0; i < 8; i++) {
        PERMUTE_AT(i, i + 8, i + 16, i + 24, i + 32, i + 40, i + 48, i + 56);
    }
    for (size_t i = 0; i < 64; i++) {
        _mm_storeu_si128(o + i, XOR(sum[i], w[i]));
    }
}

#endif

#undef VECTOR
#undef ADD
#undef XOR
#undef MULTIPLY
#undef ROT32
#undef ROT24
#undef ROT16
#undef ROT63
#undef MIDDLE

/* 256 bits: AVX2 */
#define VECTOR __m256i
#define ADD _mm256_add_epi64
#define XOR _mm256_xor_si256
#define MULTIPLY _mm256_mul_epu32
#define ROT32(X) _mm256_shuffle_epi32((X), 0xB1)
#define ROT24(X) _mm256_shuffle_epi8((X), by24)
#define ROT16(X) _mm256_shuffle_epi8((X), by16)
#define ROT63(X) _mm256_xor_si256(_mm256_srli_epi64((X), 63), _mm256_add_epi64((X), (X)))
#define MIDDLE(X, Y) _mm256_castpd_si256(_mm256_shuffle_pd(_mm256_castsi256_pd(X), _mm256_castsi256_pd(Y), 5))

/* Two rows of registers, in four vectors each, become eight vectors of one register from either; and back. */
#define TURN(X, Y)                                                                                                     \
    do {                                                                                                               \
        VECTOR low = _mm256_permute2x128_si256(X, Y, 0x20);                                                            \
        Y = _mm256_permute2x128_si256(X, Y, 0x31);                                                                     \
        X = low;                                                                                                       \
    } while (0)

__attribute__((target("avx2"))) static void fill_avx2(const fua_argon2_block *left, const fua_argon2_block *right,
                                                      fua_argon2_block *out, int mix) {
    const __m256i by24 = _mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7, 0, 1, 2,
                                          11, 12, 13, 14, 15, 8, 9, 10);
    const __m256i by16 = _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6, 7, 0, 1,
                                          10, 11, 12, 13, 14, 15, 8, 9);
    const __m256i *l = (const __m256i *)(const void *)left->words, *r = (const __m256i *)(const void *)right->words;
    __m256i *o = (__m256i *)(void *)out->words;
    __m256i w[32], sum[32];
    for (size_t i = 0; i < 32; i++) {
        w[i] = XOR(_mm256_loadu_si256(l + i), _mm256_loadu_si256(r + i));
        sum[i] = mix ? XOR(w[i], _mm256_loadu_si256(o + i)) : w[i];
    }
    for (size_t i = 0; i < 32; i += 8) { /* rows, two at once */
        TURN(w[i], w[i + 4]);
        TURN(w[i + 1], w[i + 5]);
        TURN(w[i + 2], w[i + 6]);
        TURN(w[i + 3], w[i + 7]);
        PERMUTE_AT(i, i + 4, i + 1, i + 5, i + 2, i + 6, i + 3, i + 7);
        TURN(w[i], w[i + 4]);
        TURN(w[i + 1], w[i + 5]);
        TURN(w[i + 2], w[i + 6]);
        TURN(w[i + 3], w[i + 7]);
    }
    for (size_t i = 0; i < 4; i++) { /* columns, two at once */
        PERMUTE_AT(i, i + 4, i + 8, i + 12, i + 16, i + 20, i + 24, i + 28);
    }
    for (size_t i = 0; i < 32; i++) {
        _mm256_storeu_si256(o + i, XOR(sum[i], w[i]));
    }
}

#endif

fua_argon2_fill fua_argon2_fill_of(fua_cpu cpu) {
    (void)cpu;
#if FUA_X86
    if (cpu.avx2) {
        return fill_avx2;
    }
#if defined(__SSE2__)
    return fill_sse2;
#endif
#endif
    return fua_argon2_fill_portable;
}
