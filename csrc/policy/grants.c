#include "policy/grants.h"

#include <stdbool.h>
#include <string.h>

#include "base/prefetch.h"
#include "data/hash.h"

#define WORD 8 /* tags compared at once; searches start at multiples of it */

void fua_grants_init(fua_grants *grants, const fua_allocator *al) {
    memset(grants, 0, sizeof *grants);
    grants->al = al;
}

void fua_grants_free(fua_grants *grants) {
    fua_free(grants->al, grants->slots);
    fua_free(grants->al, grants->tags);
    fua_grants_init(grants, grants->al);
}

void fua_grants_clear(fua_grants *grants) {
    if (grants->used > 0) {
        memset(grants->tags, 0, grants->slot_count);
        grants->used = 0;
    }
}

static uint64_t hash_of(uint32_t sub, uint32_t obj, uint32_t act, uint32_t group) {
    return fua_mix_end(fua_mix(fua_mix(fua_mix(fua_mix(0, sub), obj), act), group));
}

static size_t home_of(const fua_grants *grants, uint64_t hash) {
    return (size_t)(((hash >> 32) * (uint64_t)(grants->slot_count / WORD)) >> 32) * WORD;
}

static uint8_t tag_of(uint64_t hash) {
    uint8_t tag = (uint8_t)hash;
    return tag == 0 ? 1 : tag;
}

static size_t forward(const fua_grants *grants, size_t slot, size_t steps) {
    return slot + steps >= grants->slot_count ? slot + steps - grants->slot_count : slot + steps;
}

/* Steps from one slot on to another. */
static size_t distance(const fua_grants *grants, size_t from, size_t to) {
    return to >= from ? to - from : to + grants->slot_count - from;
}

