#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *default_realloc(void *ctx, void *block, size_t size) {
    (void)ctx;
    return realloc(block, size);
}

static void default_free(void *ctx, void *block) {
    (void)ctx;
    free(block);
}

const fua_allocator *fua_allocator_default(void) {
    static const fua_allocator libc_allocator = {NULL, default_realloc, default_free};
    return &libc_allocator;
}

void *fua_realloc(const fua_allocator *al, void *block, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    size_t bytes = count * size;
    return al->realloc(al->ctx, block, bytes != 0 ? bytes : 1);
}

void *fua_alloc(const fua_allocator *al, size_t count, size_t size) {
    return fua_realloc(al, NULL, count, size);
}

void *fua_calloc(const fua_allocator *al, size_t count, size_t size) {
    void *block = fua_realloc(al, NULL, count, size);
    if (block != NULL) {
        memset(block, 0, count * size);
    }
    return block;
}

void fua_free(const fua_allocator *al, void *block) {
    al->free(al->ctx, block);
}

fua_status fua_grow(const fua_allocator *al, void **block, size_t *cap, size_t need, size_t size) {
    if (need <= *cap) {
        return FUA_OK;
    }
    size_t next = *cap < 8 ? 8 : *cap;
    while (next < need) {
        if (next > SIZE_MAX / 2) {
            return FUA_ERR_OVERFLOW;
        }
        next += next / 2;
    }
    void *grown = fua_realloc(al, *block, next, size);
    if (grown == NULL) {
        return FUA_ERR_NOMEM;
    }
    *block = grown;
    *cap = next;
    return FUA_OK;
}
