/* Subject levels, as in Casbin's subject priority: a subject without members is 0, a role is one above its
 * highest member.  Members of a cycle (possible only in a loaded database) share one level.
 *
 * Levels are derived from the role links and kept up to date link by link: each role counts its members by
 * level, so adding or removing a link costs nothing that depends on how many members a role has.  While the
 * links hold a cycle that bookkeeping has no meaning; levels are then computed afresh after each change. */
#ifndef FUA_POLICY_LEVELS_H
#define FUA_POLICY_LEVELS_H

#include "data/idmap.h"
#include "policy/rules.h"

typedef struct fua_level_node {
    uint32_t id;
    uint32_t level;
    uint32_t *members;      /* owned; members[k] counts direct members of level k */
    size_t members_cap;
} fua_level_node;

typedef struct fua_levels {
    const fua_allocator *al; /* borrowed */
    fua_idmap index;         /* id -> node; subjects of level 0 have none */
    fua_level_node *nodes;   /* owned */
    size_t count, cap;
    bool stale;              /* must be computed afresh before use */
    uint32_t stamp;          /* moves on when a level changes, or what is above a subject that has members; then the
                              * standings of any number of subjects may differ.  0 once there are no more numbers. */
    uint32_t cycle_id;       /* a subject on a cycle, or FUA_NO_ID */
} fua_levels;

void fua_levels_init(fua_levels *levels, const fua_allocator *al);
void fua_levels_free(fua_levels *levels);

/* After the link member -> role (columns 0 and 1 of a row of `links`) came or went.  These cannot fail: where
 * memory is short, levels are marked stale and fua_levels_refresh reports it. */
void fua_levels_link_added(fua_levels *levels, const fua_rules *links, uint32_t member, uint32_t role);
void fua_levels_link_removed(fua_levels *levels, const fua_rules *links, uint32_t member, uint32_t role);

/* Computes stale levels afresh; must succeed before fua_levels_of. */
fua_status fua_levels_refresh(fua_levels *levels, const fua_rules *links);
/* The level of a subject. */
uint32_t fua_levels_of(const fua_levels *levels, uint32_t id);

#endif
