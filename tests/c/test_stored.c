#include "crypto/argon2.h"
#include "crypto/argon2_block.h"
#include "crypto/blake2b.h"
#include "crypto/pbkdf2.h"
#include "crypto/stored.h"
#include "vectors.h"

static const fua_cpu PLAIN = {false, false};

static void test_blake2b_vector(const vector *v) {
    uint8_t digest[FUA_BLAKE2B_DIGEST_MAX];
    for (size_t portion = 1; portion <= 300; portion += 37) {
        fua_blake2b hash;
        fua_blake2b_init(&hash, v->sizes[1]);
        for (size_t at = 0; at < v->sizes[0]; at += portion) {
            size_t left = v->sizes[0] - at;
            fua_blake2b_add(&hash, v->fields[0] + at, left < portion ? left : portion);
        }
        fua_blake2b_end(&hash, digest);
        CHECK(memcmp(digest, v->fields[1], v->sizes[1]) == 0);
    }
}

static void test_pbkdf2_vector(const vector *v) {
    uint8_t out[64];
    fua_sha_kind kind = strcmp(v->name, "PBKDF2-SHA1") == 0     ? FUA_SHA1
                        : strcmp(v->name, "PBKDF2-SHA256") == 0 ? FUA_SHA256
                                                                : FUA_SHA512;
    uint32_t rounds = (uint32_t)vector_number(v, 2);
    fua_cpu cpus[] = {PLAIN, fua_cpu_detect()};
    for (size_t i = rounds > 5000; i < 2; i++) {
        CHECK_OK(fua_pbkdf2(fua_sha_of(kind, cpus[i]), v->fields[0], v->sizes[0], v->fields[1], v->sizes[1], rounds, out,
                            v->sizes[3]));
        CHECK(memcmp(out, v->fields[3], v->sizes[3]) == 0);
    }
}

static void test_argon2_vector(const vector *v) {
    uint8_t out[128];
    fua_bytes inputs[4];
    fua_argon2_cost cost = {
        strcmp(v->name, "argon2id") == 0 ? FUA_ARGON2_ID : strcmp(v->name, "argon2i") == 0 ? FUA_ARGON2_I : FUA_ARGON2_D,
        (uint32_t)vector_number(v, 0), (uint32_t)vector_number(v, 1), (uint32_t)vector_number(v, 2),
        (uint32_t)vector_number(v, 3)};
    for (size_t i = 0; i < 4; i++) {
        inputs[i] = (fua_bytes){v->fields[4 + i], v->sizes[4 + i]};
    }
    fua_cpu cpus[] = {PLAIN, fua_cpu_detect()};
    for (size_t i = 0; i < 2; i++) {
        test_heap heap = {0, 0, 0, false};
        fua_allocator al = test_allocator(&heap);
        CHECK_OK(fua_argon2(&al, cpus[i], &cost, inputs[0], inputs[1], inputs[2], inputs[3], out, v->sizes[8]));
        CHECK(memcmp(out, v->fields[8], v->sizes[8]) == 0);
        CHECK(heap.live == 0);
        heap.fail_at = heap.calls + 1;
        CHECK(fua_argon2(&al, cpus[i], &cost, inputs[0], inputs[1], inputs[2], inputs[3], out, 32) == FUA_ERR_NOMEM);
    }
}

/* The vector code computes what the plain code does, also in place. */
static void test_fill_functions_agree(void) {
    fua_argon2_fill fills[] = {fua_argon2_fill_of(PLAIN), fua_argon2_fill_of(fua_cpu_detect())};
    uint64_t seed = 7;
    fua_argon2_block left, right, wanted, out;
    for (int turn = 0; turn < 100; turn++) {
        for (size_t i = 0; i < FUA_ARGON2_WORDS; i++) {
            left.words[i] = (uint64_t)test_random(&seed) << 40 ^ (uint64_t)test_random(&seed) << 20 ^ test_random(&seed);
            right.words[i] = turn == 0 ? UINT64_MAX : left.words[i] * 3;
            wanted.words[i] = left.words[i] + right.words[i];
        }
        for (size_t i = 0; i < 2; i++) {
            fua_argon2_block expected = wanted;
            out = wanted;
            fua_argon2_fill_portable(&left, &right, &expected, turn % 2);
            fills[i](&left, &right, &out, turn % 2);
            CHECK(memcmp(&out, &expected, sizeof out) == 0);
            out = right;
            expected = right;
            fua_argon2_fill_portable(&left, &right, &expected, turn % 2);
            fills[i](&left, &out, &out, turn % 2);
            CHECK(memcmp(&out, &expected, sizeof out) == 0);
        }
    }
}

