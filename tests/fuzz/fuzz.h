/* What the fuzz targets have in common.  Each is a file with LLVMFuzzerTestOneInput, for libFuzzer
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Icsrc -Itests/fuzz -o fuzz \
 *       tests/fuzz/fuzz_json.c $(find csrc -name '[a-z]*.c' -not -path 'csrc/py/[a-z]*') -pthread
 *
 * or for replay.c, which needs no fuzzer.  CHECK ends the process when something does not hold. */
#ifndef FUA_TESTS_FUZZ_H
#define FUA_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly this size, so that a sanitizer sees one byte too many; owned by the caller. */
static inline char *exact_copy(const void *data, size_t size) {
    char *copy = malloc(size > 0 ? size : 1);
    CHECK(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

#endif
