#include "crypto/sha.h"

#include <string.h>

#include "base/secret.h"

#if FUA_X86
#include <immintrin.h>
#endif

/* The first 32 or 64 fractional bits of the cube roots of the first primes (FIPS 180-4, 4.2.2 and 4.2.3). */
static const uint32_t K256[64] = {
    0x428A2F98U, 0x71374491U, 0xB5C0FBCFU, 0xE9B5DBA5U, 0x3956C25BU, 0x59F111F1U, 0x923F82A4U, 0xAB1C5ED5U,
    0xD807AA98U, 0x12835B01U, 0x243185BEU, 0x550C7DC3U, 0x72BE5D74U, 0x80DEB1FEU, 0x9BDC06A7U, 0xC19BF174U,
    0xE49B69C1U, 0xEFBE4786U, 0x0FC19DC6U, 0x240CA1CCU, 0x2DE92C6FU, 0x4A7484AAU, 0x5CB0A9DCU, 0x76F988DAU,
    0x983E5152U, 0xA831C66DU, 0xB00327C8U, 0xBF597FC7U, 0xC6E00BF3U, 0xD5A79147U, 0x06CA6351U, 0x14292967U,
    0x27B70A85U, 0x2E1B2138U, 0x4D2C6DFCU, 0x53380D13U, 0x650A7354U, 0x766A0ABBU, 0x81C2C92EU, 0x92722C85U,
    0xA2BFE8A1U, 0xA81A664BU, 0xC24B8B70U, 0xC76C51A3U, 0xD192E819U, 0xD6990624U, 0xF40E3585U, 0x106AA070U,
    0x19A4C116U, 0x1E376C08U, 0x2748774CU, 0x34B0BCB5U, 0x391C0CB3U, 0x4ED8AA4AU, 0x5B9CCA4FU, 0x682E6FF3U,
    0x748F82EEU, 0x78A5636FU, 0x84C87814U, 0x8CC70208U, 0x90BEFFFAU, 0xA4506CEBU, 0xBEF9A3F7U, 0xC67178F2U,
};

