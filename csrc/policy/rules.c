#include "policy/rules.h"

#include <string.h>

#include "data/hash.h"

void fua_rules_init(fua_rules *rules, const fua_allocator *al, size_t width) {
    memset(rules, 0, sizeof *rules);
    rules->al = al;
    rules->width = width;
}

void fua_rules_free(fua_rules *rules) {
    fua_free(rules->al, rules->records);
    fua_free(rules->al, rules->slots);
    for (size_t chain = 0; chain < FUA_CHAINS; chain++) {
        fua_free(rules->al, rules->heads[chain]);
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

/* Puts a row at the head of its chains; there is room among the heads. */
static void link_row(fua_rules *rules, uint32_t row) {
    uint32_t *next = fua_rules_record(rules, row), *prev = next + FUA_CHAINS;
    next[FUA_CHAINS - 1] = FUA_NO_ROW; /* where a rule has fewer fields than chains */
    for (size_t chain = 0; chain < chains_of(rules); chain++) {
        uint32_t *head = &rules->heads[chain][fua_rules_fields(rules, row)[chain]];
        next[chain] = *head;
        prev[chain] = FUA_NO_ROW;
        if (*head != FUA_NO_ROW) {
            fua_rules_record(rules, *head)[FUA_CHAINS + chain] = row;
        }
        *head = row;
    }
}

static void unlink_row(fua_rules *rules, uint32_t row) {
    uint32_t *record = fua_rules_record(rules, row);
    for (size_t chain = 0; chain < chains_of(rules); chain++) {
        uint32_t next = record[chain], prev = record[FUA_CHAINS + chain];
        if (next != FUA_NO_ROW) {
            fua_rules_record(rules, next)[FUA_CHAINS + chain] = prev;
        }
        if (prev != FUA_NO_ROW) {
            fua_rules_record(rules, prev)[chain] = next;
        } else {
            rules->heads[chain][fua_rules_fields(rules, row)[chain]] = next;
        }
    }
    record[0] = row;
}

/* Room for an id among the heads of a chain. */
static fua_status reserve_head(fua_rules *rules, size_t chain, uint32_t id) {
    size_t before = rules->heads_cap[chain];
    void *block = rules->heads[chain];
    fua_status status =
        fua_grow(rules->al, &block, &rules->heads_cap[chain], (size_t)id + 1, sizeof *rules->heads[chain]);
    rules->heads[chain] = block;
    if (status == FUA_OK && rules->heads_cap[chain] > before) {
        memset(rules->heads[chain] + before, 0xff, (rules->heads_cap[chain] - before) * sizeof *rules->heads[chain]);
    }
    return status;
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
    size_t to = 0, rows = rules->rows;
    for (size_t chain = 0; chain < chains_of(rules); chain++) {
        memset(rules->heads[chain], 0xff, rules->heads_cap[chain] * sizeof *rules->heads[chain]);
    }
    memset(rules->slots, 0xff, rules->slot_count * sizeof *rules->slots);
    for (size_t row = 0; row < rows; row++) {
        if (fua_rules_is_live(rules, (uint32_t)row)) {
            memmove(fua_rules_record(rules, (uint32_t)to++) + FUA_LINKS, fua_rules_fields(rules, (uint32_t)row),
                    rules->width * sizeof *rules->records);
        }
    }
    for (rules->rows = 0; rules->rows < to; rules->rows++) {
        uint32_t row = (uint32_t)rules->rows;
        link_row(rules, row);
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
        uint32_t *grown = fua_realloc(rules->al, rules->records, cap, (FUA_LINKS + rules->width) * sizeof *grown);
        if (grown == NULL) {
            return FUA_ERR_NOMEM;
        }
        rules->records = grown;
        rules->cap = cap;
    }
    for (size_t chain = 0; chain < chains_of(rules); chain++) {
        status = reserve_head(rules, chain, fields[chain]);
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
    memcpy(fua_rules_record(rules, fresh) + FUA_LINKS, fields, rules->width * sizeof *fields);
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
