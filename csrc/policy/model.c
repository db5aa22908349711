#include "policy/model.h"

#include <stdio.h>
#include <string.h>

static fua_policy_type *add_type(fua_model *model, const char *name, bool is_role, size_t width) {
    fua_policy_type *type = &model->types[model->type_count++];
    (void)snprintf(type->name, sizeof type->name, "%s", name);
    type->is_role = is_role;
    type->width = width;
    return type;
}

static fua_model *new_model(const fua_allocator *al) {
    fua_model *model = fua_calloc(al, 1, sizeof *model);
    if (model != NULL) {
        model->al = al;
        model->effect_field = model->priority_field = -1;
    }
    return model;
}

fua_status fua_model_builtin(const fua_allocator *al, fua_model **out) {
    static const char *const request[] = {"sub", "obj", "act", "group"};
    static const char *const rule[] = {"sub", "obj", "act", "group", "eft"};
    fua_model *model = new_model(al);
    if (model == NULL) {
        return FUA_ERR_NOMEM;
    }
    model->builtin = true;
    model->request_width = FUA_R_WIDTH;
    for (size_t i = 0; i < FUA_R_WIDTH; i++) {
        (void)snprintf(model->request_names[i], FUA_NAME_MAX, "%s", request[i]);
    }
    for (size_t i = 0; i < FUA_P_WIDTH; i++) {
        (void)snprintf(model->rule_names[i], FUA_NAME_MAX, "%s", rule[i]);
    }
    add_type(model, "p", false, FUA_P_WIDTH);
    add_type(model, "g", true, 2);
    add_type(model, "g2", true, 2);
    model->effect_field = FUA_P_EFT;
    model->effect = FUA_EFFECT_SUBJECT_PRIORITY;
    *out = model;
    return FUA_OK;
}

void fua_model_free(fua_model *model) {
    if (model != NULL) {
        fua_matcher_free(model->al, &model->matcher);
        fua_free(model->al, model);
    }
}

int fua_model_type(const fua_model *model, fua_text name) {
    for (size_t i = 0; i < model->type_count; i++) {
        if (fua_text_equal(name, fua_text_of(model->types[i].name))) {
            return (int)i;
        }
    }
    return -1;
}

/* --- reading model text: sections of "key = value" lines, # and ; comments, \ continues a line ---------------- */

typedef struct reader {
    fua_model *model;
    fua_model_error *error;
    char section[FUA_NAME_MAX];
    char *matcher; /* owned; the matcher's text, compiled at the end when all names are known */
    size_t matcher_line;
    bool has_request, has_rule, has_effect;
} reader;

static fua_status fail(reader *r, size_t line, fua_status status, const char *what, fua_text detail) {
    int shown = detail.size < 80 ? (int)detail.size : 80;
    r->error->line = line;
    (void)snprintf(r->error->message, sizeof r->error->message, "%s '%.*s'", what, shown, detail.data);
    return status;
}

static fua_text trim(fua_text text) {
    while (text.size > 0 && strchr(" \t\r\n", text.data[0]) != NULL && text.data[0] != '\0') {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && strchr(" \t\r\n", text.data[text.size - 1]) != NULL && text.data[text.size - 1] != '\0') {
        text.size--;
    }
    return text;
}

/* Splits off the text before the first `separator`, trimmed. */
static fua_text split(fua_text *text, char separator) {
    const char *at = text->size > 0 ? memchr(text->data, separator, text->size) : NULL;
    fua_text head = *text;
    if (at == NULL) {
        *text = (fua_text){text->data + text->size, 0};
    } else {
        head.size = (size_t)(at - text->data);
        *text = (fua_text){at + 1, text->size - head.size - 1};
    }
    return trim(head);
}

static fua_status read_names(reader *r, size_t line, fua_text value, char (*names)[FUA_NAME_MAX], size_t *count) {
    *count = 0;
    while (value.size > 0) {
        fua_text name = split(&value, ',');
        if (name.size == 0 || name.size >= FUA_NAME_MAX) {
            return fail(r, line, FUA_ERR_SYNTAX, "bad field name", name);
        }
        if (*count == FUA_MATCHER_MAX_FIELDS) {
            return fail(r, line, FUA_ERR_UNSUPPORTED, "too many fields at", name);
        }
        for (size_t i = 0; i < *count; i++) {
            if (fua_text_equal(name, fua_text_of(names[i]))) {
                return fail(r, line, FUA_ERR_SYNTAX, "a field is defined twice:", name);
            }
        }
        memcpy(names[*count], name.data, name.size);
        names[(*count)++][name.size] = '\0';
    }
    return FUA_OK;
}

