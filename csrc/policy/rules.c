#include "policy/rules.h"

#include <string.h>

#include "data/hash.h"

void fua_rules_init(fua_rules *rules, const fua_allocator *al, size_t width) {
    memset(rules, 0, sizeof *rules);
    rules->al = al;
    rules->width = width;
    for (size_t chain = 0; chain < FUA_CHAINS; chain++) {
        fua_idmap_init(&rules->heads[chain], al);
    }
}

void fua_rules_free(fua_rules *rules) {
    fua_free(rules->al, rules->fields);
    fua_free(rules->al, rules->next);
    fua_free(rules->al, rules->prev);
    fua_free(rules->al, rules->slots);
    for (size_t chain = 0; chain < FUA_CHAINS; chain++) {
        fua_idmap_free(&rules->heads[chain]);
    }
    fua_rules_init(rules, rules->al, rules->width);
}

static size_t home_of(const fua_rules *rules, const uint32_t *fields) {
    uint64_t hash = 0;
    for (size_t i = 0; i < rules->width; i++) {
        hash = fua_mix(hash, fields[i]);
    }
    return (size_t)fua_mix_end(hash) & (rules->slot_count - 1);
}

static size_t find_slot(const fua_rules *rules, const uint32_t *fields) {
    size_t slot = home_of(rules, fields);
    while (rules->slots[slot] != FUA_NO_ROW &&
           memcmp(fua_rules_fields(rules, rules->slots[slot]), fields, rules->width * sizeof *fields) != 0) {
        slot = (slot + 1) & (rules->slot_count - 1);
    }
    return slot;
}

uint32_t fua_rules_find(const fua_rules *rules, const uint32_t *fields) {
    return rules->live == 0 ? FUA_NO_ROW : rules->slots[find_slot(rules, fields)];
}

static size_t chains_of(const fua_rules *rules) {
    return rules->width < FUA_CHAINS ? rules->width : FUA_CHAINS;
}

/* Puts a row at the head of its chains; room in the head maps has been reserved. */
static void link_row(fua_rules *rules, uint32_t row) {
    for (size_t chain = 0; chain < chains_of(rules); chain++) {
        uint32_t id = fua_rules_fields(rules, row)[chain];
        uint32_t head = fua_rules_first(rules, chain, id);
        rules->next[(size_t)row * FUA_CHAINS + chain] = head;
        rules->prev[(size_t)row * FUA_CHAINS + chain] = FUA_NO_ROW;
        if (head != FUA_NO_ROW) {
            rules->prev[(size_t)head * FUA_CHAINS + chain] = row;
        }
        (void)fua_idmap_set(&rules->heads[chain], id, row);
    }
    for (size_t chain = chains_of(rules); chain < FUA_CHAINS; chain++) {
        rules->next[(size_t)row * FUA_CHAINS + chain] = FUA_NO_ROW;
    }
}

static void unlink_row(fua_rules *rules, uint32_t row) {
    for (size_t chain = 0; chain < chains_of(rules); chain++) {
        uint32_t id = fua_rules_fields(rules, row)[chain];
        uint32_t next = rules->next[(size_t)row * FUA_CHAINS + chain];
        uint32_t prev = rules->prev[(size_t)row * FUA_CHAINS + chain];
        if (next != FUA_NO_ROW) {
            rules->prev[(size_t)next * FUA_CHAINS + chain] = prev;
        }
        if (prev != FUA_NO_ROW) {
            rules->next[(size_t)prev * FUA_CHAINS + chain] = next;
        } else if (next != FUA_NO_ROW) {
            (void)fua_idmap_set(&rules->heads[chain], id, next); /* an existing key: cannot fail */
        } else {
            fua_idmap_remove(&rules->heads[chain], id);
        }
    }
    rules->next[(size_t)row * FUA_CHAINS] = row;
}

