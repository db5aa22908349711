#include <string.h>

#include "check.h"
#include "data/hash.h"
#include "data/idmap.h"
#include "data/intern.h"

static const fua_hash_key KEY = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

/* SipHash-1-3 of 00 01 .. n-1 under the key 00 01 .. 0f, as the reference code of SipHash gives it. */
static void test_siphash(void) {
    unsigned char data[64];
    uint64_t seen[64];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (unsigned char)i;
        seen[i] = fua_siphash13(&KEY, data, i);
        for (size_t k = 0; k < i; k++) {
            CHECK(seen[k] != seen[i]);
        }
    }
    CHECK(seen[0] == UINT64_C(0xabac0158050fc4dc));
    CHECK(seen[1] == UINT64_C(0xc9f49bf37d57ca93));
    CHECK(seen[2] == UINT64_C(0x82cb9b024dc7d44d));
    CHECK(seen[3] == UINT64_C(0x8bf80ab8e7ddf7fb));
    fua_hash_key other = {KEY.k0 ^ 1, KEY.k1};
    CHECK(fua_siphash13(&other, data, 8) != seen[8]);
}

#define KEYS 500

static void test_idmap_equals_an_array(void) {
    test_heap heap = {0, 0, 0, false};
    fua_allocator al = test_allocator(&heap);
    fua_idmap map;
    fua_idmap_init(&map, &al);
    uint32_t expected[KEYS];
    memset(expected, 0xff, sizeof expected);
    uint64_t random = 1;
    for (int turn = 0; turn < 200000; turn++) {
        uint32_t key = test_random(&random) % KEYS, value = test_random(&random) % 1000;
        if (test_random(&random) % 3 != 0) {
            CHECK_OK(fua_idmap_set(&map, key, value));
            expected[key] = value;
        } else {
            fua_idmap_remove(&map, key);
            expected[key] = UINT32_MAX;
        }
        if (turn % 50000 == 49999) {
            fua_idmap_clear(&map);
            memset(expected, 0xff, sizeof expected);
        }
        uint32_t asked = test_random(&random) % KEYS;
        CHECK(fua_idmap_get(&map, asked, UINT32_MAX) == expected[asked]);
    }
    CHECK(fua_idmap_get(&map, KEYS + 1, 7) == 7);
    fua_idmap_free(&map);
    CHECK(heap.live == 0);
}

static void test_idmap_reserve_keeps_its_word(void) {
    test_heap heap = {0, 0, 0, false};
    fua_allocator al = test_allocator(&heap);
    fua_idmap map;
    fua_idmap_init(&map, &al);
    heap.fail_at = 1;
    CHECK(fua_idmap_set(&map, 1, 1) == FUA_ERR_NOMEM);
    CHECK(fua_idmap_get(&map, 1, 0) == 0);
    for (uint32_t turn = 0; turn < 8; turn++) {
        CHECK_OK(fua_idmap_reserve(&map, 100));
        heap.fail_at = heap.calls + 1;
        for (uint32_t i = 0; i < 100; i++) {
            CHECK_OK(fua_idmap_set(&map, turn * 100 + i, i));
        }
        heap.fail_at = 0;
    }
    fua_idmap_free(&map);
    CHECK(heap.live == 0);
}

static void test_intern_counts_references(void) {
    test_heap heap = {0, 0, 0, false};
    fua_allocator al = test_allocator(&heap);
    fua_intern in;
    uint32_t first, again, other;
    fua_intern_init(&in, &al, KEY);
    CHECK(fua_intern_find(&in, fua_text_of("a")) == FUA_NO_ID);
    CHECK_OK(fua_intern_acquire(&in, fua_text_of("a"), &first));
    CHECK_OK(fua_intern_acquire(&in, fua_text_of("a"), &again));
    CHECK_OK(fua_intern_acquire(&in, (fua_text){"a\0b", 3}, &other));
    CHECK(first == again && first != other);
    CHECK(fua_text_equal(fua_intern_text(&in, other), (fua_text){"a\0b", 3}));
    fua_intern_release(&in, first);
    CHECK(fua_intern_find(&in, fua_text_of("a")) == first);
    fua_intern_retain(&in, first);
    fua_intern_release(&in, first);
    fua_intern_release(&in, first);
    CHECK(fua_intern_find(&in, fua_text_of("a")) == FUA_NO_ID);
    CHECK(in.used == 1);
    CHECK_OK(fua_intern_acquire(&in, fua_text_of(""), &again));
    CHECK(again == first); /* free ids are used again */
    fua_intern_free(&in);
    CHECK(heap.live == 0);
}

