#include "policy/levels.h"

#include <string.h>

void fua_levels_init(fua_levels *levels, const fua_allocator *al) {
    memset(levels, 0, sizeof *levels);
    levels->al = al;
    fua_idmap_init(&levels->index, al);
    levels->cycle_id = FUA_NO_ID;
    levels->stamp = 1;
}

/* No number comes twice: after the last one it is 0 for good. */
static void move_stamp(fua_levels *levels) {
    levels->stamp += levels->stamp != 0;
}

static void clear_nodes(fua_levels *levels) {
    for (size_t i = 0; i < levels->count; i++) {
        fua_free(levels->al, levels->nodes[i].members);
    }
    levels->count = 0;
    fua_idmap_clear(&levels->index);
}

void fua_levels_free(fua_levels *levels) {
    clear_nodes(levels);
    fua_free(levels->al, levels->nodes);
    fua_idmap_free(&levels->index);
    fua_levels_init(levels, levels->al);
}

static fua_level_node *find_node(const fua_levels *levels, uint32_t id) {
    uint32_t index = fua_idmap_get(&levels->index, id, FUA_NO_ID);
    return index == FUA_NO_ID ? NULL : &levels->nodes[index];
}

uint32_t fua_levels_of(const fua_levels *levels, uint32_t id) {
    const fua_level_node *node = find_node(levels, id);
    return node == NULL ? 0 : node->level;
}

static fua_status make_node(fua_levels *levels, uint32_t id, fua_level_node **node) {
    *node = find_node(levels, id);
    if (*node != NULL) {
        return FUA_OK;
    }
    void *block = levels->nodes;
    fua_status status = fua_grow(levels->al, &block, &levels->cap, levels->count + 1, sizeof *levels->nodes);
    levels->nodes = block;
    if (status == FUA_OK) {
        status = fua_idmap_set(&levels->index, id, (uint32_t)levels->count);
    }
    if (status != FUA_OK) {
        return status;
    }
    *node = &levels->nodes[levels->count++];
    **node = (fua_level_node){id, 0, NULL, 0};
    return FUA_OK;
}

/* Counts one more (or one less) member of some level; makes room as needed. */
static fua_status count_member(fua_levels *levels, fua_level_node *node, uint32_t level, bool more) {
    size_t before = node->members_cap;
    void *block = node->members;
    fua_status status = fua_grow(levels->al, &block, &node->members_cap, (size_t)level + 1, sizeof *node->members);
    node->members = block;
    if (status != FUA_OK) {
        return status;
    }
    if (node->members_cap > before) {
        memset(node->members + before, 0, (node->members_cap - before) * sizeof *node->members);
    }
    node->members[level] += more ? 1u : UINT32_MAX;
    return FUA_OK;
}

static uint32_t level_from_members(const fua_level_node *node) {
    for (size_t level = node->members_cap; level > 0; level--) {
        if (node->members[level - 1] > 0) {
            return (uint32_t)level;
        }
    }
    return 0;
}

typedef struct pending {
    uint32_t *ids; /* owned */
    size_t count, cap;
} pending;

static fua_status push(fua_levels *levels, pending *work, uint32_t id) {
    void *block = work->ids;
    fua_status status = fua_grow(levels->al, &block, &work->cap, work->count + 1, sizeof *work->ids);
    work->ids = block;
    if (status == FUA_OK) {
        work->ids[work->count++] = id;
    }
    return status;
}

/* Brings the level of `id` in line with its members, then its roles' counts and levels, upward.  Were the new
 * link of `member` to close a cycle, the rise would come round to `member`: FUA_ERR_CYCLE. */
static fua_status settle(fua_levels *levels, const fua_rules *links, uint32_t id, uint32_t member) {
    pending work = {NULL, 0, 0};
    fua_status status = push(levels, &work, id);
    while (status == FUA_OK && work.count > 0) {
        uint32_t current = work.ids[--work.count];
        fua_level_node *node = find_node(levels, current);
        if (node == NULL) {
            continue;
        }
        uint32_t old = node->level, fresh = level_from_members(node);
        if (old == fresh) {
            continue;
        }
        if (current == member) {
            status = FUA_ERR_CYCLE;
            break;
        }
        node->level = fresh;
        move_stamp(levels);
        for (uint32_t row = fua_rules_first(links, 0, current); row != FUA_NO_ROW && status == FUA_OK;
             row = fua_rules_next(links, 0, row)) {
            uint32_t role = fua_rules_fields(links, row)[1];
            fua_level_node *above = NULL;
            status = make_node(levels, role, &above);
            if (status == FUA_OK) {
                status = count_member(levels, above, old, false);
            }
            if (status == FUA_OK) {
                status = count_member(levels, above, fresh, true);
            }
            if (status == FUA_OK) {
                status = push(levels, &work, role);
            }
        }
    }
    fua_free(levels->al, work.ids);
    return status;
}

static void link_changed(fua_levels *levels, const fua_rules *links, uint32_t member, uint32_t role, bool added) {
    if (levels->stale || levels->cycle_id != FUA_NO_ID) {
        levels->stale = true;
        return;
    }
    fua_level_node *node = NULL;
    fua_status status = make_node(levels, role, &node);
    uint32_t level = fua_levels_of(levels, member);
    if (level > 0) {
        move_stamp(levels);
    }
    if (status == FUA_OK) {
        status = count_member(levels, node, level, added);
    }
    if (status == FUA_OK) {
        status = settle(levels, links, role, added ? member : FUA_NO_ID);
    }
    levels->stale = status != FUA_OK;
}

void fua_levels_link_added(fua_levels *levels, const fua_rules *links, uint32_t member, uint32_t role) {
    link_changed(levels, links, member, role, true);
}

