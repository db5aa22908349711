/* The injected allocator: every module that needs memory takes one, so that tests can make it fail. */
#ifndef FUA_BASE_ALLOC_H
#define FUA_BASE_ALLOC_H

#include <stddef.h>

#include "base/status.h"

typedef struct fua_allocator {
    void *ctx;                                                /* borrowed; handed to both functions */
    void *(*realloc)(void *ctx, void *block, size_t size);    /* size > 0; NULL on failure, block kept */
    void (*free)(void *ctx, void *block);                     /* block may be NULL */
} fua_allocator;

/* The C library's allocator; static, borrowed. */
const fua_allocator *fua_allocator_default(void);

/* count * size bytes, uninitialised; NULL on overflow or failure.  Zero bytes give a valid block. */
void *fua_alloc(const fua_allocator *al, size_t count, size_t size);
/* The same, zeroed. */
void *fua_calloc(const fua_allocator *al, size_t count, size_t size);
/* Resizes block (owned; NULL allocates) to count * size bytes; NULL on failure, block is kept. */
void *fua_realloc(const fua_allocator *al, void *block, size_t count, size_t size);
void fua_free(const fua_allocator *al, void *block);

/* Grows *block (an owned array of elements of `size` bytes, capacity *cap) to hold at least `need` elements. */
fua_status fua_grow(const fua_allocator *al, void **block, size_t *cap, size_t need, size_t size);

#endif
