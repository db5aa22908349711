#include "base/buffer.h"
#include "crypto/base64.h"
#include "crypto/hmac.h"
#include "vectors.h"

static const fua_cpu PLAIN = {false, false};

static fua_sha_kind kind_of(const char *name) {
    const char *bits = name + strlen(name) - 3;
    return strcmp(bits, "A-1") == 0 ? FUA_SHA1 : strcmp(bits, "256") == 0 ? FUA_SHA256 : strcmp(bits, "384") == 0 ? FUA_SHA384 : FUA_SHA512;
}

static void test_sha_vector(const vector *v) {
    uint8_t digest[FUA_SHA_DIGEST_MAX];
    fua_cpu cpus[] = {PLAIN, fua_cpu_detect()};
    for (size_t i = 0; i < 2; i++) {
        fua_sha hash = fua_sha_of(kind_of(v->name), cpus[i]);
        fua_sha_digest(&hash, v->fields[0], v->sizes[0], digest);
        CHECK(v->sizes[1] == hash.digest_size && memcmp(digest, v->fields[1], hash.digest_size) == 0);
    }
}

static void test_hmac_vector(const vector *v) {
    uint8_t mac[FUA_SHA_DIGEST_MAX];
    fua_cpu cpus[] = {PLAIN, fua_cpu_detect()};
    for (size_t i = 0; i < 2; i++) {
        fua_hmac_key key;
        fua_hmac_key_init(&key, fua_sha_of(kind_of(v->name), cpus[i]), v->fields[0], v->sizes[0]);
        for (int again = 0; again < 2; again++) { /* a key is not used up */
            fua_hmac(&key, v->fields[1], v->sizes[1], mac);
            CHECK(v->sizes[2] == key.hash.digest_size && memcmp(mac, v->fields[2], v->sizes[2]) == 0);
        }
    }
}

/* Both implementations agree for every size around the block's, in whatever portions. */
static void test_sizes_and_portions(void) {
    uint8_t data[400], portable[64], fast[64];
    uint64_t seed = 5;
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)test_random(&seed);
    }
    for (int kind = FUA_SHA256; kind <= FUA_SHA512; kind++) {
        fua_sha plain = fua_sha_of((fua_sha_kind)kind, PLAIN);
        fua_sha best = fua_sha_of((fua_sha_kind)kind, fua_cpu_detect());
        for (size_t size = 0; size <= sizeof data; size++) {
            uint8_t *exact = malloc(size > 0 ? size : 1); /* a sanitizer sees one byte too many */
            CHECK(exact != NULL);
            memcpy(exact, data, size);
            fua_sha_digest(&plain, exact, size, portable);
            size_t before = size / plain.block_size / 2 * plain.block_size;
            fua_sha_state state;
            fua_sha_start(&best, &state);
            best.compress(&state, exact, before / best.block_size);
            fua_sha_finish(&best, &state, before, exact + before, size - before, fast);
            CHECK(memcmp(portable, fast, plain.digest_size) == 0);
            free(exact);
        }
    }
}

static void test_base64(void) {
    /* RFC 4648, section 10, without the padding */
    static const char *const texts[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const codes[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};
    char out[16];
    size_t size;
    for (size_t i = 0; i < 7; i++) {
        CHECK(fua_base64_size(i) == strlen(codes[i]));
        CHECK((size_t)(fua_base64_encode(FUA_BASE64_URL, texts[i], i, out) - out) == strlen(codes[i]));
        CHECK(memcmp(out, codes[i], strlen(codes[i])) == 0);
        CHECK_OK(fua_base64_decode(FUA_BASE64_URL, codes[i], strlen(codes[i]), out, &size));
        CHECK(size == i && memcmp(out, texts[i], i) == 0);
    }
    static const struct {
        fua_base64 alphabet;
        const char *text;
    } ends[] = {{FUA_BASE64_URL, "-_-_"}, {FUA_BASE64_STANDARD, "+/+/"}, {FUA_BASE64_DOT, "././"}};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 3; j++) {
            bool shared = i == j;
            fua_status status = fua_base64_decode(ends[i].alphabet, ends[j].text, 4, out, &size);
            CHECK(status == (shared ? FUA_OK : FUA_ERR_SYNTAX));
        }
        CHECK(fua_base64_encode(ends[i].alphabet, "\xFB\xFF\xBF", 3, out) == out + 4);
        CHECK(memcmp(out, ends[i].text, 4) == 0);
    }
}