static const uint64_t K512[80] = {
    UINT64_C(0x428A2F98D728AE22), UINT64_C(0x7137449123EF65CD), UINT64_C(0xB5C0FBCFEC4D3B2F), UINT64_C(0xE9B5DBA58189DBBC),
    UINT64_C(0x3956C25BF348B538), UINT64_C(0x59F111F1B605D019), UINT64_C(0x923F82A4AF194F9B), UINT64_C(0xAB1C5ED5DA6D8118),
    UINT64_C(0xD807AA98A3030242), UINT64_C(0x12835B0145706FBE), UINT64_C(0x243185BE4EE4B28C), UINT64_C(0x550C7DC3D5FFB4E2),
    UINT64_C(0x72BE5D74F27B896F), UINT64_C(0x80DEB1FE3B1696B1), UINT64_C(0x9BDC06A725C71235), UINT64_C(0xC19BF174CF692694),
    UINT64_C(0xE49B69C19EF14AD2), UINT64_C(0xEFBE4786384F25E3), UINT64_C(0x0FC19DC68B8CD5B5), UINT64_C(0x240CA1CC77AC9C65),
    UINT64_C(0x2DE92C6F592B0275), UINT64_C(0x4A7484AA6EA6E483), UINT64_C(0x5CB0A9DCBD41FBD4), UINT64_C(0x76F988DA831153B5),
    UINT64_C(0x983E5152EE66DFAB), UINT64_C(0xA831C66D2DB43210), UINT64_C(0xB00327C898FB213F), UINT64_C(0xBF597FC7BEEF0EE4),
    UINT64_C(0xC6E00BF33DA88FC2), UINT64_C(0xD5A79147930AA725), UINT64_C(0x06CA6351E003826F), UINT64_C(0x142929670A0E6E70),
    UINT64_C(0x27B70A8546D22FFC), UINT64_C(0x2E1B21385C26C926), UINT64_C(0x4D2C6DFC5AC42AED), UINT64_C(0x53380D139D95B3DF),
    UINT64_C(0x650A73548BAF63DE), UINT64_C(0x766A0ABB3C77B2A8), UINT64_C(0x81C2C92E47EDAEE6), UINT64_C(0x92722C851482353B),
    UINT64_C(0xA2BFE8A14CF10364), UINT64_C(0xA81A664BBC423001), UINT64_C(0xC24B8B70D0F89791), UINT64_C(0xC76C51A30654BE30),
    UINT64_C(0xD192E819D6EF5218), UINT64_C(0xD69906245565A910), UINT64_C(0xF40E35855771202A), UINT64_C(0x106AA07032BBD1B8),
    UINT64_C(0x19A4C116B8D2D0C8), UINT64_C(0x1E376C085141AB53), UINT64_C(0x2748774CDF8EEB99), UINT64_C(0x34B0BCB5E19B48A8),
    UINT64_C(0x391C0CB3C5C95A63), UINT64_C(0x4ED8AA4AE3418ACB), UINT64_C(0x5B9CCA4F7763E373), UINT64_C(0x682E6FF3D6B2B8A3),
    UINT64_C(0x748F82EE5DEFB2FC), UINT64_C(0x78A5636F43172F60), UINT64_C(0x84C87814A1F0AB72), UINT64_C(0x8CC702081A6439EC),
    UINT64_C(0x90BEFFFA23631E28), UINT64_C(0xA4506CEBDE82BDE9), UINT64_C(0xBEF9A3F7B2C67915), UINT64_C(0xC67178F2E372532B),
    UINT64_C(0xCA273ECEEA26619C), UINT64_C(0xD186B8C721C0C207), UINT64_C(0xEADA7DD6CDE0EB1E), UINT64_C(0xF57D4F7FEE6ED178),
    UINT64_C(0x06F067AA72176FBA), UINT64_C(0x0A637DC5A2C898A6), UINT64_C(0x113F9804BEF90DAE), UINT64_C(0x1B710B35131C471B),
    UINT64_C(0x28DB77F523047D84), UINT64_C(0x32CAAB7B40C72493), UINT64_C(0x3C9EBE0A15C9BEBC), UINT64_C(0x431D67C49C100D4C),
    UINT64_C(0x4CC5D4BECB3E42B6), UINT64_C(0x597F299CFC657E2A), UINT64_C(0x5FCB6FAB3AD6FAEC), UINT64_C(0x6C44198C4A475817),
};

static inline uint32_t load32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void store32(uint8_t *at, uint32_t word) {
    at[0] = (uint8_t)(word >> 24);
    at[1] = (uint8_t)(word >> 16);
    at[2] = (uint8_t)(word >> 8);
    at[3] = (uint8_t)word;
}

static inline uint64_t load64(const uint8_t *at) {
    return (uint64_t)load32(at) << 32 | load32(at + 4);
}

static inline void store64(uint8_t *at, uint64_t word) {
    store32(at, (uint32_t)(word >> 32));
    store32(at + 4, (uint32_t)word);
}

#define ROTR(bits, x, by) (((x) >> (by)) | ((x) << ((bits) - (by))))

/* FIPS 180-4, 4.1.2 and 4.1.3: upper functions for the rounds, lower ones for the schedule. */
#define SIGMAS(BITS, WORD, A1, A2, A3, E1, E2, E3, S1, S2, S3, T1, T2, T3)                                             \
    static inline WORD upper0_##BITS(WORD x) {                                                                         \
        return ROTR(BITS, x, A1) ^ ROTR(BITS, x, A2) ^ ROTR(BITS, x, A3);                                              \
    }                                                                                                                  \
    static inline WORD upper1_##BITS(WORD x) {                                                                         \
        return ROTR(BITS, x, E1) ^ ROTR(BITS, x, E2) ^ ROTR(BITS, x, E3);                                              \
    }                                                                                                                  \
    static inline WORD lower0_##BITS(WORD x) {                                                                         \
        return ROTR(BITS, x, S1) ^ ROTR(BITS, x, S2) ^ (x >> S3);                                                      \
    }                                                                                                                  \
    static inline WORD lower1_##BITS(WORD x) {                                                                         \
        return ROTR(BITS, x, T1) ^ ROTR(BITS, x, T2) ^ (x >> T3);                                                      \
    }
