/* Checks that name themselves when they fail, and an allocator that can be told to fail. */
#ifndef FUA_TESTS_CHECK_H
#define FUA_TESTS_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

#define CHECK(condition)                                                                                              \
    do {                                                                                                              \
        if (!(condition)) {                                                                                           \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                           \
            exit(1);                                                                                                  \
        }                                                                                                             \
    } while (0)

#define CHECK_OK(call) CHECK((call) == FUA_OK)

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

/* A small generator; the same numbers on every machine. */
static inline uint32_t test_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

#endif
