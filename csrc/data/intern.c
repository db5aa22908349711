#include "data/intern.h"

#include <string.h>

#include "base/prefetch.h"

#define LINE 64 /* bytes of a cache line, as a rule */

_Static_assert(sizeof(fua_intern_slot) == LINE, "a slot fills a cache line");

void fua_intern_init(fua_intern *in, const fua_allocator *al, fua_hash_key key) {
    memset(in, 0, sizeof *in);
    in->al = al;
    in->key = key;
    in->free_head = FUA_NO_ID;
}

static void free_text(const fua_intern *in, const fua_intern_slot *slot) {
    if (slot->size > FUA_INTERN_SHORT) {
        fua_free(in->al, slot->at.data);
    }
}

void fua_intern_free(fua_intern *in) {
    for (size_t i = 0; i < in->slot_count; i++) {
        if (in->slots[i].id != FUA_NO_ID) {
            free_text(in, &in->slots[i]);
        }
    }
    fua_free(in->al, in->memory);
    fua_free(in->al, in->where);
    fua_intern_init(in, in->al, in->key);
}

static fua_text text_of(const fua_intern_slot *slot) {
    return (fua_text){slot->size > FUA_INTERN_SHORT ? slot->at.data : slot->at.text, slot->size};
}

fua_intern_slot *fua_intern_at(const fua_intern *in, uint32_t id) {
    return &in->slots[in->where[id]];
}

fua_text fua_intern_text(const fua_intern *in, uint32_t id) {
    return text_of(fua_intern_at(in, id));
}

static uint32_t hash_of(const fua_intern *in, fua_text text) {
    return (uint32_t)fua_siphash13(&in->key, text.data, text.size);
}

static size_t home_of(const fua_intern *in, uint32_t hash) {
    return (size_t)(((uint64_t)hash * (uint64_t)in->slot_count) >> 32);
}

static size_t after(const fua_intern *in, size_t slot) {
    return slot + 1 == in->slot_count ? 0 : slot + 1;
}

/* Steps from one slot on to another. */
static size_t distance(const fua_intern *in, size_t from, size_t to) {
    return to >= from ? to - from : to + in->slot_count - from;
}

/* The slot that holds the string, or the empty slot where it would go.  The table is never full. */
static size_t find_slot(const fua_intern *in, fua_text text, uint32_t hash) {
    size_t slot = home_of(in, hash);
    while (in->slots[slot].id != FUA_NO_ID &&
           !(in->slots[slot].hash == hash && fua_text_equal(text_of(&in->slots[slot]), text))) {
        slot = after(in, slot);
    }
    return slot;
}

uint32_t fua_intern_find(const fua_intern *in, fua_text text) {
    return in->used == 0 ? FUA_NO_ID : in->slots[find_slot(in, text, hash_of(in, text))].id;
}

void fua_intern_begin(const fua_intern *in, const fua_text *texts, size_t count, uint32_t *hashes) {
    for (size_t i = 0; i < count; i++) {
        hashes[i] = hash_of(in, texts[i]);
        if (in->slot_count > 0) {
            size_t home = home_of(in, hashes[i]);
            FUA_PREFETCH(&in->slots[home]);
            FUA_PREFETCH(&in->slots[after(in, home)]); /* every third string is not at home */
        }
    }
}

void fua_intern_likely(const fua_intern *in, const uint32_t *hashes, size_t count, fua_intern_slot **found) {
    for (size_t i = 0; i < count; i++) {
        found[i] = NULL;
        if (in->used == 0) {
            continue;
        }
        size_t slot = home_of(in, hashes[i]);
        while (in->slots[slot].id != FUA_NO_ID && in->slots[slot].hash != hashes[i]) {
            slot = after(in, slot);
        }
        if (in->slots[slot].id != FUA_NO_ID) {
            found[i] = &in->slots[slot];
        }
    }
}

bool fua_intern_confirm(const fua_intern *in, const fua_text *texts, const uint32_t *hashes, size_t count,
                        fua_intern_slot **found) {
    bool right = true;
    for (size_t i = 0; i < count; i++) {
        if (found[i] != NULL && !fua_text_equal(text_of(found[i]), texts[i])) {
            fua_intern_slot *slot = &in->slots[find_slot(in, texts[i], hashes[i])];
            found[i] = slot->id == FUA_NO_ID ? NULL : slot;
            right = false;
        }
    }
    return right;
}

void fua_intern_find_all(const fua_intern *in, const fua_text *texts, size_t count, uint32_t *ids) {
    uint32_t hashes[FUA_INTERN_BATCH] = {0};
    fua_intern_slot *found[FUA_INTERN_BATCH];
    fua_intern_begin(in, texts, count, hashes);
    fua_intern_likely(in, hashes, count, found);
    fua_intern_confirm(in, texts, hashes, count, found);
    for (size_t i = 0; i < count; i++) {
        ids[i] = found[i] == NULL ? FUA_NO_ID : found[i]->id;
    }
}

