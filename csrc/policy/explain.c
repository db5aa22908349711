#include "policy/explain.h"

#include <stdlib.h>
#include <string.h>

/* Breadth first over member -> role or container -> page, so that each is reached by a shortest path.  Where links
 * carry a domain, only those of `domain`. */
static fua_status walk(const fua_engine *engine, size_t type, fua_text start, uint32_t domain, fua_idmap *from) {
    const fua_rules *links = &engine->rules[type];
    uint32_t id = fua_intern_find(&engine->strings, start);
    fua_ids found = {NULL, 0, 0};
    fua_status status = FUA_OK;
    if (id != FUA_NO_ID) {
        status = fua_idmap_set(from, id, id);
        if (status == FUA_OK) {
            status = fua_ids_push(engine->al, &found, id);
        }
    }
    for (size_t next = 0; next < found.count && status == FUA_OK; next++) {
        uint32_t row = fua_rules_first(links, 0, found.ids[next]);
        for (; row != FUA_NO_ROW && status == FUA_OK; row = fua_rules_next(links, 0, row)) {
            const uint32_t *fields = fua_rules_fields(links, row);
            bool other_domain = links->width > 2 && fields[2] != domain;
            if (other_domain || fua_idmap_get(from, fields[1], FUA_NO_ID) != FUA_NO_ID) {
                continue;
            }
            status = fua_idmap_set(from, fields[1], found.ids[next]);
            if (status == FUA_OK) {
                status = fua_ids_push(engine->al, &found, fields[1]);
            }
        }
    }
    fua_ids_free(engine->al, &found);
    return status;
}

static fua_status note(const fua_engine *engine, fua_explanation *out, uint32_t row, uint32_t level) {
    void *block = out->relevant;
    fua_status status = fua_grow(engine->al, &block, &out->cap, out->count + 1, sizeof *out->relevant);
    out->relevant = block;
    if (status == FUA_OK) {
        out->relevant[out->count++] = (fua_relevant){row, level};
    }
    return status;
}

static bool is_relevant(const fua_engine *engine, const fua_explanation *out, const fua_text *request,
                        const uint32_t *fields) {
    const fua_intern *strings = &engine->strings;
    if (!fua_action_matches(fua_intern_text(strings, fields[FUA_P_ACT]), request[FUA_P_ACT]) ||
        !fua_text_equal(fua_intern_text(strings, fields[FUA_P_GROUP]), request[FUA_P_GROUP])) {
        return false;
    }
    if (fua_text_equal(fua_intern_text(strings, fields[FUA_P_OBJ]), request[FUA_P_OBJ])) {
        return true;
    }
    bool allow = fua_text_equal(fua_intern_text(strings, fields[FUA_P_EFT]), fua_text_of("allow"));
    return allow && fua_idmap_get(&out->pages, fields[FUA_P_OBJ], FUA_NO_ID) != FUA_NO_ID;
}

static int by_level_then_row(const void *left, const void *right) {
    const fua_relevant *a = left, *b = right;
    if (a->level != b->level) {
        return a->level < b->level ? -1 : 1;
    }
    return a->row < b->row ? -1 : a->row > b->row;
}

static fua_status explain_builtin(fua_engine *engine, const fua_text *request, fua_explanation *out) {
    const fua_rules *rules = &engine->rules[FUA_TYPE_P];
    if (fua_text_equal(request[FUA_P_SUB], fua_text_of(FUA_SUPER_SUBJECT))) {
        return FUA_OK; /* no rule counts */
    }
    fua_status status = walk(engine, FUA_TYPE_G, request[FUA_P_SUB], FUA_NO_ID, &out->subjects);
    if (status == FUA_OK) {
        status = walk(engine, FUA_TYPE_G2, request[FUA_P_OBJ], FUA_NO_ID, &out->pages);
    }
    for (size_t slot = 0; slot < out->subjects.slot_count && status == FUA_OK; slot++) {
        uint32_t subject = out->subjects.slots[slot].key;
        if (subject == FUA_NO_ID) {
            continue;
        }
        uint32_t row = fua_rules_first(rules, 0, subject);
        for (; row != FUA_NO_ROW && status == FUA_OK; row = fua_rules_next(rules, 0, row)) {
            if (is_relevant(engine, out, request, fua_rules_fields(rules, row))) {
                status = note(engine, out, row, fua_levels_of(&engine->levels, subject));
            }
        }
    }
    if (out->count > 1) {
        qsort(out->relevant, out->count, sizeof *out->relevant, by_level_then_row);
    }
    return status;
}

