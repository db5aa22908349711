/* Signed texts in the compact form of RFC 7515: framing, header, HMAC signatures.  What is signed is claims.h's. */
#ifndef FUA_TOKEN_JWS_H
#define FUA_TOKEN_JWS_H

#include <stdbool.h>

#include "base/status.h"
#include "base/text.h"
#include "crypto/hmac.h"

#define FUA_JWS_HEADER_MAX 1024 /* characters of base64url; keys' ids are to fit in */

/* The parts of a token, still encoded; borrowed from it. */
typedef struct fua_jws {
    fua_text header, payload, signature;
    fua_text signed_part; /* header, dot and payload */
} fua_jws;

typedef struct fua_jws_header {
    fua_text algorithm; /* borrowed from the scratch, as the others */
    fua_text kid, typ;
    bool has_kid, has_typ;
} fua_jws_header;

/* FUA_ERR_SYNTAX unless there are exactly three parts, none empty. */
fua_status fua_jws_split(fua_text token, fua_jws *parts);

/*
 * Reads an encoded header, into scratch.  FUA_ERR_SYNTAX unless it is a strictly encoded JSON object with a string
 * `alg`, and `kid` and `typ`, where they are, are strings; FUA_ERR_UNSUPPORTED with `crit`: no extension is understood
 * here, so none may be demanded (RFC 7515, 4.1.11); FUA_ERR_LIMIT for more than FUA_JWS_HEADER_MAX characters.
 */
fua_status fua_jws_read_header(fua_text encoded, char scratch[FUA_JWS_HEADER_MAX], fua_jws_header *header);

/* The hash of HS256, HS384 and HS512; false for any other name. */
bool fua_jws_hmac(fua_text algorithm, fua_sha_kind *kind);

/* Whether `typ` names the media type `wanted`: case and a leading "application/" do not count (RFC 7515, 4.1.9). */
bool fua_jws_same_type(fua_text typ, fua_text wanted);

/* FUA_OK, FUA_ERR_MISMATCH, or FUA_ERR_SYNTAX when the signature is not strict base64url. */
fua_status fua_jws_verify(const fua_hmac_key *key, const fua_jws *parts);

/* Characters of a signature by a key, with the dot before it. */
size_t fua_jws_signature_size(const fua_hmac_key *key);
/* Signs the first `size` characters of token and writes dot and signature after them. */
void fua_jws_sign(const fua_hmac_key *key, char *token, size_t size);

#endif
