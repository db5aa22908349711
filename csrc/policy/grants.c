#include "policy/grants.h"

#include <string.h>

#include "base/prefetch.h"
#include "data/hash.h"
#include "data/intern.h"

void fua_grants_init(fua_grants *grants, const fua_allocator *al) {
    memset(grants, 0, sizeof *grants);
    grants->al = al;
}

void fua_grants_free(fua_grants *grants) {
    fua_free(grants->al, grants->slots);
    fua_grants_init(grants, grants->al);
}

void fua_grants_clear(fua_grants *grants) {
    if (grants->used > 0) {
        memset(grants->slots, 0xff, grants->slot_count * sizeof *grants->slots);
        grants->used = 0;
    }
}

static size_t home_of(const fua_grants *grants, uint32_t sub, uint32_t obj, uint32_t act, uint32_t group) {
    uint64_t hash = fua_mix(fua_mix(fua_mix(fua_mix(0, sub), obj), act), group);
    return (size_t)(((fua_mix_end(hash) >> 32) * (uint64_t)grants->slot_count) >> 32);
}

static size_t after(const fua_grants *grants, size_t slot) {
    return slot + 1 == grants->slot_count ? 0 : slot + 1;
}

/* Steps from one slot on to another. */
static size_t distance(const fua_grants *grants, size_t from, size_t to) {
    return to >= from ? to - from : to + grants->slot_count - from;
}

static size_t find_slot(const fua_grants *grants, uint32_t sub, uint32_t obj, uint32_t act, uint32_t group) {
    size_t slot = home_of(grants, sub, obj, act, group);
    for (;;) {
        const fua_grant *grant = &grants->slots[slot];
        if (grant->sub == FUA_NO_ID ||
            (grant->sub == sub && grant->obj == obj && grant->act == act && grant->group == group)) {
            return slot;
        }
        slot = after(grants, slot);
    }
}

const fua_grant *fua_grants_find(const fua_grants *grants, uint32_t sub, uint32_t obj, uint32_t act, uint32_t group) {
    if (grants->used == 0) {
        return NULL;
    }
    const fua_grant *grant = &grants->slots[find_slot(grants, sub, obj, act, group)];
    return grant->sub == FUA_NO_ID ? NULL : grant;
}

void fua_grants_prefetch(const fua_grants *grants, uint32_t sub, uint32_t obj, uint32_t act, uint32_t group) {
    if (grants->used > 0) {
        const fua_grant *home = &grants->slots[home_of(grants, sub, obj, act, group)];
        FUA_PREFETCH(home);
        FUA_PREFETCH((const void *)((uintptr_t)home + 64)); /* most searches end within two cache lines */
    }
}

static fua_status grow(fua_grants *grants) {
    if ((grants->used + 1) * 10 <= grants->slot_count * 7) {
        return FUA_OK;
    }
    fua_grants grown = *grants;
    grown.slot_count = grants->slot_count < 16 ? 16 : grants->slot_count + grants->slot_count / 2;
    if (grown.slot_count > UINT32_MAX) { /* home_of scales 32 bits */
        return FUA_ERR_OVERFLOW;
    }
    grown.slots = fua_alloc(grants->al, grown.slot_count, sizeof *grown.slots);
    if (grown.slots == NULL) {
        return FUA_ERR_NOMEM;
    }
    memset(grown.slots, 0xff, grown.slot_count * sizeof *grown.slots);
    for (size_t i = 0; i < grants->slot_count; i++) {
        const fua_grant *grant = &grants->slots[i];
        if (grant->sub != FUA_NO_ID) {
            grown.slots[find_slot(&grown, grant->sub, grant->obj, grant->act, grant->group)] = *grant;
        }
    }
    fua_free(grants->al, grants->slots);
    *grants = grown;
    return FUA_OK;
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
    fua_grant *grant = &grants->slots[find_slot(grants, sub, obj, act, group)];
    if (grant->sub == FUA_NO_ID) {
        *grant = (fua_grant){sub, obj, act, group, 0, 0};
        grants->used++;
    }
    ++*counter_of(grant, kind);
    return FUA_OK;
}

void fua_grants_remove(fua_grants *grants, uint32_t sub, uint32_t obj, uint32_t act, uint32_t group,
                       fua_grant_kind kind) {
    size_t hole = find_slot(grants, sub, obj, act, group);
    fua_grant *grant = &grants->slots[hole];
    --*counter_of(grant, kind);
    if (grant->allow > 0 || grant->deny > 0) {
        return;
    }
    for (size_t next = after(grants, hole); grants->slots[next].sub != FUA_NO_ID; next = after(grants, next)) {
        const fua_grant *moved = &grants->slots[next];
        size_t home = home_of(grants, moved->sub, moved->obj, moved->act, moved->group);
        if (distance(grants, home, next) >= distance(grants, hole, next)) {
            grants->slots[hole] = *moved;
            hole = next;
        }
    }
    grants->slots[hole].sub = FUA_NO_ID;
    grants->used--;
}