/* The first byte is the lowest, whatever the byte order of the machine. */
static uint64_t tags_at(const fua_grants *grants, size_t slot) {
    const uint8_t *at = grants->tags + slot;
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24 |
           (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 | (uint64_t)at[7] << 56;
}

/* The top bit of each byte that is zero, and no other bit. */
static uint64_t zero_bytes(uint64_t word) {
    const uint64_t low = UINT64_C(0x7F7F7F7F7F7F7F7F);
    return ~(((word & low) + low) | word | low);
}

/* The number of the lowest byte that zero_bytes marked; WORD when there is none. */
static size_t first_byte(uint64_t marks) {
#if defined(__GNUC__) || defined(__clang__)
    return marks == 0 ? WORD : (size_t)__builtin_ctzll(marks) / 8;
#else
    size_t byte = 0;
    while (byte < WORD && (marks >> (8 * byte) & 0x80) == 0) {
        byte++;
    }
    return byte;
#endif
}

/* The slot of a key, or the empty slot where it would go; *found tells which. The table is never full. */
static size_t find_slot(const fua_grants *grants, uint32_t sub, uint32_t obj, uint32_t act, uint32_t group,
                        bool *found) {
    uint64_t hash = hash_of(sub, obj, act, group);
    uint64_t wanted = tag_of(hash) * UINT64_C(0x0101010101010101);
    for (size_t home = home_of(grants, hash);; home = forward(grants, home, WORD)) {
        uint64_t tags = tags_at(grants, home);
        size_t empty = first_byte(zero_bytes(tags));
        for (uint64_t like = zero_bytes(tags ^ wanted); like != 0; like &= like - 1) {
            if (first_byte(like) > empty) {
                break;
            }
            size_t slot = home + first_byte(like);
            const fua_grant *grant = &grants->slots[slot];
            if (grant->sub == sub && grant->obj == obj && grant->act == act && grant->group == group) {
                *found = true;
                return slot;
            }
        }
        if (empty < WORD) {
            *found = false;
            return home + empty;
        }
    }
}

const fua_grant *fua_grants_find(const fua_grants *grants, uint32_t sub, uint32_t obj, uint32_t act, uint32_t group) {
    bool found;
    if (grants->used == 0) {
        return NULL;
    }
    size_t slot = find_slot(grants, sub, obj, act, group, &found);
    return found ? &grants->slots[slot] : NULL;
}

void fua_grants_prefetch(const fua_grants *grants, uint32_t sub, uint32_t obj, uint32_t act, uint32_t group) {
    if (grants->used > 0) {
        FUA_PREFETCH(grants->tags + home_of(grants, hash_of(sub, obj, act, group)));
    }
}

/* Moves everything to a table of that many slots, or a few more. */
static fua_status resize(fua_grants *grants, size_t slot_count) {
    fua_grants grown = *grants;
    grown.slot_count = (slot_count + WORD - 1) / WORD * WORD;
    if (grown.slot_count > UINT32_MAX) { /* home_of scales 32 bits */
        return FUA_ERR_OVERFLOW;
    }
    grown.slots = fua_alloc(grants->al, grown.slot_count, sizeof *grown.slots);
    grown.tags = grown.slots == NULL ? NULL : fua_calloc(grants->al, grown.slot_count, 1);
    if (grown.tags == NULL) {
        fua_free(grants->al, grown.slots);
        return FUA_ERR_NOMEM;
    }
    for (size_t i = 0; i < grants->slot_count; i++) {
        if (grants->tags[i] != 0) {
            const fua_grant *grant = &grants->slots[i];
            bool found;
            size_t slot = find_slot(&grown, grant->sub, grant->obj, grant->act, grant->group, &found);
            grown.slots[slot] = *grant;
            grown.tags[slot] = grants->tags[i];
        }
    }
    fua_free(grants->al, grants->slots);
    fua_free(grants->al, grants->tags);
    *grants = grown;
    return FUA_OK;
}

static fua_status grow(fua_grants *grants) {
    if ((grants->used + 1) * 10 <= grants->slot_count * 8) {
        return FUA_OK;
    }
    return resize(grants, grants->slot_count < 16 ? 16 : grants->slot_count + grants->slot_count / 2);
}

fua_status fua_grants_reserve(fua_grants *grants, size_t count) {
    if (count > UINT32_MAX || count * 10 <= grants->slot_count * 8) {
        return count > UINT32_MAX ? FUA_ERR_OVERFLOW : FUA_OK;
    }
    return resize(grants, count * 10 / 8 + 16);
}

static uint32_t *counter_of(fua_grant *grant, fua_grant_kind kind) {
    return kind == FUA_GRANT_ALLOW ? &grant->allow : &grant->deny;
}

fua_status fua_grants_add(fua_grants *grants, uint32_t sub, uint32_t obj, uint32_t act, uint32_t group,
                          fua_grant_kind kind) {
    fua_status status = grow(grants);
    if (status != FUA_OK) {
        return status;
    }
    bool found;
    size_t slot = find_slot(grants, sub, obj, act, group, &found);
    if (!found) {
        grants->slots[slot] = (fua_grant){sub, obj, act, group, 0, 0};
        grants->tags[slot] = tag_of(hash_of(sub, obj, act, group));
        grants->used++;
    }
    ++*counter_of(&grants->slots[slot], kind);
    return FUA_OK;
}

void fua_grants_remove(fua_grants *grants, uint32_t sub, uint32_t obj, uint32_t act, uint32_t group,
                       fua_grant_kind kind) {
    bool found;
    size_t hole = find_slot(grants, sub, obj, act, group, &found);
    fua_grant *grant = &grants->slots[hole];
    --*counter_of(grant, kind);
    if (grant->allow > 0 || grant->deny > 0) {
        return;
    }
    /* What stands behind moves up, so that no search meets a hole before its end. */
    for (size_t next = forward(grants, hole, 1); grants->tags[next] != 0; next = forward(grants, next, 1)) {
        const fua_grant *moved = &grants->slots[next];
        size_t home = home_of(grants, hash_of(moved->sub, moved->obj, moved->act, moved->group));
        if (distance(grants, home, next) >= distance(grants, hole, next)) {
            grants->slots[hole] = *moved;
            grants->tags[hole] = grants->tags[next];
            hole = next;
        }
    }
    grants->tags[hole] = 0;
    grants->used--;
}