SIGMAS(32, uint32_t, 2, 13, 22, 6, 11, 25, 7, 18, 3, 17, 19, 10)
SIGMAS(64, uint64_t, 28, 34, 39, 14, 18, 41, 1, 8, 7, 19, 61, 6)

/* The rounds are written out: words change their names instead of their places, and a ^ b of one round is b ^ c of the
 * next.  ADDEND(i) is the sum of constant and schedule for round i of sixteen, AFTER(BITS, i) what is done after it for
 * the next sixteen, in the gaps that the rounds leave, each of which waits for the one before. */
#define ROUND(BITS, a, b, c, d, e, f, g, h, i, ADDEND, AFTER)                                                          \
    h += upper1_##BITS(e) + (g ^ (e & (f ^ g))) + ADDEND(i);                                                           \
    d += h;                                                                                                            \
    h += upper0_##BITS(a) + (((a ^ b) & (b ^ c)) ^ b);                                                                 \
    AFTER(BITS, i)
#define EIGHT_ROUNDS(BITS, i, ADDEND, AFTER)                                                                           \
    ROUND(BITS, a, b, c, d, e, f, g, h, i, ADDEND, AFTER)                                                              \
    ROUND(BITS, h, a, b, c, d, e, f, g, i + 1, ADDEND, AFTER)                                                          \
    ROUND(BITS, g, h, a, b, c, d, e, f, i + 2, ADDEND, AFTER)                                                          \
    ROUND(BITS, f, g, h, a, b, c, d, e, i + 3, ADDEND, AFTER)                                                          \
    ROUND(BITS, e, f, g, h, a, b, c, d, i + 4, ADDEND, AFTER)                                                          \
    ROUND(BITS, d, e, f, g, h, a, b, c, i + 5, ADDEND, AFTER)                                                          \
    ROUND(BITS, c, d, e, f, g, h, a, b, i + 6, ADDEND, AFTER)                                                          \
    ROUND(BITS, b, c, d, e, f, g, h, a, i + 7, ADDEND, AFTER)
#define SIXTEEN_ROUNDS(BITS, ADDEND, AFTER)                                                                            \
    EIGHT_ROUNDS(BITS, 0, ADDEND, AFTER)                                                                               \
    EIGHT_ROUNDS(BITS, 8, ADDEND, AFTER)
#define NOTHING(BITS, i)

/* The words a to h around the rounds of a block. */
#define TAKE(WORD, FIELD)                                                                                              \
    WORD a = state->FIELD[0], b = state->FIELD[1], c = state->FIELD[2], d = state->FIELD[3];                           \
    WORD e = state->FIELD[4], f = state->FIELD[5], g = state->FIELD[6], h = state->FIELD[7];
#define ADD(FIELD)                                                                                                     \
    state->FIELD[0] += a;                                                                                              \
    state->FIELD[1] += b;                                                                                              \
    state->FIELD[2] += c;                                                                                              \
    state->FIELD[3] += d;                                                                                              \
    state->FIELD[4] += e;                                                                                              \
    state->FIELD[5] += f;                                                                                              \
    state->FIELD[6] += g;                                                                                              \
    state->FIELD[7] += h;