static void test_bounds(void) {
    uint8_t out[16];
    fua_argon2_cost good = {FUA_ARGON2_ID, 0x13, 64, 1, 4};
    fua_bytes password = {"password", 8}, salt = {"somesalt", 8}, none = {"", 0};
    const fua_allocator *al = fua_allocator_default();
    fua_argon2_cost bad[] = {good, good, good, good, good, good, good, good};
    bad[0].lanes = 0;
    bad[1].lanes = FUA_ARGON2_LANES_MAX + 1;
    bad[2].memory = 31;
    bad[3].memory = FUA_ARGON2_MEMORY_MAX + 1;
    bad[4].passes = 0;
    bad[5].passes = FUA_ARGON2_PASSES_MAX + 1;
    bad[6].version = 0x12;
    bad[7].type = (fua_argon2_type)3;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(fua_argon2(al, PLAIN, &bad[i], password, salt, none, none, out, 16) == FUA_ERR_ARG);
    }
    CHECK(fua_argon2(al, PLAIN, &good, password, (fua_bytes){"somesal", 7}, none, none, out, 16) == FUA_ERR_ARG);
    CHECK(fua_argon2(al, PLAIN, &good, password, salt, none, none, out, 3) == FUA_ERR_ARG);
    CHECK_OK(fua_argon2(al, PLAIN, &good, none, salt, none, none, out, 16));
    fua_sha sha256 = fua_sha_of(FUA_SHA256, PLAIN);
    CHECK(fua_pbkdf2(sha256, "a", 1, "b", 1, 0, out, 16) == FUA_ERR_ARG);
    CHECK(fua_pbkdf2(sha256, "a", 1, "b", FUA_PBKDF2_SALT_MAX + 1, 1, out, 16) == FUA_ERR_ARG);
}

/* Hashes of "password"; made with passlib 1.7.4, argon2-cffi 25.1.0 and Django 5.2's hashers (SHA-1 in its
 * form: RFC 6070's third vector). */
static const char *const HASHES[] = {
    "$2b$04$8aKADAFKnEAtHs70h.eynuJCQSWqD79JUJzfG9jurcVm5lB/7d5pG",
    "$2a$04$bUsPBlllVKGU3zqpqqRMW.V/obwNgWj7Bq2ztvaGrflfMG5uD6YcG",
    "$pbkdf2-sha256$1000$MDEyMzQ1Njc4OWFiY2RlZg$hRRjgXWkW8ResfIvBP99J/T4vkgEmMRV/0tJTOjR59I",
    "$pbkdf2-sha512$1000$//79$fF1kEFJJuDi.rcMqMD6mWNyqZZchZ0zGn5AwhyBIkamtzJL5Nr2gTsHp3kzxYhQyGIwCUX68ToN"
    "ZhaoSwroEoA",
    "$pbkdf2-sha256$1$$wSMvEPYnFf2gaufAogN8oZszzxA7cnulbYcMEfKQoqs",
    "$argon2id$v=19$m=64,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$KzY0shwac7WdDSXS7D8RdfNN9PJf0xghZnmkY8y2pVw",
    "$argon2i$v=19$m=64,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$JlmFuHg9yYqs0mnjLh3AJKZLUT7Q+Un4XD/y8j3HTho",
    "$argon2d$v=19$m=64,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$9OaBW1zcavOrvzQtBSpU9npbgkCzCHD5c6U+pJuLK5k",
    "$argon2id$v=16$m=64,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$GxnZ09LpIddJyFJs2tlhcEALNc5kbx2h8SvRTDtZ4nE",
    "$argon2i$m=8,t=1,p=1$MDEyMzQ1Njc$yX87dFuO6iFG2TgsnQ9hzw",
    "$bcrypt-sha256$v=2,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$sdU2s51xApBVBMVw4RZiJY.7FC1fevu",
    "$bcrypt-sha256$2b,4$n79VH.0Q2TMWmt3Oqt9uku$218k5nCh3D4YqdpX.Zv79C4bjOSjWea",
    "$pbkdf2$1000$MDEyMzQ1Njc4OWFiY2RlZg$DYW.LTZG5wxyiF/qvsh40/./hXk",
    "pbkdf2_sha1$4096$salt$SwB5AbdlSJq+rUnZJvch0GWkKcE=",
    "pbkdf2_sha256$1000$seasalt$YIWkt6M1JFXrHg5s0jZjBSc7C2Cz6QvchSJ0h8Y+i7c=",
    "bcrypt$$2b$04$xMe7xVYojg5Xi5hMKsBomOIkJqTXP2EAWJG0dZGPqdv9FC0VyQS8K",
    "bcrypt_sha256$$2b$04$e41dxCAZTPRRclo5N2pSF.SoLesOBNEXmHyBHaGCRhurJhwYHV5mG",
    "argon2$argon2id$v=19$m=64,t=1,p=2$MDEyMzQ1Njc4OWFiY2RlZg$WSSfe1mnbabV5EdR0HMZ1l+3H3KWmc3xRljelgVL3V8"
    "",
    "pbkdf2_sha512$1000$seasalt$TCtBOEq+xXm+XNZRLfJoHDneh4iBM8b625BLGQLietyIGZ27aNH0oiYQ1uvtIKO2f60DdYIkg"
    "YbHnIAbnk1sWw==",
};