static void test_intern_equals_an_array(void) {
    test_heap heap = {0, 0, 0, false};
    fua_allocator al = test_allocator(&heap);
    fua_intern in;
    fua_intern_init(&in, &al, KEY);
    uint32_t refs[KEYS] = {0}, ids[KEYS] = {0};
    uint64_t random = 2;
    for (int turn = 0; turn < 100000; turn++) {
        char name[16];
        uint32_t number = test_random(&random) % KEYS, id;
        (void)snprintf(name, sizeof name, "%u", number);
        fua_text text = fua_text_of(name);
        CHECK(fua_intern_find(&in, text) == (refs[number] > 0 ? ids[number] : FUA_NO_ID));
        fua_text several[3] = {text, fua_text_of("never stored"), text};
        uint32_t found[3];
        fua_intern_find_all(&in, several, 3, found);
        CHECK(found[0] == fua_intern_find(&in, text) && found[1] == FUA_NO_ID && found[2] == found[0]);
        if (refs[number] == 0 || test_random(&random) % 2 == 0) {
            if (test_random(&random) % 16 == 0) {
                heap.fail_at = heap.calls + 1; /* may or may not need memory */
            }
            size_t used = in.used;
            fua_status status = fua_intern_acquire(&in, text, &id);
            heap.fail_at = 0;
            CHECK(status == FUA_OK || status == FUA_ERR_NOMEM);
            if (status == FUA_OK) {
                CHECK(refs[number] == 0 || ids[number] == id);
                ids[number] = id;
                refs[number]++;
            } else {
                CHECK(in.used == used);
            }
        } else {
            fua_intern_release(&in, ids[number]);
            refs[number]--;
        }
        CHECK(refs[number] == 0 || fua_text_equal(fua_intern_text(&in, ids[number]), text));
    }
    fua_intern_free(&in);
    CHECK(heap.live == 0);
}

/* Two names of one hash under this key: all that likely goes by. */
static void test_a_hash_is_not_taken_for_its_text(void) {
    const fua_text names[2] = {fua_text_of("u:187378"), fua_text_of("u:229494")};
    test_heap heap = {0, 0, 0, false};
    fua_allocator al = test_allocator(&heap);
    fua_intern in;
    uint32_t hashes[2], ids[2];
    fua_intern_slot *found[2];
    fua_intern_init(&in, &al, (fua_hash_key){1, 2});
    CHECK_OK(fua_intern_acquire(&in, names[0], &ids[0]));
    fua_intern_begin(&in, names, 2, hashes);
    CHECK(hashes[0] == hashes[1]);
    fua_intern_likely(&in, hashes, 2, found);
    CHECK(found[0] == fua_intern_at(&in, ids[0]) && found[1] == found[0]);
    CHECK(!fua_intern_confirm(&in, names, hashes, 2, found));
    CHECK(found[0] == fua_intern_at(&in, ids[0]) && found[1] == NULL);
    CHECK(fua_intern_confirm(&in, names, hashes, 2, found));
    CHECK_OK(fua_intern_acquire(&in, names[1], &ids[1]));
    fua_intern_likely(&in, hashes, 2, found);
    CHECK(!fua_intern_confirm(&in, names, hashes, 2, found));
    CHECK(found[0] == fua_intern_at(&in, ids[0]) && found[1] == fua_intern_at(&in, ids[1]));
    fua_intern_release(&in, ids[0]);
    CHECK(fua_intern_find(&in, names[0]) == FUA_NO_ID && fua_intern_find(&in, names[1]) == ids[1]);
    fua_intern_free(&in);
    CHECK(heap.live == 0);
}

/* What is noted about a string goes where its slot goes, and with its last reference. */
static void test_notes_stay_with_their_strings(void) {
    test_heap heap = {0, 0, 0, false};
    fua_allocator al = test_allocator(&heap);
    fua_intern in;
    fua_intern_init(&in, &al, KEY);
    uint32_t ids[KEYS] = {0};
    bool held[KEYS] = {false};
    uint64_t random = 3;
    for (uint32_t turn = 1; turn < 20000; turn++) {
        char name[16];
        uint32_t number = test_random(&random) % KEYS;
        (void)snprintf(name, sizeof name, "%u", number);
        if (held[number]) {
            CHECK(fua_intern_at(&in, ids[number])->note[FUA_INTERN_NOTE - 1] == number + 1);
            fua_intern_release(&in, ids[number]);
        } else {
            CHECK_OK(fua_intern_acquire(&in, fua_text_of(name), &ids[number]));
            uint32_t *last = &fua_intern_at(&in, ids[number])->note[FUA_INTERN_NOTE - 1];
            CHECK(*last == 0);
            *last = number + 1;
        }
        held[number] = !held[number];
    }
    fua_intern_free(&in);
    CHECK(heap.live == 0);
}

int main(void) {
    test_siphash();
    test_idmap_equals_an_array();
    test_idmap_reserve_keeps_its_word();
    test_intern_counts_references();
    test_intern_equals_an_array();
    test_a_hash_is_not_taken_for_its_text();
    test_notes_stay_with_their_strings();
    return 0;
}
