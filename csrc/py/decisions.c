#include "py/decisions.h"

#define FIRST_SLOTS 512

_Static_assert(sizeof(fua_py_decision_slot) == FUA_DECISION_LINE, "an entry fits a cache line");

static bool allocate(fua_py_decisions *decisions, size_t slots) {
    char *memory = PyMem_Calloc(slots + 1 + slots / FUA_DECISION_LINE, sizeof(fua_py_decision_slot));
    if (memory == NULL) {
        return false;
    }
    uintptr_t beyond = (uintptr_t)memory % FUA_DECISION_LINE;
    fua_py_decision_slot *first = (void *)(memory + (beyond == 0 ? 0 : FUA_DECISION_LINE - beyond));
    *decisions = (fua_py_decisions){
        .slots = first,
        .tags = (uint8_t *)(first + slots),
        .memory = memory,
        .mask = slots - 1,
        .used = 0,
    };
    return true;
}

/* The place for an entry: one that has ended, or a new one. */
static fua_py_decision *place_for(fua_py_decisions *decisions, uint64_t hash, uint64_t generation) {
    size_t at = (size_t)hash & decisions->mask;
    while (decisions->tags[at] != 0 && decisions->slots[at].entry.generation == generation) {
        at = (at + 1) & decisions->mask;
    }
    decisions->tags[at] = fua_py_decision_tag(hash);
    return &decisions->slots[at].entry;
}

static void drop_fields(fua_py_decision *entry) {
    for (size_t i = 0; i < FUA_DECISION_FIELDS; i++) {
        Py_CLEAR(entry->fields[i]);
    }
}

/* Makes room for one more: drops ended entries, and all of them once the table may not grow. */
static bool make_room(fua_py_decisions *decisions, uint64_t generation) {
    size_t slots = decisions->slots == NULL ? 0 : decisions->mask + 1;
    if (decisions->used < slots / 2) {
        return true;
    }
    size_t current = 0;
    for (size_t i = 0; i < slots; i++) {
        const fua_py_decision *entry = &decisions->slots[i].entry;
        current += entry->fields[0] != NULL && entry->generation == generation;
    }
    bool keep = current < FUA_DECISIONS_MAX;
    size_t wanted = FIRST_SLOTS;
    while (keep && wanted < current * 4 && wanted < FUA_DECISIONS_MAX * 2) {
        wanted *= 2;
    }
    fua_py_decisions fresh;
    if (!allocate(&fresh, wanted)) {
        return false;
    }
    for (size_t i = 0; keep && i < slots; i++) {
        fua_py_decision *entry = &decisions->slots[i].entry;
        if (entry->fields[0] != NULL && entry->generation == generation) {
            *place_for(&fresh, entry->hash, generation) = *entry;
            fresh.used++;
            memset(entry->fields, 0, sizeof entry->fields); /* moved */
        }
    }
    fua_py_decisions_free(decisions);
    *decisions = fresh;
    return true;
}

void fua_py_decisions_keep(fua_py_decisions *decisions, PyObject *const *fields, uint64_t hash, uint64_t generation,
                           bool allowed) {
    Py_ssize_t length = 0;
    for (size_t i = 0; i < FUA_DECISION_FIELDS && length <= FUA_DECISION_MAX_TEXT; i++) {
        length += PyUnicode_GET_LENGTH(fields[i]);
    }
    if (length > FUA_DECISION_MAX_TEXT || !make_room(decisions, generation)) {
        return;
    }
    fua_py_decision *entry = place_for(decisions, hash, generation);
    decisions->used += entry->fields[0] == NULL;
    drop_fields(entry);
    for (size_t i = 0; i < FUA_DECISION_FIELDS; i++) {
        Py_INCREF(fields[i]);
        entry->fields[i] = fields[i];
    }
    entry->hash = hash;
    entry->generation = generation;
    entry->allowed = allowed;
}

void fua_py_decisions_free(fua_py_decisions *decisions) {
    for (size_t i = 0; decisions->slots != NULL && i <= decisions->mask; i++) {
        drop_fields(&decisions->slots[i].entry);
    }
    PyMem_Free(decisions->memory);
    *decisions = (fua_py_decisions){NULL, NULL, NULL, 0, 0};
}
