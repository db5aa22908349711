#include "base/buffer.h"

#include <stdint.h>
#include <string.h>

void fua_buffer_init(fua_buffer *buffer, const fua_allocator *al, char *storage, size_t cap) {
    *buffer = (fua_buffer){al, storage, 0, cap, false};
}

void fua_buffer_free(fua_buffer *buffer) {
    if (buffer->grown) {
        fua_free(buffer->al, buffer->data);
    }
    fua_buffer_init(buffer, buffer->al, NULL, 0);
}

fua_status fua_buffer_reserve(fua_buffer *buffer, size_t more) {
    if (more <= buffer->cap - buffer->size) {
        return FUA_OK;
    }
    if (more > SIZE_MAX - buffer->size) {
        return FUA_ERR_OVERFLOW;
    }
    void *block = buffer->grown ? buffer->data : NULL;
    size_t cap = buffer->cap;
    if (!buffer->grown) {
        cap = 0;
    }
    fua_status status = fua_grow(buffer->al, &block, &cap, buffer->size + more, 1);
    if (status != FUA_OK) {
        return status;
    }
    if (!buffer->grown && buffer->size != 0) {
        memcpy(block, buffer->data, buffer->size);
    }
    buffer->data = block;
    buffer->cap = cap;
    buffer->grown = true;
    return FUA_OK;
}
