#include <math.h>

#include "check.h"
#include "crypto/base64.h"
#include "token/claims.h"
#include "token/jws.h"

static const fua_cpu PLAIN = {false, false};
static const char CLAIMS[] = "{\"iss\":\"a\",\"sub\":\"b\",\"aud\":[\"c\",\"d\"],\"exp\":2000,\"nbf\":1000.5,\"iat\":1000,\"jti\":\"e\"}";

/* RFC 7515, appendix A.1 */
static const char TOKEN[] =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
    "bS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
static const char KEY[] = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

static void test_the_rfc_example(void) {
    uint8_t secret[66];
    char scratch[FUA_JWS_HEADER_MAX];
    size_t size;
    fua_hmac_key key;
    fua_jws parts;
    fua_jws_header header;
    fua_sha_kind kind;
    CHECK_OK(fua_base64_decode(FUA_BASE64_URL, KEY, sizeof KEY - 1, secret, &size));
    CHECK_OK(fua_jws_split(fua_text_of(TOKEN), &parts));
    CHECK_OK(fua_jws_read_header(parts.header, scratch, &header));
    CHECK(fua_jws_hmac(header.algorithm, &kind) && kind == FUA_SHA256 && header.has_typ && !header.has_kid);
    fua_hmac_key_init(&key, fua_sha_of(kind, fua_cpu_detect()), secret, size);
    CHECK_OK(fua_jws_verify(&key, &parts));
    char again[sizeof TOKEN];
    memcpy(again, TOKEN, parts.signed_part.size);
    fua_jws_sign(&key, again, parts.signed_part.size);
    CHECK(parts.signed_part.size + fua_jws_signature_size(&key) == sizeof TOKEN - 1);
    CHECK(memcmp(again, TOKEN, sizeof TOKEN - 1) == 0);
    /* every change of one character is noticed, in the signature too, where bits are left over */
    for (size_t at = 0; at < sizeof TOKEN - 1; at++) {
        for (const char *other = "AQgw.-_= "; *other != '\0'; other++) {
            memcpy(again, TOKEN, sizeof TOKEN);
            again[at] = *other;
            bool same = again[at] == TOKEN[at];
            fua_status status = fua_jws_split(fua_text_of(again), &parts);
            status = status == FUA_OK ? fua_jws_verify(&key, &parts) : status;
            CHECK((status == FUA_OK) == same);
        }
    }
}

static void test_framing(void) {
    static const char *const bad[] = {"", ".", "..", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.", "a.b.c.d", "...", "abc"};
    fua_jws parts;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(fua_jws_split(fua_text_of(bad[i]), &parts) == FUA_ERR_SYNTAX);
    }
    CHECK_OK(fua_jws_split(fua_text_of("ab.c.def"), &parts));
    CHECK(fua_text_equal(parts.header, fua_text_of("ab")) && fua_text_equal(parts.payload, fua_text_of("c")));
    CHECK(fua_text_equal(parts.signature, fua_text_of("def")));
    CHECK(fua_text_equal(parts.signed_part, fua_text_of("ab.c")));
}

static fua_status header_status(const char *json) {
    char encoded[2048], scratch[FUA_JWS_HEADER_MAX];
    fua_jws_header header;
    char *end = fua_base64_encode(FUA_BASE64_URL, json, strlen(json), encoded);
    return fua_jws_read_header((fua_text){encoded, (size_t)(end - encoded)}, scratch, &header);
}

static void test_headers(void) {
    CHECK_OK(header_status("{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"\",\"x\":[1]}"));
    static const char *const bad[] = {"[]", "1", "{}", "{\"alg\":null}", "{\"alg\":[\"HS256\"]}", "{\"alg\":1}", "{\"alg\":{}}", "x",
                                      "{\"alg\":\"a\",\"alg\":\"a\"}", "{\"alg\":\"a\",\"typ\":1}", "{\"alg\":\"a\",\"kid\":null}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(header_status(bad[i]) == FUA_ERR_SYNTAX);
    }
    CHECK(header_status("{\"alg\":\"HS256\",\"crit\":[\"b64\"]}") == FUA_ERR_UNSUPPORTED);
    CHECK(header_status("{\"alg\":\"HS256\",\"crit\":null}") == FUA_ERR_UNSUPPORTED);
    char wide[1200] = "{\"alg\":\"HS256\",\"kid\":\"";
    memset(wide + strlen(wide), 'k', 900);
    strcat(wide, "\"}");
    CHECK(header_status(wide) == FUA_ERR_LIMIT);
    fua_sha_kind kind;
    for (const char *const *name = (const char *const[]){"none", "None", "hs256", "HS", "S", "", "HS2560", "RS256", NULL}; *name; name++) {
        CHECK(!fua_jws_hmac(fua_text_of(*name), &kind));
    }
    CHECK(fua_jws_hmac(fua_text_of("HS384"), &kind) && kind == FUA_SHA384);
    CHECK(fua_jws_hmac(fua_text_of("HS512"), &kind) && kind == FUA_SHA512);
    CHECK(fua_jws_same_type(fua_text_of("jwt"), fua_text_of("JWT")));
    CHECK(fua_jws_same_type(fua_text_of("application/at+JWT"), fua_text_of("at+jwt")));
    CHECK(!fua_jws_same_type(fua_text_of("at+jwt"), fua_text_of("JWT")));
    CHECK(!fua_jws_same_type(fua_text_of("application/"), fua_text_of("")));
}

