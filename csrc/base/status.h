/* Status codes of the whole C core.  Every fallible function returns one; FUA_OK is zero. */
#ifndef FUA_BASE_STATUS_H
#define FUA_BASE_STATUS_H

typedef enum fua_status {
    FUA_OK = 0,
    FUA_ERR_NOMEM,     /* an allocation failed; nothing was changed */
    FUA_ERR_OVERFLOW,  /* a size or count would not fit its type */
    FUA_ERR_ARG,       /* an argument is outside its documented range */
    FUA_ERR_SYNTAX,    /* text could not be parsed: a model, a matcher, a stored hash */
    FUA_ERR_ARITY,     /* a rule or request has the wrong number of fields */
    FUA_ERR_EFFECT,    /* the effect of a rule is neither "allow" nor "deny" */
    FUA_ERR_ROOT,      /* a permission rule for the super user, which is always allowed */
    FUA_ERR_CYCLE,     /* a role link would close a cycle */
    FUA_ERR_TYPE,      /* a policy type (p, g, g2, ...) that the model does not define */
    FUA_ERR_UNSUPPORTED, /* valid Casbin, but not something this engine evaluates */
    FUA_ERR_MISMATCH,  /* a digest, signature or password does not match */
    FUA_ERR_LIMIT,     /* input is larger or nested deeper than its documented limit */
    FUA_ERR_ALGORITHM, /* a token names an algorithm or key that is not accepted, or is of another type */
    FUA_ERR_CLAIM,     /* a claim is missing, of the wrong type, or not the wanted one */
    FUA_ERR_EXPIRED,   /* a token's life is over */
    FUA_ERR_EARLY,     /* a token is not valid yet */
    FUA_STATUS_COUNT
} fua_status;

/* A short English sentence for a status; borrowed, static. */
const char *fua_status_message(fua_status status);

#endif