/* `w` has the last 16 words of the schedule. */
#define SUM(i) (k[i] + w[i])
#define NEXT_WORD(BITS, i) w[i] += lower0_##BITS(w[(i + 1) & 15]) + w[(i + 9) & 15] + lower1_##BITS(w[(i + 14) & 15]);
#define COMPRESS(NAME, BITS, WORD, FIELD, ROUNDS, K)                                                                   \
    static void NAME(fua_sha_state *state, const uint8_t *data, size_t blocks) {                                       \
        WORD w[16];                                                                                                    \
        for (; blocks > 0; blocks--, data += sizeof w) {                                                               \
            TAKE(WORD, FIELD)                                                                                          \
            const WORD *k = K;                                                                                         \
            for (unsigned i = 0; i < 16; i++) {                                                                        \
                w[i] = load##BITS(data + i * sizeof(WORD));                                                            \
            }                                                                                                          \
            for (; k < K + ROUNDS - 16; k += 16) {                                                                     \
                SIXTEEN_ROUNDS(BITS, SUM, NEXT_WORD)                                                                   \
            }                                                                                                          \
            SIXTEEN_ROUNDS(BITS, SUM, NOTHING)                                                                         \
            ADD(FIELD)                                                                                                 \
        }                                                                                                              \
        fua_wipe(w, sizeof w);                                                                                         \
    }
COMPRESS(compress256, 32, uint32_t, w32, 64, K256)
COMPRESS(compress512, 64, uint64_t, w64, 80, K512)

/* FIPS 180-4, 6.1.2. */
static void compress1(fua_sha_state *state, const uint8_t *data, size_t blocks) {
    static const uint32_t k[4] = {0x5A827999U, 0x6ED9EBA1U, 0x8F1BBCDCU, 0xCA62C1D6U};
    uint32_t w[16];
    for (; blocks > 0; blocks--, data += sizeof w) {
        uint32_t a = state->w32[0], b = state->w32[1], c = state->w32[2], d = state->w32[3], e = state->w32[4];
        for (unsigned i = 0; i < 80; i++) {
            if (i < 16) {
                w[i] = load32(data + 4 * i);
            } else {
                uint32_t x = w[(i + 13) & 15] ^ w[(i + 8) & 15] ^ w[(i + 2) & 15] ^ w[i & 15];
                w[i & 15] = ROTR(32, x, 31);
            }
            uint32_t f = i < 20 ? d ^ (b & (c ^ d)) : i >= 40 && i < 60 ? (b & c) | (d & (b | c)) : b ^ c ^ d;
            uint32_t t = ROTR(32, a, 27) + f + e + k[i / 20] + w[i & 15];
            e = d;
            d = c;
            c = ROTR(32, b, 2);
            b = a;
            a = t;
        }
        state->w32[0] += a;
        state->w32[1] += b;
        state->w32[2] += c;
        state->w32[3] += d;
        state->w32[4] += e;
    }
    fua_wipe(w, sizeof w);
}

#if FUA_X86

/* Four rounds on the words in M0.  The instructions keep the state as ABEF and CDGH. */
#define X86_ROUNDS(I, M0)                                                                                              \
    do {                                                                                                               \
        __m128i sum = _mm_add_epi32(M0, _mm_loadu_si128((const __m128i *)(const void *)(K256 + 4 * (I))));             \
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);                                                                 \
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));                                        \
    } while (0)

/* M0, the words 16 back, becomes the next four words of the schedule. */
#define X86_SCHEDULE(M0, M1, M2, M3)                                                                                   \
    (M0 = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(M0, M1), _mm_alignr_epi8(M3, M2, 4)), M3))

#define X86_SCHEDULED_ROUNDS(I)                                                                                        \
    do {                                                                                                               \
        X86_SCHEDULE(m0, m1, m2, m3);                                                                                  \
        X86_ROUNDS((I), m0);                                                                                           \
        X86_SCHEDULE(m1, m2, m3, m0);                                                                                  \
        X86_ROUNDS((I) + 1, m1);                                                                                       \
        X86_SCHEDULE(m2, m3, m0, m1);                                                                                  \
        X86_ROUNDS((I) + 2, m2);                                                                                       \
        X86_SCHEDULE(m3, m0, m1, m2);                                                                                  \
        X86_ROUNDS((I) + 3, m3);                                                                                       \
    } while (0)