void fua_levels_link_removed(fua_levels *levels, const fua_rules *links, uint32_t member, uint32_t role) {
    link_changed(levels, links, member, role, false);
}

/* --- computing all levels afresh: strongly connected components after Tarjan (1972), without recursion ------- */

typedef struct visit {
    uint32_t id;
    uint32_t order, low; /* discovery number, lowest one reachable */
    uint32_t level;      /* of its component, once that is complete */
    uint32_t row;        /* next link to members to look at */
    bool open;           /* still on the component stack */
} visit;

typedef struct walk {
    fua_idmap index; /* id -> visit */
    visit *visits;   /* owned */
    size_t count, cap;
    pending path, component;
} walk;

static fua_status begin_visit(fua_levels *levels, const fua_rules *links, walk *w, uint32_t id) {
    void *block = w->visits;
    fua_status status = fua_grow(levels->al, &block, &w->cap, w->count + 1, sizeof *w->visits);
    w->visits = block;
    if (status == FUA_OK) {
        status = fua_idmap_set(&w->index, id, (uint32_t)w->count);
    }
    if (status == FUA_OK) {
        status = push(levels, &w->path, (uint32_t)w->count);
    }
    if (status == FUA_OK) {
        status = push(levels, &w->component, (uint32_t)w->count);
    }
    if (status == FUA_OK) {
        uint32_t order = (uint32_t)w->count++;
        w->visits[order] = (visit){id, order, order, 0, fua_rules_first(links, 1, id), true};
    }
    return status;
}

/* Ends the component whose first visit is `root`: its level is one above the highest member outside it. */
static void end_component(fua_levels *levels, const fua_rules *links, walk *w, uint32_t root) {
    size_t first = w->component.count;
    while (w->component.ids[--first] != root) {
    }
    uint32_t level = 0;
    bool cyclic = w->component.count - first > 1;
    for (size_t i = first; i < w->component.count; i++) {
        uint32_t id = w->visits[w->component.ids[i]].id;
        for (uint32_t row = fua_rules_first(links, 1, id); row != FUA_NO_ROW; row = fua_rules_next(links, 1, row)) {
            uint32_t member = fua_rules_fields(links, row)[0];
            const visit *seen = &w->visits[fua_idmap_get(&w->index, member, 0)];
            if (seen->open) {
                cyclic = true; /* inside this component, or the role itself */
            } else if (seen->level + 1 > level) {
                level = seen->level + 1;
            }
        }
    }
    for (size_t i = first; i < w->component.count; i++) {
        visit *done = &w->visits[w->component.ids[i]];
        done->level = level;
        done->open = false;
        if (cyclic) {
            levels->cycle_id = done->id;
        }
    }
    w->component.count = first;
}

static fua_status walk_from(fua_levels *levels, const fua_rules *links, walk *w, uint32_t id) {
    if (fua_idmap_get(&w->index, id, FUA_NO_ID) != FUA_NO_ID) {
        return FUA_OK;
    }
    fua_status status = begin_visit(levels, links, w, id);
    while (status == FUA_OK && w->path.count > 0) {
        uint32_t top = w->path.ids[w->path.count - 1];
        uint32_t row = w->visits[top].row;
        if (row != FUA_NO_ROW) {
            w->visits[top].row = fua_rules_next(links, 1, row);
            uint32_t member = fua_rules_fields(links, row)[0];
            uint32_t seen = fua_idmap_get(&w->index, member, FUA_NO_ID);
            if (seen == FUA_NO_ID) {
                status = begin_visit(levels, links, w, member);
            } else if (w->visits[seen].open && w->visits[seen].order < w->visits[top].low) {
                w->visits[top].low = w->visits[seen].order;
            }
            continue;
        }
        w->path.count--;
        if (w->visits[top].low == w->visits[top].order) {
            end_component(levels, links, w, top);
        }
        if (w->path.count > 0) {
            visit *below = &w->visits[w->path.ids[w->path.count - 1]];
            if (w->visits[top].low < below->low) {
                below->low = w->visits[top].low;
            }
        }
    }
    return status;
}

/* Member counts and levels of every role, from the finished walk. */
static fua_status adopt(fua_levels *levels, const fua_rules *links, const walk *w) {
    fua_status status = FUA_OK;
    for (uint32_t row = 0; row < links->rows && status == FUA_OK; row++) {
        if (!fua_rules_is_live(links, row)) {
            continue;
        }
        const uint32_t *fields = fua_rules_fields(links, row);
        fua_level_node *node = NULL;
        status = make_node(levels, fields[1], &node);
        if (status == FUA_OK) {
            node->level = w->visits[fua_idmap_get(&w->index, fields[1], 0)].level;
            status = count_member(levels, node, w->visits[fua_idmap_get(&w->index, fields[0], 0)].level, true);
        }
    }
    return status;
}

fua_status fua_levels_refresh(fua_levels *levels, const fua_rules *links) {
    if (!levels->stale) {
        return FUA_OK;
    }
    clear_nodes(levels);
    move_stamp(levels);
    levels->cycle_id = FUA_NO_ID;
    walk w;
    memset(&w, 0, sizeof w);
    fua_idmap_init(&w.index, levels->al);
    fua_status status = FUA_OK;
    for (uint32_t row = 0; row < links->rows && status == FUA_OK; row++) {
        if (fua_rules_is_live(links, row)) {
            status = walk_from(levels, links, &w, fua_rules_fields(links, row)[1]);
        }
    }
    if (status == FUA_OK) {
        status = adopt(levels, links, &w);
    }
    fua_idmap_free(&w.index);
    fua_free(levels->al, w.visits);
    fua_free(levels->al, w.path.ids);
    fua_free(levels->al, w.component.ids);
    levels->stale = status != FUA_OK;
    return status;
}
