/* Runs a fuzz target on files, and on some thousand changes of each: the same ones every time. */
#include <stdio.h>

#include "fuzz.h"

#define SIZE_MAX_INPUT 65536
#define CHANGES 2000

static uint32_t next(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/* Replaces, removes, repeats or cuts at random; gives the new size. */
static size_t change(uint8_t *data, size_t size, uint64_t *state) {
    static const char letters[] = "\"\\{}[]:,.$=-_+0123456789eEaAnulltruefalse\x80\xED\xA0\xFF";
    for (uint32_t times = next(state) % 4 + 1; times > 0 && size > 0; times--) {
        size_t at = next(state) % size, length = next(state) % 8 + 1;
        length = length < size - at ? length : size - at;
        switch (next(state) % 5) {
        case 0: data[at] = (uint8_t)next(state); break;
        case 1: data[at] = (uint8_t)letters[next(state) % (sizeof letters - 1)]; break;
        case 2:
            memmove(data + at, data + at + length, size - at - length);
            size -= length;
            break;
        case 3:
            if (size + length <= SIZE_MAX_INPUT) {
                memmove(data + at + length, data + at, size - at);
                size += length;
            }
            break;
        default: size = next(state) % 8 == 0 ? at : size;
        }
    }
    return size;
}

int main(int count, char **names) {
    static uint8_t data[SIZE_MAX_INPUT], changed[SIZE_MAX_INPUT];
    uint64_t state = 1;
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(names[i], "rb");
        if (file == NULL) {
            perror(names[i]);
            return 1;
        }
        size_t size = fread(data, 1, sizeof data, file);
        fclose(file);
        (void)LLVMFuzzerTestOneInput(data, size);
        for (int turn = 0; turn < CHANGES; turn++) {
            memcpy(changed, data, size);
            (void)LLVMFuzzerTestOneInput(changed, change(changed, size, &state));
        }
    }
    printf("%d files\n", count - 1);
    return 0;
}
