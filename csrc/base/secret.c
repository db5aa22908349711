#include "base/secret.h"

#include <stdint.h>
#include <string.h>

void fua_wipe(void *memory, size_t size) {
#if defined(__GNUC__) || defined(__clang__)
    memset(memory, 0, size);
    __asm__ __volatile__("" : : "r"(memory) : "memory"); /* reads the memory, as far as the compiler knows */
#else
    /* Stores through a volatile pointer are observable, so they cannot be dropped as dead. */
    volatile unsigned char *byte = memory;
    while (size-- > 0) {
        *byte++ = 0;
    }
#endif
}

bool fua_equal_ct(const void *left, const void *right, size_t size) {
    const volatile uint8_t *a = left;
    const volatile uint8_t *b = right;
    uint8_t difference = 0;
    for (size_t i = 0; i < size; i++) {
        difference = (uint8_t)(difference | (a[i] ^ b[i]));
    }
    return difference == 0;
}