/* Puts a string into a slot that is empty. */
static void fill(fua_intern *in, size_t slot, const fua_intern_slot *content) {
    in->slots[slot] = *content;
    in->where[content->id] = (uint32_t)slot;
}

static fua_status grow_slots(fua_intern *in) {
    if ((in->used + 1) * 10 <= in->slot_count * 7) {
        return FUA_OK;
    }
    fua_intern grown = *in;
    grown.slot_count = in->slot_count < 16 ? 16 : in->slot_count + in->slot_count / 4;
    if (grown.slot_count > UINT32_MAX) {
        return FUA_ERR_OVERFLOW;
    }
    char *memory = fua_alloc(in->al, grown.slot_count + 1, sizeof *grown.slots);
    if (memory == NULL) {
        return FUA_ERR_NOMEM;
    }
    size_t beyond = (uintptr_t)memory % LINE;
    grown.memory = memory;
    grown.slots = (void *)(memory + (beyond == 0 ? 0 : LINE - beyond));
    memset(grown.slots, 0xff, grown.slot_count * sizeof *grown.slots);
    for (size_t i = 0; i < in->slot_count; i++) {
        if (in->slots[i].id != FUA_NO_ID) {
            size_t slot = home_of(&grown, in->slots[i].hash);
            while (grown.slots[slot].id != FUA_NO_ID) {
                slot = after(&grown, slot);
            }
            fill(&grown, slot, &in->slots[i]);
        }
    }
    fua_free(in->al, in->memory);
    *in = grown;
    return FUA_OK;
}

static fua_status acquire(fua_intern *in, fua_text text, uint32_t hash, uint32_t *id) {
    if (text.size >= UINT32_MAX) {
        return FUA_ERR_OVERFLOW;
    }
    fua_status status = grow_slots(in);
    if (status != FUA_OK) {
        return status;
    }
    size_t slot = find_slot(in, text, hash);
    if (in->slots[slot].id != FUA_NO_ID) {
        if (in->slots[slot].refs == UINT32_MAX) {
            return FUA_ERR_OVERFLOW;
        }
        in->slots[slot].refs++;
        *id = in->slots[slot].id;
        return FUA_OK;
    }
    if (in->free_head == FUA_NO_ID) {
        if (in->count >= FUA_NO_ID / 2) { /* the upper half of the numbers is left to callers as a tag */
            return FUA_ERR_OVERFLOW;
        }
        void *block = in->where;
        status = fua_grow(in->al, &block, &in->cap, in->count + 1, sizeof *in->where);
        in->where = block;
        if (status != FUA_OK) {
            return status;
        }
    }
    fua_intern_slot fresh = {.hash = hash, .size = (uint32_t)text.size, .refs = 1};
    if (text.size > FUA_INTERN_SHORT) {
        fresh.at.data = fua_alloc(in->al, text.size, 1);
        if (fresh.at.data == NULL) {
            return FUA_ERR_NOMEM;
        }
        memcpy(fresh.at.data, text.data, text.size);
    } else if (text.size > 0) {
        memcpy(fresh.at.text, text.data, text.size);
    }
    fresh.id = in->free_head;
    if (fresh.id != FUA_NO_ID) {
        in->free_head = in->where[fresh.id];
    } else {
        fresh.id = (uint32_t)in->count++;
    }
    fill(in, slot, &fresh);
    in->used++;
    *id = fresh.id;
    return FUA_OK;
}

fua_status fua_intern_acquire(fua_intern *in, fua_text text, uint32_t *id) {
    return acquire(in, text, hash_of(in, text), id);
}

fua_status fua_intern_acquire_all(fua_intern *in, const fua_text *texts, size_t count, uint32_t *ids) {
    uint32_t hashes[FUA_INTERN_BATCH];
    fua_intern_begin(in, texts, count, hashes);
    for (size_t i = 0; i < count; i++) {
        fua_status status = acquire(in, texts[i], hashes[i], &ids[i]);
        if (status != FUA_OK) {
            fua_intern_release_all(in, ids, i);
            return status;
        }
    }
    return FUA_OK;
}

void fua_intern_retain(fua_intern *in, uint32_t id) {
    fua_intern_at(in, id)->refs++;
}

void fua_intern_release(fua_intern *in, uint32_t id) {
    size_t hole = in->where[id];
    if (--in->slots[hole].refs > 0) {
        return;
    }
    free_text(in, &in->slots[hole]);
    /* Backward-shift deletion keeps every probe sequence unbroken without tombstones. */
    for (size_t next = after(in, hole); in->slots[next].id != FUA_NO_ID; next = after(in, next)) {
        if (distance(in, home_of(in, in->slots[next].hash), next) >= distance(in, hole, next)) {
            fill(in, hole, &in->slots[next]);
            hole = next;
        }
    }
    in->slots[hole].id = FUA_NO_ID;
    in->where[id] = in->free_head;
    in->free_head = id;
    in->used--;
}

void fua_intern_release_all(fua_intern *in, const uint32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++) {
        fua_intern_release(in, ids[i]);
    }
}
