/* A borrowed run of bytes, not terminated; any byte may occur in it. */
#ifndef FUA_BASE_TEXT_H
#define FUA_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct fua_text {
    const char *data; /* borrowed */
    size_t size;      /* bytes */
} fua_text;

static inline fua_text fua_text_of(const char *terminated) {
    fua_text text = {terminated, strlen(terminated)};
    return text;
}

static inline bool fua_text_equal(fua_text left, fua_text right) {
    return left.size == right.size && (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);
}

#endif
