/* The registered claims of RFC 7519, checked against a time that is passed in. */
#ifndef FUA_TOKEN_CLAIMS_H
#define FUA_TOKEN_CLAIMS_H

#include "data/json.h"

#define FUA_CLAIMS_TIME_MAX 9007199254740992.0 /* times are from 0 to below 2^53 seconds: exact as double */

/* What is demanded of claims; everything borrowed. */
typedef struct fua_claims_rules {
    fua_text audience; /* data NULL: no audience; then a token that has one is for somebody else */
    fua_text issuer;   /* data NULL: any */
    const fua_text *required; /* claims that have to be there */
    size_t required_count;
    double leeway; /* seconds that clocks may differ */
} fua_claims_rules;

/*
 * Checks claims as read by fua_json_read, at `now` seconds since the epoch: FUA_OK; FUA_ERR_SYNTAX when they are not an
 * object; FUA_ERR_EXPIRED from `exp` + leeway on; FUA_ERR_EARLY before `nbf` - leeway; FUA_ERR_CLAIM for one that is
 * missing, unwanted or of the wrong type, and then *claim borrows its name.
 */
fua_status fua_claims_check(const fua_json_node *nodes, const fua_claims_rules *rules, double now, fua_text *claim);

/* A value that `exp`, `nbf` or `iat` may have. */
static inline bool fua_claims_is_time(double seconds) {
    return seconds >= 0 && seconds < FUA_CLAIMS_TIME_MAX;
}

#endif
