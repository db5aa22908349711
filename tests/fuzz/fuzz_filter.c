/* Filters made of any bytes: simplified they let the same rows pass, in any world, and their text has a mark for each
 * value.  Each byte is one step of building: what it adds, and with what. */
#include "filter/simplify.h"
#include "filter/sql.h"
#include "fuzz.h"

#include "../c/filters.h"

#define VALUES_MAX 400

static uint32_t chance(void *state) {
    uint64_t *number = state;
    *number = *number * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*number >> 33);
}

static fua_value value_of(uint8_t byte) { /* each has a ref of its own, below WORLD_REFS */
    fua_value value = {.kind = (fua_value_kind)(byte / 8 % FUA_VALUE_KINDS), .ref = byte % 56};
    value.as.integer = byte % 8;
    if (value.kind == FUA_VALUE_REAL) {
        value.as.real = (double)(byte % 8) / 2;
    }
    return value;
}

static void build(fua_filter *f, const uint8_t *data, size_t size) {
    static const char names[] = "a\"%`";
    uint32_t column, branch = 0;
    CHECK(fua_filter_init(f, fua_allocator_default()) == FUA_OK);
    for (size_t i = 0; i < size && f->value_count < VALUES_MAX && f->term_count < 40; i++) {
        uint8_t byte = data[i];
        fua_status status = FUA_OK;
        if (byte < 56) {
            status = fua_filter_value(f, value_of(byte));
            CHECK(status == FUA_OK || (status == FUA_ERR_ARG && f->term_count == 0));
        } else if (byte < 200) {
            CHECK(fua_filter_column(f, (fua_text){names + byte % 4, 1}, &column) == FUA_OK);
            fua_filter_op op = (fua_filter_op)(byte / 4 % FUA_FILTER_GONE);
            CHECK(fua_filter_term(f, branch, op, column, op == FUA_FILTER_IN && byte % 3 == 0) == FUA_OK);
        } else if (byte < 220) {
            CHECK(fua_filter_group(f) == FUA_OK);
            CHECK(fua_filter_branch(f, &branch) == FUA_OK);
        } else if (byte < 240) {
            CHECK(branch == 0 || fua_filter_branch(f, &branch) == FUA_OK);
        } else {
            branch = 0;
        }
    }
}

static void check_text(const fua_filter *f) {
    uint32_t refs[VALUES_MAX];
    size_t count, marks = 0;
    fua_sql_form form = {FUA_SQL_QMARK, '"', {"t", 1}, {"p", 1}, 1};
    fua_buffer out;
    fua_buffer_init(&out, fua_allocator_default(), NULL, 0);
    fua_status status = fua_filter_sql(f, &form, &out, refs, &count);
    CHECK(status == FUA_OK || status == FUA_ERR_UNSUPPORTED || status == fua_filter_check(f));
    for (size_t i = 0; status == FUA_OK && i < out.size; i++) {
        marks += out.data[i] == '?'; /* no name has one */
    }
    CHECK(status != FUA_OK || (marks == count && out.size > 0));
    fua_buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const double places[] = {WORLD_NULL, 0, 0.5, 1, 2, 3, 5};
    static const size_t count = sizeof places / sizeof *places;
    fua_filter plain, simple;
    uint64_t state = size;
    build(&plain, data, size);
    build(&simple, data, size);
    fua_status status = fua_filter_simplify(&simple);
    CHECK(status == fua_filter_check(&plain));
    for (int turn = 0; status == FUA_OK && turn < 2; turn++) {
        filter_world world;
        world_fill(&world, &plain, chance, &state);
        for (size_t i = 0; i < 30; i++) {
            double row[4];
            for (size_t at = 0; at < 4; at++) {
                row[at] = places[chance(&state) % count];
            }
            CHECK(world_passes(&world, &plain, row) == world_passes(&world, &simple, row));
        }
    }
    check_text(&plain);
    check_text(&simple);
    fua_filter_free(&plain);
    fua_filter_free(&simple);
    return 0;
}
