/* For LD_PRELOAD: allocations of one library fail when told to, of glibc's realloc, which is all that the core calls. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

void *__libc_realloc(void *block, size_t size);
void fail_at(uintptr_t start, uintptr_t end, long number);
long calls_left(void);

static uintptr_t low, high; /* where the library's code is */
static long left;           /* calls until the one that fails; 0 when none does */

/* Let the number-th call from there fail, once; 0 for none. */
void fail_at(uintptr_t start, uintptr_t end, long number) {
    low = start;
    high = end;
    left = number;
}

/* Calls that are left until then: 0 when it has failed. */
long calls_left(void) {
    return left;
}

void *realloc(void *block, size_t size) {
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    if (left > 0 && caller >= low && caller < high && --left == 0) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(block, size);
}
