/* Password hashes as databases hold them: read, verified, and written in one form per scheme. */
#ifndef FUA_CRYPTO_STORED_H
#define FUA_CRYPTO_STORED_H

#include <stdbool.h>

#include "base/alloc.h"
#include "crypto/argon2.h"
#include "crypto/bcrypt.h"
#include "crypto/sha.h"

#define FUA_STORED_SALT_MAX 128   /* bytes */
#define FUA_STORED_DIGEST_MIN 16  /* bytes: shorter ones fit too many passwords */
#define FUA_STORED_DIGEST_MAX 128
#define FUA_STORED_TEXT_MAX 512   /* characters of any form */
#define FUA_PBKDF2_ROUNDS_MAX 100000000U

typedef enum fua_stored_scheme {
    FUA_STORED_BCRYPT,        /* $2b$..., or Django's bcrypt$$2b$... */
    FUA_STORED_BCRYPT_SHA256, /* bcrypt of a SHA-256 digest: every byte of a long password counts */
    FUA_STORED_ARGON2,
    FUA_STORED_PBKDF2
} fua_stored_scheme;

/* How bcrypt_sha256 forms its input. */
typedef enum fua_stored_prehash {
    FUA_PREHASH_HMAC,   /* passlib v=2: base64 of HMAC-SHA256 with the salt's text as key */
    FUA_PREHASH_BASE64, /* passlib, older: base64 of SHA-256 */
    FUA_PREHASH_HEX     /* Django: SHA-256 in hex digits */
} fua_stored_prehash;

/* A stored hash, taken apart; the digest is a secret. */
typedef struct fua_stored {
    fua_stored_scheme scheme;
    bool foreign; /* spelled as another program does: this one would write it anew */
    fua_bcrypt_record bcrypt;
    fua_stored_prehash prehash;
    fua_argon2_cost argon2;
    fua_sha_kind hash; /* of PBKDF2 */
    uint32_t rounds;    /* of PBKDF2 */
    uint8_t salt[FUA_STORED_SALT_MAX], digest[FUA_STORED_DIGEST_MAX];
    size_t salt_size, digest_size;
} fua_stored;

/*
 * Takes a text apart: FUA_OK, or FUA_ERR_SYNTAX and then *stored is not to be used.  Known forms, and no others:
 *
 *   $2a$ $2b$ $2y$          crypt; with Django's "bcrypt$" before it
 *   $bcrypt-sha256$v=2,t=2b,r=12$salt$digest, $bcrypt-sha256$2b,12$salt$digest (passlib); bcrypt_sha256$$2b$... (Django)
 *   $argon2id$v=19$m=65536,t=3,p=4$salt$digest, argon2i and argon2d, v=16 or none (PHC); with Django's "argon2" before it
 *   $pbkdf2-sha256$29000$salt$digest, sha512, and $pbkdf2$ for SHA-1 (passlib);
 *                           pbkdf2_sha256$600000$salt$digest, sha512, sha1 (Django)
 */
fua_status fua_stored_parse(const char *text, size_t size, fua_stored *stored);

/* FUA_OK, FUA_ERR_MISMATCH (always so for a password with a NUL), or FUA_ERR_NOMEM. */
fua_status fua_stored_verify(const fua_allocator *al, fua_cpu cpu, const fua_stored *stored, const void *password,
                             size_t size);

/*
 * Computes the digest of a record whose scheme, costs and salt are set (bcrypt: in `bcrypt`), and writes it as text,
 * terminated: the first form of each scheme above, passlib's for PBKDF2.  FUA_ERR_ARG for costs or sizes out of range,
 * or a NUL in the password.
 */
fua_status fua_stored_hash(const fua_allocator *al, fua_cpu cpu, fua_stored *stored, const void *password, size_t size,
                           char text[FUA_STORED_TEXT_MAX + 1]);

#endif
