#include "data/intern.h"

#include <string.h>

#include "base/prefetch.h"

void fua_intern_init(fua_intern *in, const fua_allocator *al, fua_hash_key key) {
    memset(in, 0, sizeof *in);
    in->al = al;
    in->key = key;
    in->free_head = FUA_NO_ID;
}

static void free_text(const fua_intern *in, fua_intern_entry *entry) {
    if (entry->size > FUA_INTERN_SHORT) {
        fua_free(in->al, entry->at.data);
    }
    entry->size = 0;
}

void fua_intern_free(fua_intern *in) {
    for (size_t i = 0; i < in->count; i++) {
        free_text(in, &in->entries[i]);
    }
    fua_free(in->al, in->entries);
    fua_free(in->al, in->slots);
    fua_intern_init(in, in->al, in->key);
}

fua_text fua_intern_text(const fua_intern *in, uint32_t id) {
    const fua_intern_entry *entry = &in->entries[id];
    return (fua_text){entry->size > FUA_INTERN_SHORT ? entry->at.data : entry->at.text, entry->size};
}

static uint32_t hash_of(const fua_intern *in, fua_text text) {
    return (uint32_t)fua_siphash13(&in->key, text.data, text.size);
}

/* The slot that holds the string, or the empty slot where it would go.  The table is never full. */
static size_t find_slot(const fua_intern *in, fua_text text, uint32_t hash) {
    size_t mask = in->slot_count - 1;
    size_t slot = hash & mask;
    while (in->slots[slot].id != FUA_NO_ID) {
        if (in->slots[slot].hash == hash && fua_text_equal(fua_intern_text(in, in->slots[slot].id), text)) {
            break;
        }
        slot = (slot + 1) & mask;
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
            FUA_PREFETCH(&in->slots[hashes[i] & (in->slot_count - 1)]);
        }
    }
}

void fua_intern_likely(const fua_intern *in, const uint32_t *hashes, size_t count, uint32_t *ids) {
    for (size_t i = 0; i < count; i++) {
        ids[i] = in->slot_count == 0 ? FUA_NO_ID : in->slots[hashes[i] & (in->slot_count - 1)].id;
        if (ids[i] != FUA_NO_ID) {
            FUA_PREFETCH(&in->entries[ids[i]]);
        }
    }
}

void fua_intern_finish(const fua_intern *in, const fua_text *texts, const uint32_t *hashes, size_t count,
                       uint32_t *ids) {
    for (size_t i = 0; i < count; i++) {
        ids[i] = in->slot_count == 0 ? FUA_NO_ID : in->slots[find_slot(in, texts[i], hashes[i])].id;
    }
}

void fua_intern_find_all(const fua_intern *in, const fua_text *texts, size_t count, uint32_t *ids) {
    uint32_t hashes[FUA_INTERN_BATCH];
    fua_intern_begin(in, texts, count, hashes);
    fua_intern_likely(in, hashes, count, ids);
    fua_intern_finish(in, texts, hashes, count, ids);
}

static fua_status grow_slots(fua_intern *in) {
    if ((in->used + 1) * 10 <= in->slot_count * 7) {
        return FUA_OK;
    }
    size_t next = in->slot_count < 16 ? 16 : in->slot_count * 2;
    fua_intern_slot *slots = fua_alloc(in->al, next, sizeof *slots);
    if (slots == NULL) {
        return FUA_ERR_NOMEM;
    }
    memset(slots, 0xff, next * sizeof *slots);
    for (size_t i = 0; i < in->slot_count; i++) {
        if (in->slots[i].id == FUA_NO_ID) {
            continue;
        }
        size_t slot = in->slots[i].hash & (next - 1);
        while (slots[slot].id != FUA_NO_ID) {
            slot = (slot + 1) & (next - 1);
        }
        slots[slot] = in->slots[i];
    }
    fua_free(in->al, in->slots);
    in->slots = slots;
    in->slot_count = next;
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
        fua_intern_entry *entry = &in->entries[in->slots[slot].id];
        if (entry->refs == UINT32_MAX) {
            return FUA_ERR_OVERFLOW;
        }
        entry->refs++;
        *id = in->slots[slot].id;
        return FUA_OK;
    }
    if (in->free_head == FUA_NO_ID) {
        if (in->count >= FUA_NO_ID / 2) { /* the upper half of the numbers is left to callers as a tag */
            return FUA_ERR_OVERFLOW;
        }
        void *block = in->entries;
        status = fua_grow(in->al, &block, &in->cap, in->count + 1, sizeof *in->entries);
        in->entries = block;
        if (status != FUA_OK) {
            return status;
        }
    }
    fua_intern_entry entry = {.size = (uint32_t)text.size, .refs = 1};
    if (text.size > FUA_INTERN_SHORT) {
        entry.at.data = fua_alloc(in->al, text.size, 1);
        if (entry.at.data == NULL) {
            return FUA_ERR_NOMEM;
        }
        memcpy(entry.at.data, text.data, text.size);
    } else if (text.size > 0) {
        memcpy(entry.at.text, text.data, text.size);
    }
    uint32_t fresh = in->free_head;
    if (fresh != FUA_NO_ID) {
        in->free_head = in->entries[fresh].refs;
    } else {
        fresh = (uint32_t)in->count++;
    }
    in->entries[fresh] = entry;
    in->slots[slot] = (fua_intern_slot){fresh, hash};
    in->used++;
    *id = fresh;
    return FUA_OK;
}

fua_status fua_intern_acquire(fua_intern *in, fua_text text, uint32_t *id) {
    return acquire(in, text, hash_of(in, text), id);
}

fua_status fua_intern_acquire_all(fua_intern *in, const fua_text *texts, size_t count, uint32_t *ids) {
    uint32_t hashes[FUA_INTERN_BATCH];
    fua_intern_begin(in, texts, count, hashes);
    fua_intern_likely(in, hashes, count, ids);
    for (size_t i = 0; i < count; i++) {
        fua_status status = acquire(in, texts[i], hashes[i], &ids[i]);
        if (status != FUA_OK) {
            while (i > 0) {
                fua_intern_release(in, ids[--i]);
            }
            return status;
        }
    }
    return FUA_OK;
}

void fua_intern_retain(fua_intern *in, uint32_t id) {
    in->entries[id].refs++;
}

void fua_intern_release(fua_intern *in, uint32_t id) {
    fua_intern_entry *entry = &in->entries[id];
    if (--entry->refs > 0) {
        return;
    }
    size_t mask = in->slot_count - 1;
    size_t hole = find_slot(in, fua_intern_text(in, id), hash_of(in, fua_intern_text(in, id)));
    /* Backward-shift deletion keeps every probe sequence unbroken without tombstones. */
    for (size_t next = (hole + 1) & mask; in->slots[next].id != FUA_NO_ID; next = (next + 1) & mask) {
        size_t home = in->slots[next].hash & mask;
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            in->slots[hole] = in->slots[next];
            hole = next;
        }
    }
    in->slots[hole].id = FUA_NO_ID;
    free_text(in, entry);
    entry->refs = in->free_head;
    in->free_head = id;
    in->used--;
}
