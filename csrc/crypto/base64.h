/* Base64 without padding (RFC 4648), strict: only what encoding would have written is decoded. */
#ifndef FUA_CRYPTO_BASE64_H
#define FUA_CRYPTO_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef enum fua_base64 {
    FUA_BASE64_URL,      /* ends in - _ : tokens */
    FUA_BASE64_STANDARD, /* ends in + / : argon2, Django */
    FUA_BASE64_DOT       /* ends in . / : passlib */
} fua_base64;

/* Characters for `size` bytes; size is at most SIZE_MAX / 2. */
static inline size_t fua_base64_size(size_t size) {
    return size / 3 * 4 + (size % 3 == 0 ? 0 : size % 3 + 1);
}

/* Room that decoding `size` characters needs, in bytes. */
static inline size_t fua_base64_room(size_t size) {
    return size / 4 * 3 + 2;
}

/* Writes fua_base64_size(size) characters, without a NUL; gives the end.  Data and out do not overlap. */
char *fua_base64_encode(fua_base64 alphabet, const void *data, size_t size, char *out);

/* Writes at most fua_base64_room(size) bytes; FUA_ERR_SYNTAX for padding, other characters, a lone character at the
 * end, or left-over bits that are not zero. */
fua_status fua_base64_decode(fua_base64 alphabet, const char *text, size_t size, void *out, size_t *out_size);

#endif
