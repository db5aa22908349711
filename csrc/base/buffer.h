/* Bytes that grow, at first in storage of the caller's. */
#ifndef FUA_BASE_BUFFER_H
#define FUA_BASE_BUFFER_H

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

typedef struct fua_buffer {
    const fua_allocator *al; /* borrowed */
    char *data;              /* owned if `grown`, else the caller's storage */
    size_t size, cap;        /* bytes */
    bool grown;
} fua_buffer;

/* An empty buffer on `cap` bytes of storage (borrowed until fua_buffer_free; NULL with cap 0). */
void fua_buffer_init(fua_buffer *buffer, const fua_allocator *al, char *storage, size_t cap);
void fua_buffer_free(fua_buffer *buffer);

/* Room for `more` bytes after data + size. */
fua_status fua_buffer_reserve(fua_buffer *buffer, size_t more);

/* Appends; a failure changes nothing. */
static inline fua_status fua_buffer_add(fua_buffer *buffer, const char *data, size_t size) {
    fua_status status = size <= buffer->cap - buffer->size ? FUA_OK : fua_buffer_reserve(buffer, size);
    if (status == FUA_OK && size != 0) {
        memcpy(buffer->data + buffer->size, data, size);
        buffer->size += size;
    }
    return status;
}

#endif