static bool same_without_spaces(fua_text text, const char *expected) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == ' ' || text.data[i] == '\t') {
            continue;
        }
        if (*expected == '\0' || text.data[i] != *expected++) {
            return false;
        }
    }
    return *expected == '\0';
}

static fua_status read_effect(reader *r, size_t line, fua_text value) {
    static const struct {
        const char *text;
        fua_effect effect;
    } known[] = {
        {"some(where(p.eft==allow))", FUA_EFFECT_ALLOW_OVERRIDE},
        {"!some(where(p.eft==deny))", FUA_EFFECT_DENY_OVERRIDE},
        {"some(where(p.eft==allow))&&!some(where(p.eft==deny))", FUA_EFFECT_ALLOW_AND_DENY},
        {"priority(p.eft)||deny", FUA_EFFECT_PRIORITY},
        {"subjectPriority(p.eft)||deny", FUA_EFFECT_SUBJECT_PRIORITY},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (same_without_spaces(value, known[i].text)) {
            r->model->effect = known[i].effect;
            r->has_effect = true;
            return FUA_OK;
        }
    }
    return fail(r, line, FUA_ERR_UNSUPPORTED, "policy effect not supported:", value);
}

static fua_status read_role(reader *r, size_t line, fua_text key, fua_text value) {
    size_t width = 0;
    char name[FUA_NAME_MAX];
    if (key.size >= sizeof name || key.data[0] != 'g') {
        return fail(r, line, FUA_ERR_SYNTAX, "bad role definition", key);
    }
    while (value.size > 0) {
        if (!fua_text_equal(split(&value, ','), fua_text_of("_"))) {
            return fail(r, line, FUA_ERR_UNSUPPORTED, "role definition not supported:", key);
        }
        width++;
    }
    if (width < 2 || width > 3) {
        return fail(r, line, FUA_ERR_UNSUPPORTED, "role definitions have two or three fields, not so", key);
    }
    int known = fua_model_type(r->model, key);
    if (known > 0) { /* the last definition counts, as of everything else */
        r->model->types[known].width = width;
        return FUA_OK;
    }
    if (r->model->type_count == FUA_MODEL_MAX_TYPES) {
        return fail(r, line, FUA_ERR_UNSUPPORTED, "too many role definitions at", key);
    }
    memcpy(name, key.data, key.size);
    name[key.size] = '\0';
    add_type(r->model, name, true, width);
    return FUA_OK;
}

static fua_status read_definition(reader *r, size_t line, fua_text key, fua_text value) {
    fua_model *model = r->model;
    size_t count = 0;
    if (key.size == 0 || value.size == 0) {
        return fail(r, line, FUA_ERR_SYNTAX, "a definition is empty:", key);
    }
    if (strcmp(r->section, "role_definition") == 0) {
        return read_role(r, line, key, value);
    }
    if (key.size != 1) {
        return fail(r, line, FUA_ERR_UNSUPPORTED, "further definitions are not supported:", key);
    }
    if (strcmp(r->section, "request_definition") == 0 && key.data[0] == 'r') {
        r->has_request = true;
        return read_names(r, line, value, model->request_names, &model->request_width);
    }
    if (strcmp(r->section, "policy_definition") == 0 && key.data[0] == 'p') {
        fua_status status = read_names(r, line, value, model->rule_names, &count);
        model->types[0].width = count;
        r->has_rule = true;
        model->effect_field = model->priority_field = -1; /* those of an earlier definition do not count */
        for (size_t i = 0; i < count; i++) {
            if (strcmp(model->rule_names[i], "eft") == 0) {
                model->effect_field = (int)i;
            } else if (strcmp(model->rule_names[i], "priority") == 0) {
                model->priority_field = (int)i;
            }
        }
        return status;
    }
    if (strcmp(r->section, "policy_effect") == 0 && key.data[0] == 'e') {
        return read_effect(r, line, value);
    }
    if (strcmp(r->section, "matchers") == 0 && key.data[0] == 'm') {
        fua_free(model->al, r->matcher);
        r->matcher = fua_alloc(model->al, value.size + 1, 1);
        if (r->matcher == NULL) {
            return FUA_ERR_NOMEM;
        }
        memcpy(r->matcher, value.data, value.size);
        r->matcher[value.size] = '\0';
        r->matcher_line = line;
        return FUA_OK;
    }
    return fail(r, line, FUA_ERR_UNSUPPORTED, "definition not supported:", key);
}

