#include "policy/actions.h"

#include <string.h>

void fua_actions_init(fua_actions *actions, const fua_allocator *al, fua_hash_key key) {
    memset(actions, 0, sizeof *actions);
    fua_intern_init(&actions->prefixes, al, key);
}

void fua_actions_free(fua_actions *actions) {
    const fua_allocator *al = actions->prefixes.al;
    fua_free(al, actions->by_length);
    fua_intern_free(&actions->prefixes);
    actions->by_length = NULL;
    actions->length_cap = actions->longest = 0;
}

bool fua_action_prefix(fua_text pattern, fua_text *prefix) {
    const char *star = pattern.size > 0 ? memchr(pattern.data, '*', pattern.size) : NULL;
    if (star == NULL) {
        return false;
    }
    *prefix = (fua_text){pattern.data, (size_t)(star - pattern.data)};
    return true;
}

bool fua_action_matches(fua_text pattern, fua_text action) {
    fua_text prefix;
    if (!fua_action_prefix(pattern, &prefix)) {
        return fua_text_equal(pattern, action);
    }
    return action.size >= prefix.size && fua_text_equal(prefix, (fua_text){action.data, prefix.size});
}

fua_status fua_actions_acquire(fua_actions *actions, fua_text pattern, uint32_t id, uint32_t *key) {
    fua_text prefix;
    if (!fua_action_prefix(pattern, &prefix)) {
        *key = id;
        return FUA_OK;
    }
    size_t before = actions->length_cap;
    void *block = actions->by_length;
    fua_status status =
        fua_grow(actions->prefixes.al, &block, &actions->length_cap, prefix.size + 1, sizeof *actions->by_length);
    actions->by_length = block;
    if (status != FUA_OK) {
        return status;
    }
    if (actions->length_cap > before) {
        memset(actions->by_length + before, 0, (actions->length_cap - before) * sizeof *actions->by_length);
    }
    uint32_t prefix_id;
    status = fua_intern_acquire(&actions->prefixes, prefix, &prefix_id);
    if (status != FUA_OK) {
        return status;
    }
    actions->by_length[prefix.size]++;
    if (prefix.size > actions->longest) {
        actions->longest = prefix.size;
    }
    *key = prefix_id | FUA_PREFIX_TAG;
    return FUA_OK;
}

uint32_t fua_actions_find(const fua_actions *actions, fua_text pattern, uint32_t id) {
    fua_text prefix;
    if (!fua_action_prefix(pattern, &prefix)) {
        return id;
    }
    uint32_t found = fua_intern_find(&actions->prefixes, prefix);
    return found == FUA_NO_ID ? FUA_NO_ID : found | FUA_PREFIX_TAG;
}

void fua_actions_release(fua_actions *actions, uint32_t key) {
    if ((key & FUA_PREFIX_TAG) == 0) {
        return;
    }
    uint32_t id = key & ~FUA_PREFIX_TAG;
    actions->by_length[fua_intern_text(&actions->prefixes, id).size]--;
    fua_intern_release(&actions->prefixes, id);
    while (actions->longest > 0 && actions->by_length[actions->longest] == 0) {
        actions->longest--;
    }
}

uint32_t fua_actions_next(const fua_actions *actions, fua_text action, size_t *length) {
    if (actions->prefixes.used == 0) {
        return FUA_NO_ID;
    }
    while (*length <= actions->longest && *length <= action.size) {
        size_t size = (*length)++;
        if (actions->by_length[size] > 0) {
            uint32_t id = fua_intern_find(&actions->prefixes, (fua_text){action.data, size});
            if (id != FUA_NO_ID) {
                return id | FUA_PREFIX_TAG;
            }
        }
    }
    return FUA_NO_ID;
}