/* All lengths and values, in memory of just their size, against one bit after the other. */
static void test_base64_of_any_length(void) {
    static const char shared[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    static const char *const last[] = {[FUA_BASE64_URL] = "-_", [FUA_BASE64_STANDARD] = "+/", [FUA_BASE64_DOT] = "./"};
    uint32_t state = 1;
    for (int alphabet = FUA_BASE64_URL; alphabet <= FUA_BASE64_DOT; alphabet++) {
        for (size_t size = 1; size <= 200; size++) {
            uint8_t *data = malloc(size);
            char *text = malloc(fua_base64_size(size));
            CHECK(data != NULL && text != NULL);
            for (size_t i = 0; i < size; i++) {
                state = state * 1664525U + 1013904223U;
                data[i] = (uint8_t)(state >> 24);
            }
            CHECK(fua_base64_encode((fua_base64)alphabet, data, size, text) == text + fua_base64_size(size));
            for (size_t i = 0; i < fua_base64_size(size); i++) {
                unsigned value = 0;
                for (size_t bit = 6 * i; bit < 6 * i + 6; bit++) {
                    value = value << 1 | (bit / 8 < size ? (unsigned)data[bit / 8] >> (7 - bit % 8) & 1U : 0U);
                }
                CHECK(text[i] == (value < 62 ? shared[value] : last[alphabet][value - 62]));
            }
            free(data);
            free(text);
        }
    }
}

/* Whatever decodes is what encoding gives back: there is no second spelling. */
static void test_base64_has_one_spelling(void) {
    static const char letters[] = "AZaz09-_+/=. \n";
    char text[6], again[8], bytes[8];
    size_t valid = 0, size;
    for (uint32_t number = 0; number < 14 * 14 * 14 * 14 * 14; number++) {
        for (size_t length = 1; length <= 5; length++) {
            uint32_t left = number;
            for (size_t i = 0; i < length; i++, left /= 14) {
                text[i] = letters[left % 14];
            }
            if (fua_base64_decode(FUA_BASE64_URL, text, length, bytes, &size) == FUA_OK) {
                CHECK(fua_base64_encode(FUA_BASE64_URL, bytes, size, again) == again + length);
                CHECK(memcmp(text, again, length) == 0);
                valid++;
            }
        }
    }
    CHECK(valid > 0);
}

static void test_buffer(void) {
    test_heap heap = {0, 0, 0, false};
    fua_allocator al = test_allocator(&heap);
    char storage[4];
    fua_buffer buffer;
    fua_buffer_init(&buffer, &al, storage, sizeof storage);
    CHECK_OK(fua_buffer_add(&buffer, "abcd", 4));
    CHECK(buffer.data == storage && heap.calls == 0);
    heap.fail_at = 1;
    CHECK(fua_buffer_add(&buffer, "e", 1) == FUA_ERR_NOMEM);
    CHECK(buffer.size == 4 && buffer.data == storage);
    for (int i = 0; i < 100; i++) {
        CHECK_OK(fua_buffer_add(&buffer, "efgh", 4));
    }
    CHECK(buffer.size == 404 && memcmp(buffer.data, "abcdefgh", 8) == 0);
    CHECK(fua_buffer_reserve(&buffer, SIZE_MAX) == FUA_ERR_OVERFLOW);
    fua_buffer_free(&buffer);
    CHECK(heap.live == 0);
}

int main(void) {
    vectors_run("sha", 15, test_sha_vector);
    vectors_run("hmac", 18, test_hmac_vector);
    test_sizes_and_portions();
    test_base64();
    test_base64_of_any_length();
    test_base64_has_one_spelling();
    test_buffer();
    return 0;
}
