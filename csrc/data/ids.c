#include "data/ids.h"

fua_status fua_ids_push(const fua_allocator *al, fua_ids *ids, uint32_t id) {
    void *block = ids->ids;
    fua_status status = fua_grow(al, &block, &ids->cap, ids->count + 1, sizeof *ids->ids);
    ids->ids = block;
    if (status == FUA_OK) {
        ids->ids[ids->count++] = id;
    }
    return status;
}

bool fua_ids_hold(const fua_ids *ids, uint32_t id) {
    for (size_t i = 0; i < ids->count; i++) {
        if (ids->ids[i] == id) {
            return true;
        }
    }
    return false;
}

void fua_ids_free(const fua_allocator *al, fua_ids *ids) {
    fua_free(al, ids->ids);
    *ids = (fua_ids){NULL, 0, 0};
}
