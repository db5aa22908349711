/* Makes a filter as short as what is known of its values allows, true of exactly the same rows.  Takes no memory. */
#ifndef FUA_FILTER_SIMPLIFY_H
#define FUA_FILTER_SIMPLIFY_H

#include "filter/terms.h"

/*
 * Afterwards branches[0].never says that no row passes.  Otherwise what counts are the terms of branch 0 that are not
 * gone, and the groups for which fua_filter_group_counts, with their branches that are not gone; without any of these,
 * every row passes.
 *
 * Bounds on a column become the tightest, lists are intersected (united among alternatives), values that another term
 * excludes go, terms that another one implies go, alternatives that cannot hold or add nothing go, and a group with
 * one alternative left is dissolved.  FUA_ERR_ARITY as fua_filter_check; then nothing is changed.
 */
fua_status fua_filter_simplify(fua_filter *filter);

#endif