static void test_known_forms(void) {
    const fua_allocator *al = fua_allocator_default();
    for (size_t i = 0; i < sizeof HASHES / sizeof *HASHES; i++) {
        fua_stored stored;
        char text[FUA_STORED_TEXT_MAX + 1];
        CHECK_OK(fua_stored_parse(HASHES[i], strlen(HASHES[i]), &stored));
        CHECK_OK(fua_stored_verify(al, fua_cpu_detect(), &stored, "password", 8));
        CHECK(fua_stored_verify(al, fua_cpu_detect(), &stored, "Password", 8) == FUA_ERR_MISMATCH);
        CHECK(fua_stored_verify(al, fua_cpu_detect(), &stored, "password\0", 9) == FUA_ERR_MISMATCH);
        bool own = !stored.foreign && stored.bcrypt.variant != FUA_BCRYPT_2A && stored.bcrypt.variant != FUA_BCRYPT_2Y;
        bool pads = stored.digest_size != 0 && stored.digest_size != 32 && stored.digest_size != 64;
        if (own && !pads && strstr(HASHES[i], "$m=") == strstr(HASHES[i], "$v=") + (strstr(HASHES[i], "$v=") ? 5 : 0)) {
            CHECK_OK(fua_stored_hash(al, PLAIN, &stored, "password", 8, text));
            CHECK(strcmp(text, HASHES[i]) == 0);
        }
    }
}

/* Every beginning is refused, and every change of one byte is read or refused, without looking outside. */
static void test_any_text_parses_or_not(void) {
    for (size_t i = 0; i < sizeof HASHES / sizeof *HASHES; i++) {
        size_t full = strlen(HASHES[i]);
        fua_stored stored;
        for (size_t size = 0; size <= full; size++) {
            char *exact = malloc(size > 0 ? size : 1);
            CHECK(exact != NULL);
            memcpy(exact, HASHES[i], size);
            fua_status status = fua_stored_parse(exact, size, &stored);
            /* a shorter argon2 digest is a hash as well */
            CHECK(size == full ? status == FUA_OK : status == FUA_ERR_SYNTAX || stored.scheme == FUA_STORED_ARGON2);
            for (int byte = 0; size == full && byte < 256 * (int)full; byte++) {
                char kept = exact[byte / 256];
                exact[byte / 256] = (char)(byte % 256);
                status = fua_stored_parse(exact, size, &stored);
                CHECK(status == FUA_OK || status == FUA_ERR_SYNTAX);
                exact[byte / 256] = kept;
            }
            free(exact);
        }
    }
}

int main(void) {
    vectors_run("blake2b", 28, test_blake2b_vector);
    vectors_run("pbkdf2", 17, test_pbkdf2_vector);
    vectors_run("argon2", 21, test_argon2_vector);
    test_fill_functions_agree();
    test_bounds();
    test_known_forms();
    test_any_text_parses_or_not();
    return 0;
}
