/* Handling of secrets: a wipe the compiler keeps, and comparison in constant time. */
#ifndef FUA_BASE_SECRET_H
#define FUA_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* Overwrites size bytes with zeros, even where the memory is not read again. */
void fua_wipe(void *memory, size_t size);
/* True when the size bytes are equal; the time taken depends on size alone. */
bool fua_equal_ct(const void *left, const void *right, size_t size);

#endif
