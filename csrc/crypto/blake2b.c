#include "crypto/blake2b.h"

#include <string.h>

#include "base/secret.h"

/* As for SHA-512: fractional bits of the square roots of the first primes. */
static const uint64_t start[8] = {
    UINT64_C(0x6A09E667F3BCC908), UINT64_C(0xBB67AE8584CAA73B), UINT64_C(0x3C6EF372FE94F82B),
    UINT64_C(0xA54FF53A5F1D36F1), UINT64_C(0x510E527FADE682D1), UINT64_C(0x9B05688C2B3E6C1F),
    UINT64_C(0x1F83D9ABFB41BD6B), UINT64_C(0x5BE0CD19137E2179),
};

static const uint8_t order[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static uint64_t rotr(uint64_t x, unsigned by) {
    return x >> by | x << (64 - by);
}

static void mix(uint64_t *v, size_t a, size_t b, size_t c, size_t d, uint64_t x, uint64_t y) {
    v[a] += v[b] + x;
    v[d] = rotr(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = rotr(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = rotr(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotr(v[b] ^ v[c], 63);
}

static void compress(fua_blake2b *hash, uint64_t last) {
    uint64_t v[16], m[16];
    for (size_t i = 0; i < 16; i++) {
        m[i] = 0;
        for (size_t j = 8; j-- > 0;) {
            m[i] = m[i] << 8 | hash->block[8 * i + j];
        }
        v[i] = i < 8 ? hash->state[i] : start[i - 8];
    }
    v[12] ^= hash->total[0];
    v[13] ^= hash->total[1];
    v[14] ^= last;
    for (size_t round = 0; round < 12; round++) {
        const uint8_t *s = order[round % 10];
        for (size_t i = 0; i < 4; i++) {
            mix(v, i, 4 + i, 8 + i, 12 + i, m[s[2 * i]], m[s[2 * i + 1]]);
        }
        for (size_t i = 0; i < 4; i++) {
            mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
        }
    }
    for (size_t i = 0; i < 8; i++) {
        hash->state[i] ^= v[i] ^ v[i + 8];
    }
    fua_wipe(m, sizeof m);
    fua_wipe(v, sizeof v);
}

void fua_blake2b_init(fua_blake2b *hash, size_t digest_size) {
    memset(hash, 0, sizeof *hash);
    memcpy(hash->state, start, sizeof start);
    hash->state[0] ^= UINT64_C(0x01010000) ^ digest_size;
    hash->digest_size = digest_size;
}

static void count(fua_blake2b *hash) {
    hash->total[0] += hash->held;
    hash->total[1] += hash->total[0] < hash->held;
}

void fua_blake2b_add(fua_blake2b *hash, const void *data, size_t size) {
    const uint8_t *at = data;
    while (size > 0) {
        if (hash->held == sizeof hash->block) { /* not before: the last block is marked as such */
            count(hash);
            compress(hash, 0);
            hash->held = 0;
        }
        size_t part = sizeof hash->block - hash->held;
        part = part < size ? part : size;
        memcpy(hash->block + hash->held, at, part);
        hash->held += part;
        at += part;
        size -= part;
    }
}

void fua_blake2b_end(fua_blake2b *hash, uint8_t *digest) {
    count(hash);
    memset(hash->block + hash->held, 0, sizeof hash->block - hash->held);
    compress(hash, UINT64_MAX);
    for (size_t i = 0; i < hash->digest_size; i++) {
        digest[i] = (uint8_t)(hash->state[i / 8] >> (i % 8 * 8));
    }
    fua_wipe(hash, sizeof *hash);
}
