#include "crypto/base64.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static const char *const alphabets[] = {
    [FUA_BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    [FUA_BASE64_STANDARD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    [FUA_BASE64_DOT] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./",
};

/* One more than the value of the characters that all alphabets share; 0 for others. */
static const uint8_t shared[256] = {
    ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8,
    ['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62,
};

/* The value of one character, or 64 for one outside the alphabet. */
static inline uint32_t value_of(const char *letters, char c) {
    uint32_t value = shared[(unsigned char)c];
    return value != 0 ? value - 1 : c == letters[62] ? 62 : c == letters[63] ? 63 : 64;
}

#if defined(__SSE2__)

static uint32_t load32(const uint8_t *at) { /* reads four bytes */
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Encodes twelve bytes, of thirteen that can be read: four values in each of four lanes, turned into letters by what
 * is added to the values of each range. */
static void encode12(const char *letters, const uint8_t *at, char *out) {
    const __m128i six = _mm_set1_epi32(63);
    __m128i v = _mm_set_epi32((int)load32(at + 9), (int)load32(at + 6), (int)load32(at + 3), (int)load32(at));
    v = _mm_or_si128(_mm_or_si128(_mm_srli_epi32(v, 26), _mm_slli_epi32(_mm_and_si128(_mm_srli_epi32(v, 20), six), 8)),
                     _mm_or_si128(_mm_slli_epi32(_mm_and_si128(_mm_srli_epi32(v, 14), six), 16),
                                  _mm_slli_epi32(_mm_and_si128(_mm_srli_epi32(v, 8), six), 24)));
    __m128i above_upper = _mm_cmpgt_epi8(v, _mm_set1_epi8(25)), above_lower = _mm_cmpgt_epi8(v, _mm_set1_epi8(51));
    __m128i is62 = _mm_cmpeq_epi8(v, _mm_set1_epi8(62)), is63 = _mm_cmpeq_epi8(v, _mm_set1_epi8(63));
    __m128i added = _mm_set1_epi8('A');
    added = _mm_add_epi8(added, _mm_and_si128(above_upper, _mm_set1_epi8('a' - 26 - 'A')));
    added = _mm_add_epi8(added, _mm_and_si128(above_lower, _mm_set1_epi8('0' - 52 - ('a' - 26))));
    added = _mm_add_epi8(added, _mm_and_si128(is62, _mm_set1_epi8((char)(letters[62] - 62 - ('0' - 52)))));
    added = _mm_add_epi8(added, _mm_and_si128(is63, _mm_set1_epi8((char)(letters[63] - 63 - ('0' - 52)))));
    _mm_storeu_si128((__m128i *)(void *)out, _mm_add_epi8(v, added));
}

#endif

char *fua_base64_encode(fua_base64 alphabet, const void *data, size_t size, char *out) {
    const char *letters = alphabets[alphabet];
    const uint8_t *at = data;
#if defined(__SSE2__)
    for (; size >= 13; size -= 12, at += 12, out += 16) {
        encode12(letters, at, out);
    }
#endif
    for (; size >= 3; size -= 3, at += 3) {
        uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
        out[0] = letters[bits >> 18];
        out[1] = letters[bits >> 12 & 63U];
        out[2] = letters[bits >> 6 & 63U];
        out[3] = letters[bits & 63U];
        out += 4;
    }
    if (size > 0) {
        uint32_t bits = (uint32_t)at[0] << 16 | (size > 1 ? (uint32_t)at[1] << 8 : 0);
        *out++ = letters[bits >> 18];
        *out++ = letters[bits >> 12 & 63U];
        if (size > 1) {
            *out++ = letters[bits >> 6 & 63U];
        }
    }
    return out;
}

fua_status fua_base64_decode(fua_base64 alphabet, const char *text, size_t size, void *out, size_t *out_size) {
    const char *letters = alphabets[alphabet];
    uint8_t *to = out;
    uint32_t bad = 0; /* bit 6 is set by any character outside the alphabet */
    for (; size >= 4; size -= 4, text += 4) {
        uint32_t a = value_of(letters, text[0]), b = value_of(letters, text[1]);
        uint32_t c = value_of(letters, text[2]), d = value_of(letters, text[3]);
        uint32_t bits = a << 18 | b << 12 | c << 6 | d;
        bad |= a | b | c | d;
        to[0] = (uint8_t)(bits >> 16);
        to[1] = (uint8_t)(bits >> 8);
        to[2] = (uint8_t)bits;
        to += 3;
    }
    if (size == 1) {
        return FUA_ERR_SYNTAX;
    }
    if (size > 1) {
        uint32_t a = value_of(letters, text[0]), b = value_of(letters, text[1]);
        uint32_t c = size > 2 ? value_of(letters, text[2]) : 0;
        uint32_t left_over = size > 2 ? c & 3U : b & 15U;
        bad |= a | b | c | (left_over != 0 ? 64U : 0);
        *to++ = (uint8_t)(a << 2 | b >> 4);
        if (size > 2) {
            *to++ = (uint8_t)(b << 4 | c >> 2);
        }
    }
    if ((bad & 64U) != 0) {
        return FUA_ERR_SYNTAX;
    }
    *out_size = (size_t)(to - (uint8_t *)out);
    return FUA_OK;
}
