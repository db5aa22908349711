/* The standing of a subject: the roles above it, at any depth, in the order in which a decision asks them.
 *
 * It is kept in the note beside the subject's name, so that whoever looks up the name has the roles without a further
 * wait for memory.  A standing is current while its stamp is that of the levels (policy/levels.h); the stamp moves on
 * with every change of role links but those of subjects without members, whose standings are forgotten one by one.
 * Subjects with more roles than fit have none, and their links are walked. */
#ifndef FUA_POLICY_STANDING_H
#define FUA_POLICY_STANDING_H

#include <stddef.h>
#include <stdint.h>

#include "data/intern.h"

#define FUA_STANDING_MOST FUA_INTERN_NOTE /* the subject itself, and a role for each word but the stamp's */

/* A subject or role and its level; of a standing only the order of levels is kept, which starts at 0. */
typedef struct fua_reached {
    uint32_t id, level;
} fua_reached;

/* Fills `reached`, room for FUA_STANDING_MOST, with a subject and its roles, lowest level first; how many that are, or
 * 0 when the note holds no current standing. */
size_t fua_standing_read(const uint32_t *note, uint32_t stamp, uint32_t subject, fua_reached *reached);
/* Keeps a subject and its roles, lowest level first, if they fit. */
void fua_standing_write(uint32_t *note, uint32_t stamp, const fua_reached *reached, size_t count);
void fua_standing_forget(uint32_t *note);

#endif
