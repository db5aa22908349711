/* An allocator that can be told to fail. */
#ifndef FUA_TESTS_HEAP_H
#define FUA_TESTS_HEAP_H

#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"

/* Counts its blocks; fails once, at allocation number `fail_at` (0: never). */
typedef struct test_heap {
    size_t calls, fail_at, live;
    bool failed;
} test_heap;

static inline void *test_heap_realloc(void *ctx, void *block, size_t size) {
    test_heap *heap = ctx;
    if (++heap->calls == heap->fail_at) {
        heap->failed = true;
        return NULL;
    }
    void *grown = realloc(block, size);
    if (grown != NULL && block == NULL) {
        heap->live++;
    }
    return grown;
}

static inline void test_heap_free(void *ctx, void *block) {
    if (block != NULL) {
        ((test_heap *)ctx)->live--;
    }
    free(block);
}

static inline fua_allocator test_allocator(test_heap *heap) {
    fua_allocator al = {heap, test_heap_realloc, test_heap_free};
    return al;
}

#endif