__attribute__((target("sha,sse4.1,ssse3"))) static void compress256_x86(fua_sha_state *state, const uint8_t *data,
                                                                         size_t blocks) {
    const __m128i big_endian = _mm_set_epi32(0x0C0D0E0F, 0x08090A0B, 0x04050607, 0x00010203);
    __m128i *words = (__m128i *)(void *)state->w32;
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128(words), 0xB1);      /* from low to high: b a d c */
    __m128i high = _mm_shuffle_epi32(_mm_loadu_si128(words + 1), 0x1B); /* h g f e */
    __m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xF0);
    for (; blocks > 0; blocks--, data += 64) {
        const __m128i *in = (const __m128i *)(const void *)data;
        __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i m0 = _mm_shuffle_epi8(_mm_loadu_si128(in), big_endian);
        __m128i m1 = _mm_shuffle_epi8(_mm_loadu_si128(in + 1), big_endian);
        __m128i m2 = _mm_shuffle_epi8(_mm_loadu_si128(in + 2), big_endian);
        __m128i m3 = _mm_shuffle_epi8(_mm_loadu_si128(in + 3), big_endian);
        X86_ROUNDS(0, m0);
        X86_ROUNDS(1, m1);
        X86_ROUNDS(2, m2);
        X86_ROUNDS(3, m3);
        X86_SCHEDULED_ROUNDS(4);
        X86_SCHEDULED_ROUNDS(8);
        X86_SCHEDULED_ROUNDS(12);
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    low = _mm_shuffle_epi32(abef, 0x1B);  /* a b e f */
    high = _mm_shuffle_epi32(cdgh, 0xB1); /* g h c d */
    _mm_storeu_si128(words, _mm_blend_epi16(low, high, 0xF0));
    _mm_storeu_si128(words + 1, _mm_alignr_epi8(high, low, 8));
}

/* SHA-1: four rounds at once, and the four words of the schedule that take the place of theirs. */
#define FOUR_ROUNDS(I)                                                                                                 \
    e = (I) == 0 ? _mm_add_epi32(e, m[0]) : _mm_sha1nexte_epu32(e, m[(I) & 3]);                                        \
    abcd_there = abcd;                                                                                                 \
    abcd = _mm_sha1rnds4_epu32(abcd, e, (I) / 5);                                                                      \
    e = abcd_there;                                                                                                    \
    if ((I) < 16) {                                                                                                    \
        m[(I) & 3] = _mm_xor_si128(_mm_sha1msg1_epu32(m[(I) & 3], m[((I) + 1) & 3]), m[((I) + 2) & 3]);                \
        m[(I) & 3] = _mm_sha1msg2_epu32(m[(I) & 3], m[((I) + 3) & 3]);                                                 \
    }
#define TWENTY_ROUNDS(I) FOUR_ROUNDS(I) FOUR_ROUNDS(I + 1) FOUR_ROUNDS(I + 2) FOUR_ROUNDS(I + 3) FOUR_ROUNDS(I + 4)

__attribute__((target("sha,sse4.1,ssse3"))) static void compress1_x86(fua_sha_state *state, const uint8_t *data,
                                                                       size_t blocks) {
    const __m128i big_endian = _mm_set_epi64x(0x0001020304050607, 0x08090A0B0C0D0E0F);
    __m128i *words = (__m128i *)(void *)state->w32;
    __m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128(words), 0x1B), e = _mm_set_epi32((int)state->w32[4], 0, 0, 0);
    for (; blocks > 0; blocks--, data += 64) {
        __m128i abcd_before = abcd, e_before = e, abcd_there, m[4];
        for (unsigned i = 0; i < 4; i++) {
            m[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)data + i), big_endian);
        }
        TWENTY_ROUNDS(0)
        TWENTY_ROUNDS(5)
        TWENTY_ROUNDS(10)
        TWENTY_ROUNDS(15)
        e = _mm_sha1nexte_epu32(e, e_before);
        abcd = _mm_add_epi32(abcd, abcd_before);
    }
    _mm_storeu_si128(words, _mm_shuffle_epi32(abcd, 0x1B));
    state->w32[4] = (uint32_t)_mm_extract_epi32(e, 3);
}

