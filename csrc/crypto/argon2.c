/*
 * Memory is a matrix of blocks: a row per lane, cut into four slices.  Lanes of a slice do not depend on each other, so
 * they are computed in parallel; the slices one after the other.
 */
#include "crypto/argon2.h"

#include <string.h>

#include "base/secret.h"
#include "crypto/argon2_block.h"
#include "crypto/blake2b.h"

#if defined(_WIN32)
#define THREADS 0
#else
#include <pthread.h>
#define THREADS 1
#endif

#define SLICES 4
#define BLOCK_SIZE 1024
#define THREADS_MAX 16

typedef struct instance {
    const fua_argon2_cost *cost; /* borrowed */
    fua_argon2_block *memory;    /* owned */
    fua_argon2_fill fill;
    uint32_t lane_size, segment_size; /* blocks */
} instance;

typedef struct place {
    uint32_t pass, slice, lane;
} place;

/* --- hashing to any size -------------------------------------------------------------------------------------- */

static void store32(uint8_t *at, uint32_t word) {
    at[0] = (uint8_t)word;
    at[1] = (uint8_t)(word >> 8);
    at[2] = (uint8_t)(word >> 16);
    at[3] = (uint8_t)(word >> 24);
}

static void add32(fua_blake2b *hash, uint32_t word) {
    uint8_t bytes[4];
    store32(bytes, word);
    fua_blake2b_add(hash, bytes, sizeof bytes);
}

/* H' of RFC 9106, section 3.3. */
static void hash_long(const void *in, size_t in_size, uint8_t *out, size_t out_size) {
    fua_blake2b hash;
    uint8_t link[64];
    fua_blake2b_init(&hash, out_size < sizeof link ? out_size : sizeof link);
    add32(&hash, (uint32_t)out_size);
    fua_blake2b_add(&hash, in, in_size);
    if (out_size <= sizeof link) {
        fua_blake2b_end(&hash, out);
        return;
    }
    fua_blake2b_end(&hash, link);
    memcpy(out, link, 32);
    for (out += 32, out_size -= 32; out_size > sizeof link; out += 32, out_size -= 32) {
        fua_blake2b_init(&hash, sizeof link);
        fua_blake2b_add(&hash, link, sizeof link);
        fua_blake2b_end(&hash, link);
        memcpy(out, link, 32);
    }
    fua_blake2b_init(&hash, out_size);
    fua_blake2b_add(&hash, link, sizeof link);
    fua_blake2b_end(&hash, out);
    fua_wipe(link, sizeof link);
}

static void add_sized(fua_blake2b *hash, fua_bytes bytes) {
    add32(hash, (uint32_t)bytes.size);
    fua_blake2b_add(hash, bytes.data, bytes.size);
}

/* The first two blocks of each lane. */
static void start_lanes(const instance *in, fua_bytes password, fua_bytes salt, fua_bytes secret, fua_bytes data,
                        size_t out_size) {
    uint8_t seed[64 + 8], bytes[BLOCK_SIZE];
    fua_blake2b hash;
    fua_blake2b_init(&hash, 64);
    add32(&hash, in->cost->lanes);
    add32(&hash, (uint32_t)out_size);
    add32(&hash, in->cost->memory);
    add32(&hash, in->cost->passes);
    add32(&hash, in->cost->version);
    add32(&hash, (uint32_t)in->cost->type);
    add_sized(&hash, password);
    add_sized(&hash, salt);
    add_sized(&hash, secret);
    add_sized(&hash, data);
    fua_blake2b_end(&hash, seed);
    for (uint32_t lane = 0; lane < in->cost->lanes; lane++) {
        for (uint32_t i = 0; i < 2; i++) {
            fua_argon2_block *block = &in->memory[(size_t)lane * in->lane_size + i];
            store32(seed + 64, i);
            store32(seed + 68, lane);
            hash_long(seed, sizeof seed, bytes, sizeof bytes);
            for (size_t word = 0; word < FUA_ARGON2_WORDS; word++) {
                block->words[word] = 0;
                for (size_t j = 8; j-- > 0;) {
                    block->words[word] = block->words[word] << 8 | bytes[8 * word + j];
                }
            }
        }
    }
    fua_wipe(seed, sizeof seed);
    fua_wipe(bytes, sizeof bytes);
}

static void finish(const instance *in, uint8_t *out, size_t out_size) {
    uint8_t bytes[BLOCK_SIZE];
    for (size_t word = 0; word < FUA_ARGON2_WORDS; word++) {
        uint64_t sum = 0;
        for (size_t lane = 0; lane < in->cost->lanes; lane++) {
            sum ^= in->memory[(lane + 1) * in->lane_size - 1].words[word];
        }
        for (size_t i = 0; i < 8; i++) {
            bytes[8 * word + i] = (uint8_t)(sum >> 8 * i);
        }
    }
    hash_long(bytes, sizeof bytes, out, out_size);
    fua_wipe(bytes, sizeof bytes);
}

/* --- filling -------------------------------------------------------------------------------------------------- */

/* Whether the blocks to refer to are chosen without looking at the memory's contents. */
static int independent(const instance *in, place at) {
    return in->cost->type == FUA_ARGON2_I ||
           (in->cost->type == FUA_ARGON2_ID && at.pass == 0 && at.slice < SLICES / 2);
}

/* The next 128 pseudo-random words for such choices; input counts on. */
static void next_addresses(const instance *in, fua_argon2_block *input, fua_argon2_block *addresses) {
    static const fua_argon2_block zero = {{0}};
    input->words[6]++;
    in->fill(&zero, input, addresses, 0);
    in->fill(&zero, addresses, addresses, 0);
}

