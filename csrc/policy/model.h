/* Casbin models: definitions of requests, rules, role links, effect and matcher.
 *
 * The built-in model (fua_model_builtin) is the product's own: decisions as its documentation states them.  Any
 * other model is read from Casbin's model text and keeps Casbin's meaning; its matcher is compiled to a plan
 * (policy/matcher.h), and what the engine cannot evaluate is refused when the model is read, with its name. */
#ifndef FUA_POLICY_MODEL_H
#define FUA_POLICY_MODEL_H

#include "base/alloc.h"
#include "base/status.h"
#include "base/text.h"
#include "policy/matcher.h"

#define FUA_MODEL_MAX_TYPES 8
#define FUA_NAME_MAX 32

typedef enum fua_effect {
    FUA_EFFECT_ALLOW_OVERRIDE,   /* some(where (p.eft == allow)) */
    FUA_EFFECT_DENY_OVERRIDE,    /* !some(where (p.eft == deny)) */
    FUA_EFFECT_ALLOW_AND_DENY,   /* both of the above */
    FUA_EFFECT_PRIORITY,         /* priority(p.eft) || deny */
    FUA_EFFECT_SUBJECT_PRIORITY  /* subjectPriority(p.eft) || deny */
} fua_effect;

typedef struct fua_policy_type {
    char name[FUA_NAME_MAX]; /* p, g, g2, ... */
    bool is_role;            /* a role definition */
    size_t width;            /* fields of a rule */
} fua_policy_type;

typedef struct fua_model {
    const fua_allocator *al; /* borrowed */
    bool builtin;
    size_t request_width;
    char request_names[FUA_MATCHER_MAX_FIELDS][FUA_NAME_MAX];
    char rule_names[FUA_MATCHER_MAX_FIELDS][FUA_NAME_MAX];
    fua_policy_type types[FUA_MODEL_MAX_TYPES]; /* type 0 is p */
    size_t type_count;
    int effect_field;   /* index of eft in a rule of p, or -1: every rule allows */
    int priority_field; /* index of priority in a rule of p, or -1 */
    fua_effect effect;
    fua_matcher matcher;
} fua_model;

typedef struct fua_model_error {
    size_t line;        /* 1-based line of the text; 0 where no line is to blame */
    char message[160];
} fua_model_error;

/* Positions in the built-in model. */
enum { FUA_TYPE_P = 0, FUA_TYPE_G = 1, FUA_TYPE_G2 = 2 };
enum { FUA_P_SUB, FUA_P_OBJ, FUA_P_ACT, FUA_P_GROUP, FUA_P_EFT, FUA_P_WIDTH };
#define FUA_R_WIDTH 4
#define FUA_SUPER_SUBJECT "u:root"

/* The built-in model; owned by the caller. */
fua_status fua_model_builtin(const fua_allocator *al, fua_model **out);
/* Reads model text; owned by the caller.  FUA_ERR_SYNTAX and FUA_ERR_UNSUPPORTED fill `error`. */
fua_status fua_model_parse(const fua_allocator *al, fua_text text, fua_model **out, fua_model_error *error);
void fua_model_free(fua_model *model);
/* The number of a policy type, or -1. */
int fua_model_type(const fua_model *model, fua_text name);

#endif