/* SHA-512 with the schedule two words at a time: `pairs` has its last 16, `sums` those with the constants added. */
#define ROTR_PAIR(x, by) _mm_or_si128(_mm_srli_epi64(x, by), _mm_slli_epi64(x, 64 - (by)))
#define SUM_THERE(i) sums[i]
#define ADD_CONSTANTS(i)                                                                                               \
    _mm_storeu_si128((__m128i *)(void *)(sums + 2 * (i)),                                                              \
                     _mm_add_epi64(pairs[i], _mm_loadu_si128((const __m128i *)(const void *)(k + 2 * (i)))))
#define NEXT_PAIR(BITS, i)                                                                                             \
    if ((i) % 2 == 1) {                                                                                                \
        const __m128i first = pairs[(i) / 2], last = pairs[((i) / 2 + 7) & 7];                                         \
        const __m128i one_on = _mm_alignr_epi8(pairs[((i) / 2 + 1) & 7], first, 8);                                    \
        const __m128i nine_on = _mm_alignr_epi8(pairs[((i) / 2 + 5) & 7], pairs[((i) / 2 + 4) & 7], 8);                \
        const __m128i lower0 =                                                                                         \
            _mm_xor_si128(_mm_xor_si128(ROTR_PAIR(one_on, 1), ROTR_PAIR(one_on, 8)), _mm_srli_epi64(one_on, 7));       \
        const __m128i lower1 =                                                                                         \
            _mm_xor_si128(_mm_xor_si128(ROTR_PAIR(last, 19), ROTR_PAIR(last, 61)), _mm_srli_epi64(last, 6));           \
        pairs[(i) / 2] = _mm_add_epi64(_mm_add_epi64(first, lower0), _mm_add_epi64(nine_on, lower1));                  \
        ADD_CONSTANTS((i) / 2);                                                                                        \
    }

__attribute__((target("avx2,bmi,bmi2"))) static void compress512_x86(fua_sha_state *state, const uint8_t *data,
                                                                      size_t blocks) {
    const __m128i big_endian = _mm_set_epi64x(0x08090A0B0C0D0E0F, 0x0001020304050607);
    uint64_t sums[16];
    for (; blocks > 0; blocks--, data += 128) {
        TAKE(uint64_t, w64)
        const uint64_t *k = K512;
        __m128i pairs[8];
        for (unsigned i = 0; i < 8; i++) {
            pairs[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)data + i), big_endian);
            ADD_CONSTANTS(i);
        }
        for (k += 16; k < K512 + 80; k += 16) {
            SIXTEEN_ROUNDS(64, SUM_THERE, NEXT_PAIR)
        }
        SIXTEEN_ROUNDS(64, SUM_THERE, NOTHING)
        ADD(w64)
    }
    fua_wipe(sums, sizeof sums);
}

#endif

fua_sha fua_sha_of(fua_sha_kind kind, fua_cpu cpu) {
    (void)cpu;
    if (kind == FUA_SHA1) {
        fua_sha hash = {compress1, 64, 20, kind};
#if FUA_X86
        if (cpu.sha) {
            hash.compress = compress1_x86;
        }
#endif
        return hash;
    }
    if (kind != FUA_SHA256) {
        fua_sha hash = {compress512, 128, kind == FUA_SHA384 ? 48 : 64, kind};
#if FUA_X86
        if (cpu.avx2) {
            hash.compress = compress512_x86;
        }
#endif
        return hash;
    }
#if FUA_X86
    if (cpu.sha) {
        return (fua_sha){compress256_x86, 64, 32, kind};
    }
#endif
    return (fua_sha){compress256, 64, 32, kind};
}