/* The block that block `index` of a segment refers to (RFC 9106, section 3.4). */
static const fua_argon2_block *referred(const instance *in, place at, uint32_t index, uint64_t random) {
    uint32_t lane = (uint32_t)(random >> 32) % in->cost->lanes;
    if (at.pass == 0 && at.slice == 0) {
        lane = at.lane;
    }
    /* blocks done: the other three slices of a later pass, or the earlier ones of the first; in the own lane also those
     * of this segment, without the one just before, which is used anyhow */
    uint32_t area = (at.pass == 0 ? at.slice : SLICES - 1) * in->segment_size;
    if (lane == at.lane) {
        area += index - 1;
    } else if (index == 0) {
        area--;
    }
    uint64_t x = random & UINT32_MAX;
    x = x * x >> 32;
    uint32_t relative = area - 1 - (uint32_t)(area * x >> 32);
    uint32_t from = at.pass == 0 || at.slice == SLICES - 1 ? 0 : (at.slice + 1) * in->segment_size;
    uint32_t position = (uint32_t)(((uint64_t)from + relative) % in->lane_size);
    return &in->memory[(size_t)lane * in->lane_size + position];
}

static void fill_segment(const instance *in, place at) {
    fua_argon2_block input = {{at.pass, at.lane, at.slice, (uint64_t)in->lane_size * in->cost->lanes, in->cost->passes,
                               (uint64_t)in->cost->type}};
    fua_argon2_block addresses;
    int blind = independent(in, at);
    int mix = at.pass != 0 && in->cost->version != 0x10;
    uint32_t first = at.pass == 0 && at.slice == 0 ? 2 : 0;
    fua_argon2_block *lane = &in->memory[(size_t)at.lane * in->lane_size];
    for (uint32_t i = first; i < in->segment_size; i++) {
        uint32_t position = at.slice * in->segment_size + i;
        const fua_argon2_block *before = &lane[position == 0 ? in->lane_size - 1 : position - 1];
        uint64_t random = before->words[0];
        if (blind) {
            if (i == first || i % FUA_ARGON2_WORDS == 0) {
                next_addresses(in, &input, &addresses);
            }
            random = addresses.words[i % FUA_ARGON2_WORDS];
        }
        in->fill(before, referred(in, at, i, random), &lane[position], mix);
    }
}

/* Lanes of one slice that one thread computes: first, first + step, ... */
typedef struct share {
    const instance *in;
    place at;
    uint32_t step;
} share;

static void *fill_share(void *argument) {
    share part = *(const share *)argument;
    for (; part.at.lane < part.in->cost->lanes; part.at.lane += part.step) {
        fill_segment(part.in, part.at);
    }
    return NULL;
}

static void fill_slice(const instance *in, uint32_t pass, uint32_t slice) {
    uint32_t count = in->cost->lanes < THREADS_MAX ? in->cost->lanes : THREADS_MAX;
    share parts[THREADS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        parts[i] = (share){in, {pass, slice, i}, count};
    }
#if THREADS
    pthread_t threads[THREADS_MAX];
    uint32_t running = 1; /* the first share is this thread's */
    while (running < count && pthread_create(&threads[running], NULL, fill_share, &parts[running]) == 0) {
        running++;
    }
#else
    uint32_t running = 1;
#endif
    (void)fill_share(&parts[0]);
    for (uint32_t i = running; i < count; i++) {
        (void)fill_share(&parts[i]);
    }
#if THREADS
    for (uint32_t i = 1; i < running; i++) {
        (void)pthread_join(threads[i], NULL);
    }
#endif
}

int fua_argon2_cost_valid(const fua_argon2_cost *cost) {
    return (cost->type == FUA_ARGON2_D || cost->type == FUA_ARGON2_I || cost->type == FUA_ARGON2_ID) &&
           (cost->version == 0x10 || cost->version == 0x13) && cost->lanes >= 1 &&
           cost->lanes <= FUA_ARGON2_LANES_MAX && cost->memory >= 8 * cost->lanes &&
           cost->memory <= FUA_ARGON2_MEMORY_MAX && cost->passes >= 1 && cost->passes <= FUA_ARGON2_PASSES_MAX;
}

fua_status fua_argon2(const fua_allocator *al, fua_cpu cpu, const fua_argon2_cost *cost, fua_bytes password,
                      fua_bytes salt, fua_bytes secret, fua_bytes data, uint8_t *out, size_t out_size) {
    if (!fua_argon2_cost_valid(cost) || password.size > FUA_ARGON2_INPUT_MAX || salt.size < FUA_ARGON2_SALT_MIN ||
        salt.size > FUA_ARGON2_INPUT_MAX || secret.size > FUA_ARGON2_INPUT_MAX || data.size > FUA_ARGON2_INPUT_MAX ||
        out_size < FUA_ARGON2_OUT_MIN || out_size > FUA_ARGON2_INPUT_MAX) {
        return FUA_ERR_ARG;
    }
    uint32_t segment_size = cost->memory / (SLICES * cost->lanes);
    instance in = {cost, NULL, fua_argon2_fill_of(cpu), SLICES * segment_size, segment_size};
    size_t blocks = (size_t)in.lane_size * cost->lanes;
    in.memory = fua_alloc(al, blocks, sizeof *in.memory);
    if (in.memory == NULL) {
        return FUA_ERR_NOMEM;
    }
    start_lanes(&in, password, salt, secret, data, out_size);
    for (uint32_t pass = 0; pass < cost->passes; pass++) {
        for (uint32_t slice = 0; slice < SLICES; slice++) {
            fill_slice(&in, pass, slice);
        }
    }
    finish(&in, out, out_size);
    fua_wipe(in.memory, blocks * sizeof *in.memory);
    fua_free(al, in.memory);
    return FUA_OK;
}
