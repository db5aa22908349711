/* Checks that name themselves when they fail, and an allocator that can be told to fail. */
#ifndef FUA_TESTS_CHECK_H
#define FUA_TESTS_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "heap.h"

#define CHECK(condition)                                                                                              \
    do {                                                                                                              \
        if (!(condition)) {                                                                                           \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                           \
            exit(1);                                                                                                  \
        }                                                                                                             \
    } while (0)

#define CHECK_OK(call) CHECK((call) == FUA_OK)

/* Runs something again and again, with each of its allocations failing once; it has to report that or do without, and to
 * leave nothing behind.  How many failures there were. */
static inline size_t test_every_failure(fua_status (*run)(const fua_allocator *al)) {
    for (size_t n = 1;; n++) {
        test_heap heap = {0, n, 0, false};
        fua_allocator al = test_allocator(&heap);
        fua_status status = run(&al);
        CHECK(status == FUA_OK || (status == FUA_ERR_NOMEM && heap.failed));
        CHECK(heap.live == 0);
        if (!heap.failed) {
            CHECK_OK(status);
            return n - 1;
        }
    }
}

/* A small generator; the same numbers on every machine. */
static inline uint32_t test_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

#endif