void fua_sha_start(const fua_sha *hash, fua_sha_state *state) {
    /* FIPS 180-4, 5.3: fractional bits of the square roots of the first primes, for SHA-384 of the ninth and on. */
    static const uint32_t h256[8] = {
        0x6A09E667U, 0xBB67AE85U, 0x3C6EF372U, 0xA54FF53AU, 0x510E527FU, 0x9B05688CU, 0x1F83D9ABU, 0x5BE0CD19U,
    };
    static const uint32_t h1[5] = {0x67452301U, 0xEFCDAB89U, 0x98BADCFEU, 0x10325476U, 0xC3D2E1F0U};
    static const uint64_t h384[8] = {
        UINT64_C(0xCBBB9D5DC1059ED8), UINT64_C(0x629A292A367CD507), UINT64_C(0x9159015A3070DD17), UINT64_C(0x152FECD8F70E5939),
        UINT64_C(0x67332667FFC00B31), UINT64_C(0x8EB44A8768581511), UINT64_C(0xDB0C2E0D64F98FA7), UINT64_C(0x47B5481DBEFA4FA4),
    };
    static const uint64_t h512[8] = {
        UINT64_C(0x6A09E667F3BCC908), UINT64_C(0xBB67AE8584CAA73B), UINT64_C(0x3C6EF372FE94F82B), UINT64_C(0xA54FF53A5F1D36F1),
        UINT64_C(0x510E527FADE682D1), UINT64_C(0x9B05688C2B3E6C1F), UINT64_C(0x1F83D9ABFB41BD6B), UINT64_C(0x5BE0CD19137E2179),
    };
    if (hash->kind == FUA_SHA1) {
        memcpy(state->w32, h1, sizeof h1);
    } else if (hash->kind == FUA_SHA256) {
        memcpy(state->w32, h256, sizeof h256);
    } else {
        memcpy(state->w64, hash->kind == FUA_SHA384 ? h384 : h512, sizeof h512);
    }
}

void fua_sha_finish(const fua_sha *hash, fua_sha_state *state, uint64_t before, const void *data, size_t size,
                     uint8_t *digest) {
    uint8_t tail[2 * FUA_SHA_BLOCK_MAX];
    size_t blocks = size / hash->block_size, rest = size % hash->block_size;
    size_t length_size = hash->block_size / 8; /* the message's size in bits ends the last block */
    size_t end = rest + 1 + length_size <= hash->block_size ? hash->block_size : 2 * hash->block_size;
    uint64_t total = before + size;
    if (blocks != 0) {
        hash->compress(state, data, blocks);
    }
    if (rest != 0) {
        memcpy(tail, (const uint8_t *)data + blocks * hash->block_size, rest);
    }
    tail[rest] = 0x80;
    memset(tail + rest + 1, 0, end - rest - 1);
    store64(tail + end - 8, total << 3);
    if (length_size == 16) {
        tail[end - 9] = (uint8_t)(total >> 61);
    }
    hash->compress(state, tail, end / hash->block_size);
    fua_wipe(tail, end);
    if (hash->block_size == 64) {
        for (size_t i = 0; i < hash->digest_size / 4; i++) {
            store32(digest + 4 * i, state->w32[i]);
        }
    } else {
        for (size_t i = 0; i < hash->digest_size / 8; i++) {
            store64(digest + 8 * i, state->w64[i]);
        }
    }
}

void fua_sha_digest(const fua_sha *hash, const void *data, size_t size, uint8_t *digest) {
    fua_sha_state state;
    fua_sha_start(hash, &state);
    fua_sha_finish(hash, &state, 0, data, size, digest);
    fua_wipe(&state, sizeof state);
}