static size_t position(const char (*names)[FUA_NAME_MAX], size_t count, const char *name) {
    size_t i = 0;
    while (i < count && strcmp(names[i], name) != 0) {
        i++;
    }
    return i;
}

/* The path to the deciding rule by the names that Casbin's models go by: r.sub over g, in r.dom where it has one. */
static fua_status explain_custom(fua_engine *engine, const fua_text *request, fua_explanation *out) {
    const fua_model *model = engine->model;
    int type = fua_model_type(model, fua_text_of("g"));
    size_t width = model->request_width;
    size_t sub = position((const char(*)[FUA_NAME_MAX])model->request_names, width, "sub");
    size_t dom = position((const char(*)[FUA_NAME_MAX])model->request_names, width, "dom");
    if (out->row == FUA_NO_ROW) {
        return FUA_OK;
    }
    uint32_t level = 0;
    if (model->effect == FUA_EFFECT_SUBJECT_PRIORITY) {
        level = fua_levels_of(&engine->levels, fua_rules_fields(&engine->rules[0], out->row)[0]);
    }
    fua_status status = note(engine, out, out->row, level);
    if (status == FUA_OK && type > 0 && sub < width) {
        uint32_t domain = dom < width ? fua_intern_find(&engine->strings, request[dom]) : FUA_NO_ID;
        status = walk(engine, (size_t)type, request[sub], domain, &out->subjects);
    }
    return status;
}

fua_status fua_explain(fua_engine *engine, const fua_text *request, size_t count, fua_explanation *out) {
    memset(out, 0, sizeof *out);
    fua_idmap_init(&out->subjects, engine->al);
    fua_idmap_init(&out->pages, engine->al);
    fua_status status = fua_engine_explain(engine, request, count, &out->allowed, &out->row);
    if (status == FUA_OK) {
        status = engine->model->builtin ? explain_builtin(engine, request, out) : explain_custom(engine, request, out);
    }
    if (status != FUA_OK) {
        fua_explanation_free(engine, out);
    }
    return status;
}

void fua_explanation_free(const fua_engine *engine, fua_explanation *explanation) {
    fua_free(engine->al, explanation->relevant);
    fua_idmap_free(&explanation->subjects);
    fua_idmap_free(&explanation->pages);
    explanation->relevant = NULL;
    explanation->count = explanation->cap = 0;
}

fua_status fua_explain_path(const fua_engine *engine, const fua_idmap *from, uint32_t id, fua_ids *path) {
    *path = (fua_ids){NULL, 0, 0};
    uint32_t before = fua_idmap_get(from, id, FUA_NO_ID);
    fua_status status = FUA_OK;
    while (before != FUA_NO_ID && status == FUA_OK) {
        status = fua_ids_push(engine->al, path, id);
        if (before == id) {
            break;
        }
        id = before;
        before = fua_idmap_get(from, id, FUA_NO_ID);
    }
    if (status != FUA_OK) {
        fua_ids_free(engine->al, path);
        return status;
    }
    for (size_t i = 0, j = path->count; i + 1 < j; i++) {
        uint32_t last = path->ids[--j];
        path->ids[j] = path->ids[i];
        path->ids[i] = last;
    }
    return FUA_OK;
}
