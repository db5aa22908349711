/* What decodes is what encoding gives back, in every alphabet; and what is encoded decodes. */
#include "crypto/base64.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = exact_copy(data, size), *again = malloc(2 * size + 8);
    uint8_t *bytes = malloc(fua_base64_room(2 * size + 8));
    size_t count;
    CHECK(again != NULL && bytes != NULL);
    for (int alphabet = FUA_BASE64_URL; alphabet <= FUA_BASE64_DOT; alphabet++) {
        if (fua_base64_decode((fua_base64)alphabet, text, size, bytes, &count) == FUA_OK) {
            CHECK(count <= fua_base64_room(size) && fua_base64_size(count) == size);
            CHECK(fua_base64_encode((fua_base64)alphabet, bytes, count, again) == again + size);
            CHECK(memcmp(again, text, size) == 0);
        }
        char *end = fua_base64_encode((fua_base64)alphabet, text, size, again);
        CHECK((size_t)(end - again) == fua_base64_size(size));
        CHECK(fua_base64_decode((fua_base64)alphabet, again, fua_base64_size(size), bytes, &count) == FUA_OK);
        CHECK(count == size && memcmp(bytes, text, size) == 0);
    }
    free(text);
    free(again);
    free(bytes);
    return 0;
}
