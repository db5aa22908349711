/* A token's way through framing, header, signature and claims.  The payload is read even when the signature is wrong, as
 * no fuzzer finds a right one. */
#include "crypto/base64.h"
#include "fuzz.h"
#include "token/claims.h"
#include "token/jws.h"

#define ROOM 8192

static void read_claims(fua_text payload) {
    static fua_json_node nodes[ROOM];
    static const fua_text required[] = {{"exp", 3}};
    const fua_claims_rules rules[] = {
        {{NULL, 0}, {NULL, 0}, NULL, 0, 0},
        {{"me", 2}, {"you", 3}, required, 1, 5},
    };
    char *text = malloc(fua_base64_room(payload.size));
    size_t size, count;
    CHECK(text != NULL);
    if (fua_base64_decode(FUA_BASE64_URL, payload.data, payload.size, text, &size) == FUA_OK &&
        fua_json_read(text, size, nodes, ROOM, &count) == FUA_OK) {
        for (size_t i = 0; i < 2; i++) {
            fua_text claim = {"", 0};
            fua_status status = fua_claims_check(nodes, &rules[i], 1.8e9, &claim);
            CHECK(status == FUA_OK || status == FUA_ERR_SYNTAX || status == FUA_ERR_CLAIM ||
                  status == FUA_ERR_EXPIRED || status == FUA_ERR_EARLY);
            CHECK(i == 0 || status != FUA_OK || fua_json_member(nodes, 0, required[0]) != NULL);
        }
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = exact_copy(data, size);
    char scratch[FUA_JWS_HEADER_MAX];
    fua_jws parts;
    fua_jws_header header;
    fua_hmac_key key;
    if (fua_jws_split((fua_text){text, size}, &parts) == FUA_OK) {
        CHECK(parts.header.size + parts.payload.size + parts.signature.size + 2 == size);
        fua_sha_kind kind = FUA_SHA256;
        if (fua_jws_read_header(parts.header, scratch, &header) == FUA_OK) {
            (void)fua_jws_hmac(header.algorithm, &kind);
            (void)fua_jws_same_type(header.typ, (fua_text){"JWT", 3});
        }
        fua_hmac_key_init(&key, fua_sha_of(kind, fua_cpu_detect()), "key", 3);
        if (fua_jws_verify(&key, &parts) == FUA_OK) {
            char *again = malloc(parts.signed_part.size + fua_jws_signature_size(&key));
            CHECK(again != NULL);
            memcpy(again, text, parts.signed_part.size);
            fua_jws_sign(&key, again, parts.signed_part.size);
            CHECK(memcmp(again, text, size) == 0);
            free(again);
        }
        read_claims(parts.payload);
    }
    free(text);
    return 0;
}