/* The status of claims; with FUA_ERR_CLAIM the name is to be `about`. */
static fua_status claims_status(const char *json, const fua_claims_rules *rules, double now, const char *about) {
    fua_json_node nodes[100];
    size_t count;
    char text[300];
    fua_text claim = {"", 0};
    strcpy(text, json);
    CHECK_OK(fua_json_read(text, strlen(text), nodes, 100, &count));
    fua_status status = fua_claims_check(nodes, rules, now, &claim);
    CHECK(status != FUA_ERR_CLAIM || fua_text_equal(claim, fua_text_of(about)));
    return status;
}

static void test_times(void) {
    fua_claims_rules rules = {.audience = fua_text_of("c")};
    CHECK_OK(claims_status(CLAIMS, &rules, 1999.999, ""));
    CHECK(claims_status(CLAIMS, &rules, 2000, "") == FUA_ERR_EXPIRED);
    CHECK_OK(claims_status(CLAIMS, &rules, 1000.5, ""));
    CHECK(claims_status(CLAIMS, &rules, 1000.25, "") == FUA_ERR_EARLY);
    CHECK(claims_status(CLAIMS, &rules, (double)NAN, "") == FUA_ERR_EXPIRED);
    rules.leeway = 10;
    CHECK_OK(claims_status(CLAIMS, &rules, 2009, ""));
    CHECK(claims_status(CLAIMS, &rules, 2010, "") == FUA_ERR_EXPIRED);
    CHECK_OK(claims_status(CLAIMS, &rules, 990.5, ""));
    static const char *const values[] = {"null", "true", "\"5\"", "[]", "{}", "-1", "9007199254740992", "1e16", "-0.5"};
    static const char *const names[] = {"exp", "nbf", "iat"};
    fua_claims_rules none = {.leeway = 0};
    for (size_t i = 0; i < 27; i++) {
        char json[100];
        snprintf(json, sizeof json, "{\"%s\":%s}", names[i / 9], values[i % 9]);
        CHECK(claims_status(json, &none, 0, names[i / 9]) == FUA_ERR_CLAIM);
    }
    CHECK_OK(claims_status("{\"exp\":9007199254740991,\"iat\":9e15,\"Exp\":null,\"expo\":1}", &none, 5, ""));
}

static void test_others(void) {
    fua_text required[] = {fua_text_of("exp"), fua_text_of("jti")};
    fua_claims_rules none = {.leeway = 0}, strict = {.required = required, .required_count = 2};
    fua_claims_rules bound = {.audience = fua_text_of("me"), .issuer = fua_text_of("you")};
    CHECK(claims_status("[]", &none, 0, "") == FUA_ERR_SYNTAX);
    CHECK_OK(claims_status("{}", &none, 0, ""));
    CHECK(claims_status("{\"jti\":\"\"}", &strict, 0, "exp") == FUA_ERR_CLAIM);
    CHECK(claims_status("{\"exp\":5}", &strict, 0, "jti") == FUA_ERR_CLAIM);
    CHECK_OK(claims_status("{\"exp\":5,\"jti\":\"\"}", &strict, 0, ""));
    CHECK_OK(claims_status("{\"iss\":\"you\",\"aud\":\"me\"}", &bound, 0, ""));
    CHECK_OK(claims_status("{\"aud\":[\"a\",\"me\"],\"iss\":\"you\"}", &bound, 0, ""));
    CHECK(claims_status("{\"aud\":\"me\"}", &bound, 0, "iss") == FUA_ERR_CLAIM);
    CHECK(claims_status("{\"iss\":\"you\"}", &bound, 0, "aud") == FUA_ERR_CLAIM);
    static const char *const audiences[] = {"\"Me\"", "[]", "[\"m\",\"e\"]", "null", "1", "{\"me\":1}", "[\"me\",1]", "[[\"me\"]]", "true"};
    for (size_t i = 0; i < sizeof audiences / sizeof *audiences; i++) {
        char json[100];
        snprintf(json, sizeof json, "{\"iss\":\"you\",\"aud\":%s}", audiences[i]);
        CHECK(claims_status(json, &bound, 0, "aud") == FUA_ERR_CLAIM);
        snprintf(json, sizeof json, "{\"aud\":%s}", audiences[i]);
        CHECK(claims_status(json, &none, 0, "aud") == FUA_ERR_CLAIM); /* for somebody else */
    }
    CHECK(claims_status("{\"iss\":\"me\",\"aud\":\"me\"}", &bound, 0, "iss") == FUA_ERR_CLAIM);
    CHECK(claims_status("{\"iss\":1}", &none, 0, "iss") == FUA_ERR_CLAIM);
    CHECK(claims_status("{\"sub\":1}", &none, 0, "sub") == FUA_ERR_CLAIM);
    CHECK(claims_status("{\"jti\":[]}", &none, 0, "jti") == FUA_ERR_CLAIM);
}

static void test_keys_of_each_size(void) {
    char token[300] = "a.b";
    for (int kind = FUA_SHA256; kind <= FUA_SHA512; kind++) {
        fua_hmac_key key;
        fua_jws parts;
        fua_hmac_key_init(&key, fua_sha_of((fua_sha_kind)kind, PLAIN), "key", 3);
        fua_jws_sign(&key, token, 3);
        token[3 + fua_jws_signature_size(&key)] = '\0';
        CHECK_OK(fua_jws_split(fua_text_of(token), &parts));
        CHECK_OK(fua_jws_verify(&key, &parts));
        parts.signature.size--;
        CHECK(fua_jws_verify(&key, &parts) == FUA_ERR_MISMATCH);
    }
}

int main(void) {
    test_the_rfc_example();
    test_framing();
    test_headers();
    test_times();
    test_others();
    test_keys_of_each_size();
    return 0;
}