/* A hash table with room for `live` rules, filled from the rows. */
static fua_status rebuild_slots(fua_rules *rules, size_t slot_count) {
    uint32_t *slots = fua_alloc(rules->al, slot_count, sizeof *slots);
    if (slots == NULL) {
        return FUA_ERR_NOMEM;
    }
    memset(slots, 0xff, slot_count * sizeof *slots);
    fua_free(rules->al, rules->slots);
    rules->slots = slots;
    rules->slot_count = slot_count;
    for (size_t row = 0; row < rules->rows; row++) {
        if (fua_rules_is_live(rules, (uint32_t)row)) {
            rules->slots[find_slot(rules, fua_rules_fields(rules, (uint32_t)row))] = (uint32_t)row;
        }
    }
    return FUA_OK;
}

/* Closes the gaps that dead rows left, in place and in order; cannot fail. */
static void compact(fua_rules *rules) {
    size_t to = 0;
    for (size_t chain = 0; chain < FUA_CHAINS; chain++) {
        fua_idmap_clear(&rules->heads[chain]);
    }
    memset(rules->slots, 0xff, rules->slot_count * sizeof *rules->slots);
    size_t rows = rules->rows;
    rules->rows = 0;
    for (size_t row = 0; row < rows; row++) {
        if (!fua_rules_is_live(rules, (uint32_t)row)) {
            continue;
        }
        memmove(&rules->fields[to * rules->width], &rules->fields[row * rules->width],
                rules->width * sizeof *rules->fields);
        to++;
    }
    for (; rules->rows < to; rules->rows++) {
        uint32_t row = (uint32_t)rules->rows;
        link_row(rules, row); /* no more keys than before, so the maps have room */
        rules->slots[find_slot(rules, fua_rules_fields(rules, row))] = row;
    }
}

fua_status fua_rules_add(fua_rules *rules, const uint32_t *fields, uint32_t *row) {
    fua_status status;
    if (rules->rows == rules->cap && rules->rows - rules->live > rules->live) {
        compact(rules);
    }
    if (rules->rows == rules->cap) {
        if (rules->cap >= FUA_NO_ROW / 2) {
            return FUA_ERR_OVERFLOW;
        }
        size_t cap = rules->cap < 8 ? 8 : rules->cap + rules->cap / 2;
        /* Three blocks grow one after another; a failure leaves some larger than needed, which is harmless. */
        uint32_t *grown = fua_realloc(rules->al, rules->fields, cap, rules->width * sizeof *grown);
        if (grown == NULL) {
            return FUA_ERR_NOMEM;
        }
        rules->fields = grown;
        grown = fua_realloc(rules->al, rules->next, cap, FUA_CHAINS * sizeof *grown);
        if (grown == NULL) {
            return FUA_ERR_NOMEM;
        }
        rules->next = grown;
        grown = fua_realloc(rules->al, rules->prev, cap, FUA_CHAINS * sizeof *grown);
        if (grown == NULL) {
            return FUA_ERR_NOMEM;
        }
        rules->prev = grown;
        rules->cap = cap;
    }
    for (size_t chain = 0; chain < chains_of(rules); chain++) {
        status = fua_idmap_reserve(&rules->heads[chain], 1);
        if (status != FUA_OK) {
            return status;
        }
    }
    if ((rules->live + 1) * 10 > rules->slot_count * 6) {
        status = rebuild_slots(rules, rules->slot_count < 16 ? 16 : rules->slot_count * 2);
        if (status != FUA_OK) {
            return status;
        }
    }
    uint32_t fresh = (uint32_t)rules->rows;
    memcpy(&rules->fields[rules->rows * rules->width], fields, rules->width * sizeof *fields);
    rules->rows++;
    rules->live++;
    link_row(rules, fresh);
    rules->slots[find_slot(rules, fields)] = fresh;
    *row = fresh;
    return FUA_OK;
}

void fua_rules_remove(fua_rules *rules, uint32_t row) {
    size_t mask = rules->slot_count - 1;
    size_t hole = find_slot(rules, fua_rules_fields(rules, row));
    for (size_t next = (hole + 1) & mask; rules->slots[next] != FUA_NO_ROW; next = (next + 1) & mask) {
        size_t home = home_of(rules, fua_rules_fields(rules, rules->slots[next]));
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            rules->slots[hole] = rules->slots[next];
            hole = next;
        }
    }
    rules->slots[hole] = FUA_NO_ROW;
    unlink_row(rules, row);
    rules->live--;
    if (row + 1 == rules->rows) {
        rules->rows--; /* the last row needs no tombstone */
    }
}
