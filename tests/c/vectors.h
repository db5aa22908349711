/* Reads tests/vectors/NAME.txt: fields of hex digits between blanks, after the first, which is a name; # comments. */
#ifndef FUA_TESTS_VECTORS_H
#define FUA_TESTS_VECTORS_H

#include <string.h>

#include "check.h"

#define VECTOR_FIELDS 10

typedef struct vector {
    char name[32];
    uint8_t *fields[VECTOR_FIELDS]; /* owned */
    size_t sizes[VECTOR_FIELDS];
    size_t count;
} vector;

static inline unsigned vector_digit(char c) {
    const char *digits = "0123456789abcdef", *found = strchr(digits, c);
    CHECK(c != '\0' && found != NULL);
    return (unsigned)(found - digits);
}

/* "-" is nothing, "5*61" five bytes of 61. */
static inline void vector_add(vector *v, const char *text) {
    const char *star = strchr(text, '*');
    size_t size = strcmp(text, "-") == 0 ? 0 : star != NULL ? strtoul(text, NULL, 10) : strlen(text) / 2;
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    CHECK(bytes != NULL && v->count < VECTOR_FIELDS);
    for (size_t i = 0; i < size; i++) {
        const char *at = star != NULL ? star + 1 : text + 2 * i;
        bytes[i] = (uint8_t)(vector_digit(at[0]) << 4 | vector_digit(at[1]));
    }
    v->fields[v->count] = bytes;
    v->sizes[v->count++] = size;
}

/* A number that is a field: at most 8 bytes, big endian. */
static inline uint64_t vector_number(const vector *v, size_t field) {
    uint64_t value = 0;
    CHECK(v->sizes[field] <= 8);
    for (size_t i = 0; i < v->sizes[field]; i++) {
        value = value << 8 | v->fields[field][i];
    }
    return value;
}

/* Calls test for each line; at least `least` of them. */
static inline void vectors_run(const char *file, size_t least, void (*test)(const vector *v)) {
    char path[1024], line[8192];
    size_t seen = 0;
    snprintf(path, sizeof path, "%s/%s.txt", FUA_VECTORS, file);
    FILE *stream = fopen(path, "r");
    CHECK(stream != NULL);
    while (fgets(line, sizeof line, stream) != NULL) {
        vector v = {.count = 0};
        char *word = strtok(line, " \n");
        if (word == NULL || word[0] == '#') {
            continue;
        }
        CHECK(strlen(word) < sizeof v.name);
        strcpy(v.name, word);
        while ((word = strtok(NULL, " \n")) != NULL) {
            vector_add(&v, word);
        }
        test(&v);
        seen++;
        while (v.count > 0) {
            free(v.fields[--v.count]);
        }
    }
    fclose(stream);
    CHECK(seen >= least);
}

#endif
