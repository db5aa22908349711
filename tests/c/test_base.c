#include <string.h>

#include "base/secret.h"
#include "base/text.h"
#include "check.h"

static void test_sizes_that_overflow_are_refused(void) {
    test_heap heap = {0, 0, 0, false};
    fua_allocator al = test_allocator(&heap);
    CHECK(fua_alloc(&al, SIZE_MAX / 2, 3) == NULL);
    CHECK(fua_calloc(&al, SIZE_MAX, SIZE_MAX) == NULL);
    CHECK(heap.calls == 0);
    void *empty = fua_alloc(&al, 0, 8);
    CHECK(empty != NULL);
    fua_free(&al, empty);
    void *block = NULL;
    size_t cap = 0;
    CHECK(fua_grow(&al, &block, &cap, SIZE_MAX, 1) == FUA_ERR_OVERFLOW);
    CHECK(block == NULL && cap == 0 && heap.live == 0);
}

static void test_growing_keeps_the_contents(void) {
    test_heap heap = {0, 0, 0, false};
    fua_allocator al = test_allocator(&heap);
    void *block = NULL;
    size_t cap = 0;
    for (size_t i = 0; i < 1000; i++) {
        CHECK_OK(fua_grow(&al, &block, &cap, i + 1, sizeof(size_t)));
        CHECK(cap > i);
        ((size_t *)block)[i] = i;
    }
    CHECK(heap.calls < 20);
    heap.fail_at = heap.calls + 1;
    size_t before = cap;
    CHECK(fua_grow(&al, &block, &cap, cap + 1, sizeof(size_t)) == FUA_ERR_NOMEM);
    CHECK(cap == before);
    for (size_t i = 0; i < 1000; i++) {
        CHECK(((size_t *)block)[i] == i);
    }
    fua_free(&al, block);
    fua_free(&al, NULL);
    CHECK(heap.live == 0);
}

static void test_zeroed_memory_is_zero(void) {
    unsigned char *block = fua_calloc(fua_allocator_default(), 100, 3);
    CHECK(block != NULL);
    for (size_t i = 0; i < 300; i++) {
        CHECK(block[i] == 0);
    }
    fua_free(fua_allocator_default(), block);
}

static void test_secrets(void) {
    char secret[32], zeros[32] = {0};
    memset(secret, 'x', sizeof secret);
    fua_wipe(secret + 1, 30);
    CHECK(secret[0] == 'x' && secret[31] == 'x' && memcmp(secret + 1, zeros, 30) == 0);
    CHECK(fua_equal_ct("same", "same", 4));
    CHECK(!fua_equal_ct("same", "sane", 4));
    CHECK(fua_equal_ct("a", "b", 0));
}

static void test_texts(void) {
    fua_text none = {NULL, 0};
    CHECK(fua_text_equal(none, fua_text_of("")));
    CHECK(fua_text_equal(fua_text_of("ab"), fua_text_of("ab")));
    CHECK(!fua_text_equal(fua_text_of("ab"), fua_text_of("abc")));
}

static void test_every_status_has_a_message(void) {
    for (int status = FUA_OK; status < FUA_STATUS_COUNT; status++) {
        CHECK(strcmp(fua_status_message((fua_status)status), "unknown status") != 0);
    }
    CHECK(strcmp(fua_status_message(FUA_STATUS_COUNT), "unknown status") == 0);
}

int main(void) {
    test_sizes_that_overflow_are_refused();
    test_growing_keeps_the_contents();
    test_zeroed_memory_is_zero();
    test_secrets();
    test_texts();
    test_every_status_has_a_message();
    return 0;
}
