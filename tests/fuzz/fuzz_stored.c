/* Stored password hashes: what parses stays within its limits, and verifies without a fault where that is quick. */
#include "crypto/stored.h"
#include "fuzz.h"

static int quick(const fua_stored *stored) {
    switch (stored->scheme) {
    case FUA_STORED_ARGON2: return stored->argon2.memory <= 64 && stored->argon2.passes <= 2;
    case FUA_STORED_PBKDF2: return stored->rounds <= 100;
    default: return 0; /* bcrypt has no quick cost */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = exact_copy(data, size);
    fua_stored stored;
    fua_status status = fua_stored_parse(text, size, &stored);
    CHECK(status == FUA_OK || status == FUA_ERR_SYNTAX);
    if (status == FUA_OK) {
        CHECK(stored.salt_size <= FUA_STORED_SALT_MAX && stored.digest_size <= FUA_STORED_DIGEST_MAX);
        CHECK(stored.scheme != FUA_STORED_ARGON2 || fua_argon2_cost_valid(&stored.argon2));
        if (quick(&stored)) {
            status = fua_stored_verify(fua_allocator_default(), fua_cpu_detect(), &stored, "password", 8);
            CHECK(status == FUA_OK || status == FUA_ERR_MISMATCH);
        }
    }
    free(text);
    return 0;
}