static fua_status read_line(reader *r, size_t line, fua_text text) {
    text = trim(text);
    if (text.size == 0 || text.data[0] == '#' || text.data[0] == ';') {
        return FUA_OK;
    }
    if (text.data[0] == '[') {
        if (text.data[text.size - 1] != ']' || text.size - 2 >= sizeof r->section) {
            return fail(r, line, FUA_ERR_SYNTAX, "bad section", text);
        }
        memcpy(r->section, text.data + 1, text.size - 2);
        r->section[text.size - 2] = '\0';
        return FUA_OK;
    }
    if (memchr(text.data, '=', text.size) == NULL) {
        return fail(r, line, FUA_ERR_SYNTAX, "not a definition:", text);
    }
    fua_text key = split(&text, '=');
    text = trim(text);
    if (strcmp(r->section, "matchers") != 0 && text.size > 0) {
        text = split(&text, '#');
    }
    return read_definition(r, line, key, text);
}

static fua_status read_lines(reader *r, fua_text text) {
    char *joined = fua_alloc(r->model->al, text.size + 1, 1);
    if (joined == NULL) {
        return FUA_ERR_NOMEM;
    }
    fua_status status = FUA_OK;
    size_t line = 0, size = 0, first = 1;
    while (text.size > 0 && status == FUA_OK) {
        const char *newline = memchr(text.data, '\n', text.size);
        size_t length = newline == NULL ? text.size : (size_t)(newline - text.data);
        fua_text one = trim((fua_text){text.data, length});
        text.data += length + (newline != NULL);
        text.size -= length + (newline != NULL);
        line++;
        bool blank = one.size == 0 || one.data[0] == '#' || one.data[0] == ';';
        bool more = !blank && one.data[one.size - 1] == '\\';
        /* as a blank line does, a section ends what is continued */
        if (!blank && one.data[0] == '[' && one.data[one.size - 1] == ']' && size > 0) {
            status = read_line(r, first, (fua_text){joined, size});
            size = 0;
            first = line;
        }
        if (!blank) {
            one = trim((fua_text){one.data, one.size - more});
            memcpy(joined + size, one.data, one.size);
            size += one.size;
        }
        if (more && text.size > 0) {
            joined[size++] = ' '; /* where the backslash was */
            continue;
        }
        if (status == FUA_OK && size > 0) {
            status = read_line(r, first, (fua_text){joined, size});
        }
        size = 0;
        first = line + 1;
    }
    fua_free(r->model->al, joined);
    return status;
}

static int role_type(const void *ctx, fua_text name, size_t *width) {
    const fua_model *model = ctx;
    int type = fua_model_type(model, name);
    if (type < 1) {
        return -1;
    }
    *width = model->types[type].width;
    return type;
}

static fua_status finish(reader *r) {
    fua_model *model = r->model;
    const char *missing = !r->has_request   ? "request_definition"
                          : !r->has_rule    ? "policy_definition"
                          : !r->has_effect  ? "policy_effect"
                          : r->matcher == NULL ? "matchers"
                                               : NULL;
    if (missing != NULL) {
        return fail(r, 0, FUA_ERR_SYNTAX, "the model lacks the section", fua_text_of(missing));
    }
    fua_matcher_names names = {(const char(*)[32])model->request_names, model->request_width,
                               (const char(*)[32])model->rule_names, model->types[0].width, role_type, model};
    r->error->line = r->matcher_line;
    return fua_matcher_compile(model->al, fua_text_of(r->matcher), &names, &model->matcher, r->error->message,
                               sizeof r->error->message);
}

fua_status fua_model_parse(const fua_allocator *al, fua_text text, fua_model **out, fua_model_error *error) {
    reader r;
    memset(&r, 0, sizeof r);
    memset(error, 0, sizeof *error);
    r.model = new_model(al);
    r.error = error;
    if (r.model == NULL) {
        return FUA_ERR_NOMEM;
    }
    if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL) {
        fua_model_free(r.model);
        return fail(&r, 0, FUA_ERR_SYNTAX, "NUL in the", fua_text_of("model text"));
    }
    add_type(r.model, "p", false, 0);
    fua_status status = read_lines(&r, text);
    if (status == FUA_OK) {
        status = finish(&r);
    }
    fua_free(al, r.matcher);
    if (status != FUA_OK) {
        fua_model_free(r.model);
        return status;
    }
    *out = r.model;
    return FUA_OK;
}
