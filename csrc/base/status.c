#include "base/status.h"

const char *fua_status_message(fua_status status) {
    switch (status) {
    case FUA_OK: return "no error";
    case FUA_ERR_NOMEM: return "out of memory";
    case FUA_ERR_OVERFLOW: return "a size is too large";
    case FUA_ERR_ARG: return "an argument is out of range";
    case FUA_ERR_SYNTAX: return "the text could not be parsed";
    case FUA_ERR_ARITY: return "wrong number of fields";
    case FUA_ERR_EFFECT: return "the effect is neither 'allow' nor 'deny'";
    case FUA_ERR_ROOT: return "permission rules for u:root are refused: root is always allowed";
    case FUA_ERR_CYCLE: return "the role link would close a cycle";
    case FUA_ERR_TYPE: return "the model defines no such policy type";
    case FUA_ERR_UNSUPPORTED: return "the model uses something this engine does not evaluate";
    case FUA_ERR_MISMATCH: return "mismatch";
    case FUA_ERR_LIMIT: return "the input is too large or nested too deeply";
    case FUA_ERR_ALGORITHM: return "the algorithm, key or type that the token names is not accepted";
    case FUA_ERR_CLAIM: return "a claim is missing or not acceptable";
    case FUA_ERR_EXPIRED: return "the token has expired";
    case FUA_ERR_EARLY: return "the token is not valid yet";
    case FUA_STATUS_COUNT: break;
    }
    return "unknown status";
}
