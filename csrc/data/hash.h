/* Keyed hashing.  Strings from outside go through SipHash-1-3 (Aumasson and Bernstein, 2012), so nobody
 * without the key can make them collide; ids handed out by this library need only a good mix. */
#ifndef FUA_DATA_HASH_H
#define FUA_DATA_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct fua_hash_key {
    uint64_t k0, k1;
} fua_hash_key;

uint64_t fua_siphash13(const fua_hash_key *key, const void *data, size_t size);

/* Folds one id into a running hash; start from any seed, finish with fua_mix_end. */
static inline uint64_t fua_mix(uint64_t hash, uint32_t id) {
    hash = (hash ^ id) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ (hash >> 29);
}

static inline uint64_t fua_mix_end(uint64_t hash) {
    hash *= UINT64_C(0xBF58476D1CE4E5B9);
    return hash ^ (hash >> 32);
}

#endif
