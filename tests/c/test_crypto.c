#include <string.h>

#include "check.h"
#include "crypto/bcrypt.h"

static const char HASH[] = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"; /* crypt_blowfish */

static void test_a_published_vector(void) {
    fua_bcrypt_record record;
    char text[FUA_BCRYPT_TEXT_SIZE + 1];
    CHECK_OK(fua_bcrypt_parse(HASH, 60, &record));
    CHECK(record.variant == FUA_BCRYPT_2A && record.cost == 5);
    CHECK_OK(fua_bcrypt_verify("U*U", 3, &record));
    CHECK(fua_bcrypt_verify("U*V", 3, &record) == FUA_ERR_MISMATCH);
    CHECK(fua_bcrypt_verify("U*U", 2, &record) == FUA_ERR_MISMATCH);
    CHECK_OK(fua_bcrypt_hash("U*U", 3, record.salt, 5, FUA_BCRYPT_2A, text));
    CHECK(strcmp(text, HASH) == 0);
    CHECK_OK(fua_bcrypt_hash("U*U", 3, record.salt, 5, FUA_BCRYPT_2Y, text));
    CHECK(text[2] == 'y' && strcmp(text + 3, HASH + 3) == 0);
}

static void test_72_bytes_count(void) {
    fua_bcrypt_record record;
    char password[80], text[FUA_BCRYPT_TEXT_SIZE + 1];
    memset(password, 'x', sizeof password);
    memset(record.salt, 7, sizeof record.salt);
    CHECK_OK(fua_bcrypt_hash(password, 72, record.salt, 4, FUA_BCRYPT_2B, text));
    CHECK_OK(fua_bcrypt_parse(text, 60, &record));
    CHECK_OK(fua_bcrypt_verify(password, 80, &record));
    CHECK(fua_bcrypt_verify(password, 71, &record) == FUA_ERR_MISMATCH);
}

static void test_arguments_out_of_range(void) {
    uint8_t salt[FUA_BCRYPT_SALT_SIZE] = {0};
    char text[FUA_BCRYPT_TEXT_SIZE + 1];
    CHECK(fua_bcrypt_hash("a", 1, salt, 3, FUA_BCRYPT_2B, text) == FUA_ERR_ARG);
    CHECK(fua_bcrypt_hash("a", 1, salt, 32, FUA_BCRYPT_2B, text) == FUA_ERR_ARG);
    CHECK(fua_bcrypt_hash("a\0b", 3, salt, 4, FUA_BCRYPT_2B, text) == FUA_ERR_ARG);
    CHECK(fua_bcrypt_hash("a", 1, salt, 4, (fua_bcrypt_variant)'x', text) == FUA_ERR_ARG);
    CHECK_OK(fua_bcrypt_hash("", 0, salt, 4, FUA_BCRYPT_2B, text));
    fua_bcrypt_record record;
    CHECK_OK(fua_bcrypt_parse(text, 60, &record));
    CHECK(fua_bcrypt_verify("a\0b", 3, &record) == FUA_ERR_MISMATCH);
    CHECK_OK(fua_bcrypt_verify("", 0, &record));
    record.cost = 3;
    CHECK(fua_bcrypt_verify("", 0, &record) == FUA_ERR_ARG);
}

/* Every text of another size, and every byte at every place, is read or refused without looking outside. */
static void test_any_text_parses_or_not(void) {
    fua_bcrypt_record record;
    for (size_t size = 0; size <= 61; size++) {
        char *exact = malloc(size + 1);
        CHECK(exact != NULL);
        memcpy(exact, HASH, size < sizeof HASH ? size : sizeof HASH - 1);
        if (size == 61) {
            exact[60] = '.';
        }
        exact = realloc(exact, size > 0 ? size : 1); /* a sanitizer sees one byte too many */
        CHECK(exact != NULL);
        CHECK((fua_bcrypt_parse(exact, size, &record) == FUA_OK) == (size == 60));
        free(exact);
    }
    for (size_t at = 0; at < 60; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char text[60];
            memcpy(text, HASH, 60);
            text[at] = (char)byte;
            fua_status status = fua_bcrypt_parse(text, 60, &record);
            CHECK(status == FUA_OK || status == FUA_ERR_SYNTAX);
            CHECK(status != FUA_OK || (record.cost >= FUA_BCRYPT_COST_MIN && record.cost <= FUA_BCRYPT_COST_MAX));
        }
    }
}

int main(void) {
    test_a_published_vector();
    test_72_bytes_count();
    test_arguments_out_of_range();
    test_any_text_parses_or_not();
    return 0;
}
