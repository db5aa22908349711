/* bcrypt: password hashes of the form $2b$12$ + 22 characters of salt + 31 of digest. */
#ifndef FUA_CRYPTO_BCRYPT_H
#define FUA_CRYPTO_BCRYPT_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define FUA_BCRYPT_PASSWORD_MAX 72 /* bytes that count; the rest never did */
#define FUA_BCRYPT_SALT_SIZE 16
#define FUA_BCRYPT_DIGEST_SIZE 23 /* of the 24 computed, the last byte was never stored */
#define FUA_BCRYPT_TEXT_SIZE 60
#define FUA_BCRYPT_COST_MIN 4
#define FUA_BCRYPT_COST_MAX 31

/*
 * The three accepted variants compute the same thing here.  2x (the sign-extension bug of old crypt_blowfish) is
 * refused; so are the two things 2a once stood for elsewhere: length taken modulo 256 (OpenBSD before 5.5), and
 * crypt_blowfish's deliberate change of the hash of passwords such as ff ff a3, which are not UTF-8.
 */
typedef enum fua_bcrypt_variant {
    FUA_BCRYPT_2A = 'a',
    FUA_BCRYPT_2B = 'b',
    FUA_BCRYPT_2Y = 'y'
} fua_bcrypt_variant;

/* A stored hash, taken apart; the digest is a secret. */
typedef struct fua_bcrypt_record {
    fua_bcrypt_variant variant;
    unsigned cost; /* log2 of the rounds */
    uint8_t salt[FUA_BCRYPT_SALT_SIZE];
    uint8_t digest[FUA_BCRYPT_DIGEST_SIZE];
} fua_bcrypt_record;

/*
 * Takes `size` characters of text (borrowed) apart: FUA_OK or FUA_ERR_SYNTAX, and then *record is not to be used.
 * The last character of salt and digest carries 4 and 2 bits more than there is data.  They are ignored, as they have no
 * part in the hash, and old passlib releases wrote them at random.
 */
fua_status fua_bcrypt_parse(const char *text, size_t size, fua_bcrypt_record *record);

/*
 * Computes the digest.  Borrows its arguments.  Bytes after the 72nd are ignored; FUA_ERR_ARG for a cost out of range or
 * a NUL byte anywhere in the password.  (With NULs allowed, "a" and "a\0a" would be the same password.)
 */
fua_status fua_bcrypt_digest(const void *password, size_t size, const uint8_t salt[FUA_BCRYPT_SALT_SIZE],
                             unsigned cost, uint8_t digest[FUA_BCRYPT_DIGEST_SIZE]);

/* The same as text, terminated; also FUA_ERR_ARG for an unknown variant. */
fua_status fua_bcrypt_hash(const void *password, size_t size, const uint8_t salt[FUA_BCRYPT_SALT_SIZE], unsigned cost,
                           fua_bcrypt_variant variant, char text[FUA_BCRYPT_TEXT_SIZE + 1]);

/* FUA_OK, or FUA_ERR_MISMATCH (always so for a password with a NUL), or FUA_ERR_ARG for a cost out of range. */
fua_status fua_bcrypt_verify(const void *password, size_t size, const fua_bcrypt_record *record);

#endif
