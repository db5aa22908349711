/* What is reachable over links, and the subjects whose rules a request may meet.  Internal to policy; results stand in
 * engine->reached until the next call. */
#ifndef FUA_POLICY_REACH_H
#define FUA_POLICY_REACH_H

#include "policy/engine.h"

#define FUA_SMALL_REACH 24 /* up to here membership is looked up in the list itself */

/* Breadth first from `start`, which stands first; where links carry a domain, only those of `domain`. */
fua_status fua_reach(fua_engine *engine, size_t type, uint32_t start, uint32_t domain, bool upward, size_t *count);

/* A subject and its roles, lowest level first: from the subject's standing where that is current. */
fua_status fua_subjects_of(fua_engine *engine, fua_intern_slot *subject, size_t *count);

/* Standings of the next `most` names, so that the first request of each finds one. */
fua_status fua_take_standings(fua_engine *engine, size_t most);

#endif
