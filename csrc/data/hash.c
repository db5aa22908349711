#include "data/hash.h"

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define SIP_ROUND()                                                                                                    \
    do {                                                                                                               \
        v0 += v1;                                                                                                      \
        v2 += v3;                                                                                                      \
        v1 = ROTL(v1, 13) ^ v0;                                                                                        \
        v3 = ROTL(v3, 16) ^ v2;                                                                                        \
        v0 = ROTL(v0, 32);                                                                                             \
        v2 += v1;                                                                                                      \
        v0 += v3;                                                                                                      \
        v1 = ROTL(v1, 17) ^ v2;                                                                                        \
        v3 = ROTL(v3, 21) ^ v0;                                                                                        \
        v2 = ROTL(v2, 32);                                                                                             \
    } while (0)

static uint64_t load_le(const unsigned char *bytes, size_t count) {
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++) {
        word |= (uint64_t)bytes[i] << (8 * i);
    }
    return word;
}

uint64_t fua_siphash13(const fua_hash_key *key, const void *data, size_t size) {
    uint64_t v0 = UINT64_C(0x736f6d6570736575) ^ key->k0;
    uint64_t v1 = UINT64_C(0x646f72616e646f6d) ^ key->k1;
    uint64_t v2 = UINT64_C(0x6c7967656e657261) ^ key->k0;
    uint64_t v3 = UINT64_C(0x7465646279746573) ^ key->k1;
    const unsigned char *bytes = data;
    size_t left = size;
    while (left >= 8) {
        uint64_t word = load_le(bytes, 8);
        v3 ^= word;
        SIP_ROUND();
        v0 ^= word;
        bytes += 8;
        left -= 8;
    }
    uint64_t last = load_le(bytes, left) | ((uint64_t)(size & 0xff) << 56);
    v3 ^= last;
    SIP_ROUND();
    v0 ^= last;
    v2 ^= 0xff;
    SIP_ROUND();
    SIP_ROUND();
    SIP_ROUND();
    return v0 ^ v1 ^ v2 ^ v3;
}
