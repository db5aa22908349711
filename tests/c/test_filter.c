#include <string.h>

#include "check.h"
#include "filter/simplify.h"
#include "filter/sql.h"
#include "filters.h"

static uint32_t chance(void *state) {
    return test_random(state);
}

/* --- filters written as text: "a>3 b=1|N (a=1 b=2|a=2)" with one letter for a column ------------------------------- */

/* Values: 3 an integer, 3.5 a real, 'x an opaque one, @3 a date, ~3 a time, ^3 ago, $x known later; N is NULL. */
static const char *read_value(fua_filter *f, const char *at) {
    fua_value value = {.kind = FUA_VALUE_INTEGER};
    char *end;
    if (*at == '\'' || *at == '$') {
        value.kind = *at == '$' ? FUA_VALUE_LATER : FUA_VALUE_OPAQUE;
        value.ref = (uint32_t)(at[1] - 'a') % 8 + (*at == '$' ? 40 : 48);
        CHECK_OK(fua_filter_value(f, value));
        return at + 2;
    }
    const char *start = *at == '@' || *at == '~' || *at == '^' ? at + 1 : at;
    double number = strtod(start, &end);
    CHECK(end != start && number >= 0 && number < 8);
    value.as.integer = (int64_t)number;
    value.ref = (uint32_t)number;
    if (*at == '@') {
        value.kind = FUA_VALUE_DATE;
        value.ref += 16;
    } else if (*at == '~') {
        value.kind = FUA_VALUE_TIME;
        value.ref += 24;
    } else if (*at == '^') {
        value.kind = FUA_VALUE_AGO;
        value.ref += 32;
    } else if (memchr(at, '.', (size_t)(end - at)) != NULL) {
        value.kind = FUA_VALUE_REAL;
        value.as.real = number;
        value.ref += 8;
    }
    CHECK_OK(fua_filter_value(f, value));
    return end;
}

static const char *read_term(fua_filter *f, const char *at, uint32_t branch) {
    static const struct {
        const char *text;
        fua_filter_op op;
    } ops[] = {{"<=", FUA_FILTER_LE}, {">=", FUA_FILTER_GE}, {"!=", FUA_FILTER_NOT_IN},
               {"<", FUA_FILTER_LT},  {">", FUA_FILTER_GT},  {"=", FUA_FILTER_IN}};
    uint32_t column;
    if (*at == '#') {
        CHECK_OK(fua_filter_term(f, branch, FUA_FILTER_CLAUSE, (uint32_t)(at[1] - '0'), false));
        return at + 2;
    }
    CHECK_OK(fua_filter_column(f, (fua_text){at++, 1}, &column));
    size_t i = 0;
    while (strncmp(at, ops[i].text, strlen(ops[i].text)) != 0) {
        CHECK(++i < sizeof ops / sizeof *ops);
    }
    at += strlen(ops[i].text);
    const char *end = strcspn(at, " |)") + at;
    bool null = ops[i].op == FUA_FILTER_IN && memchr(at, 'N', (size_t)(end - at)) != NULL;
    CHECK_OK(fua_filter_term(f, branch, ops[i].op, column, null));
    while (at != end) {
        at = *at == ',' || *at == 'N' || *at == '-' ? at + 1 : read_value(f, at); /* "-" is no value */
    }
    return end;
}

static void read_filter(fua_filter *f, const fua_allocator *al, const char *at) {
    uint32_t branch = 0;
    CHECK_OK(fua_filter_init(f, al));
    for (; *at != '\0';) {
        switch (*at) {
        case ' ': at++; break;
        case '(':
            CHECK_OK(fua_filter_group(f));
            CHECK_OK(fua_filter_branch(f, &branch));
            at++;
            break;
        case '|':
            CHECK_OK(fua_filter_branch(f, &branch));
            at++;
            break;
        case ')':
            branch = 0;
            at++;
            break;
        default: at = read_term(f, at, branch);
        }
    }
}

/* The condition in the style `?`, and what its marks are. */
static void sql_of(const fua_filter *f, char *text, size_t size, uint32_t *refs, size_t *count) {
    fua_sql_form form = {FUA_SQL_QMARK, '"', {"", 0}, {"p", 1}, 1};
    fua_buffer out;
    fua_buffer_init(&out, fua_allocator_default(), NULL, 0);
    CHECK_OK(fua_filter_sql(f, &form, &out, refs, count));
    CHECK(out.size < size);
    memcpy(text, out.data, out.size);
    text[out.size] = '\0';
    fua_buffer_free(&out);
}

static void check_sql(const char *filter, const char *wanted) {
    char text[1000];
    uint32_t refs[WORLD_REFS];
    size_t count;
    fua_filter f;
    read_filter(&f, fua_allocator_default(), filter);
    CHECK_OK(fua_filter_simplify(&f));
    sql_of(&f, text, sizeof text, refs, &count);
    if (strcmp(text, wanted) != 0) {
        fprintf(stderr, "%s: %s\n  not %s\n", filter, text, wanted);
        exit(1);
    }
    fua_filter_free(&f);
}

static void test_what_is_simplified(void) {
    check_sql("", "1 = 1");
    check_sql("a>3 a>=3 a>1", "\"a\" > ?");
    check_sql("a<3 a<=2 a>1", "\"a\" <= ? AND \"a\" > ?");
    check_sql("a>3 a<3", "1 = 0");
    check_sql("a>=3 a<=3", "\"a\" >= ? AND \"a\" <= ?");
    check_sql("a>=3 a<=2", "1 = 0");
    check_sql("a>^5 a>^3 a>^7", "\"a\" > ?");
    check_sql("a=1,2,3 a=2,3,4 a>2", "\"a\" = ?");
    check_sql("a=1,2 a=3,4", "1 = 0");
    check_sql("a=- b=1", "1 = 0");
    check_sql("a=1,1,N a!=-", "\"a\" = ?");
    check_sql("a=N a=N,1", "\"a\" IS NULL");
    check_sql("a=N a>1", "1 = 0");
    check_sql("a!=1 a!=2,1 a>1", "\"a\" <> ? AND \"a\" > ?");
    check_sql("a!=1 a!=- a=2,N", "\"a\" = ?");
    check_sql("a=1,2 a!=1", "\"a\" = ?");
}

/* What only a database can tell stays as it is. */
static void test_what_is_left_alone(void) {
    check_sql("a='x a='y", "\"a\" = ? AND \"a\" = ?"); /* a collation may take them for equal */
    check_sql("a='x,'y a='y", "\"a\" = ?");
    check_sql("a='x a!='y", "\"a\" = ? AND \"a\" <> ?");
    check_sql("a='x a!='x", "1 = 0");
    check_sql("a>'x a>'y a<'x", "1 = 0");
    check_sql("a>'x a>'y", "\"a\" > ? AND \"a\" > ?");
    check_sql("a=3.5 a=2.5", "\"a\" = ? AND \"a\" = ?"); /* may be rounded to one */
    check_sql("a>2.5 a>3.5 a>=4", "\"a\" > ? AND \"a\" >= ?");
    check_sql("a>=2.5 a>3.5", "\"a\" > ?");
    check_sql("a=1 a=~1", "\"a\" = ? AND \"a\" = ?");
    check_sql("a>~1 a>^1", "\"a\" > ? AND \"a\" > ?");
    check_sql("a=$u a=N,1", "\"a\" = ? AND (\"a\" = ? OR \"a\" IS NULL)"); /* the user may have no value */
    check_sql("a=$u a!=-", "\"a\" = ? AND \"a\" IS NOT NULL");
    check_sql("a=$u,1 a=$u", "\"a\" = ?");
    check_sql("a=1 a=$u,1", "\"a\" = ? AND \"a\" IN (?, ?)"); /* or there may be no user */
    check_sql("(a=1|a=$u)", "(\"a\" = ? OR \"a\" = ?)");
    check_sql("(a=$v|a=$u)", "\"a\" IN (?, ?)");
    check_sql("a=@1 a=@2", "1 = 0");
}

static void test_groups(void) {
    check_sql("(a=1|a=2,N|a=1)", "(\"a\" IN (?, ?) OR \"a\" IS NULL)");
    check_sql("a=1 (a=2|b=1)", "\"a\" = ? AND \"b\" = ?");
    check_sql("a=1 (a=1|b=1)", "\"a\" = ?");
    check_sql("a=1 (a=2|a=3)", "1 = 0");
    check_sql("(b=1 a>1|b=1 a>2)", "\"b\" = ? AND \"a\" > ?");
    check_sql("(b=1 a>1|c=2)", "(\"b\" = ? AND \"a\" > ? OR \"c\" = ?)");
    check_sql("(|a=1) b=2", "\"b\" = ?");
    check_sql("(a=1 a=2|b=1 b=2)", "1 = 0");
    check_sql("(a=1|b=1) (a=2|b=1 a=3)", "(\"a\" = ? OR \"b\" = ?) AND (\"a\" = ? OR \"b\" = ? AND \"a\" = ?)");
    fua_filter f;
    CHECK_OK(fua_filter_init(&f, fua_allocator_default()));
    CHECK_OK(fua_filter_group(&f)); /* without any alternative */
    CHECK_OK(fua_filter_simplify(&f));
    CHECK(f.branches[0].never);
    fua_filter_free(&f);
}

static void test_clauses(void) {
    fua_filter f;
    char storage[100];
    uint32_t refs[8];
    size_t count;
    fua_sql_form form = {FUA_SQL_QMARK, '"', {"", 0}, {"p", 1}, 1};
    fua_buffer out;
    fua_buffer_init(&out, fua_allocator_default(), storage, sizeof storage);
    read_filter(&f, fua_allocator_default(), "#1 a=1 #1 #0 (#1|b=1) (#2|#3)");
    CHECK_OK(fua_filter_simplify(&f));
    size_t live = 0;
    for (size_t i = 0; i < f.term_count; i++) {
        live += f.terms[i].op != FUA_FILTER_GONE && fua_filter_group_counts(&f, f.branches[f.terms[i].branch].group);
    }
    CHECK(live == 5); /* #1, a=1, #0; the group with #1 goes without saying, the other one stays */
    CHECK(fua_filter_sql(&f, &form, &out, refs, &count) == FUA_ERR_UNSUPPORTED);
    fua_filter_free(&f);
    fua_buffer_free(&out);
}

static void test_sql(void) {
    static const struct {
        fua_sql_style style;
        const char *wanted;
    } styles[] = {
        {FUA_SQL_QMARK, "`t%`.```` > ? AND `t%`.`x%` IN (?, ?)"},
        {FUA_SQL_NUMERIC, "`t%`.```` > :7 AND `t%`.`x%` IN (:8, :9)"},
        {FUA_SQL_DOLLAR, "`t%`.```` > $7 AND `t%`.`x%` IN ($8, $9)"},
        {FUA_SQL_FORMAT, "`t%%`.```` > %s AND `t%%`.`x%%` IN (%s, %s)"},
        {FUA_SQL_NAMED, "`t%`.```` > :v7 AND `t%`.`x%` IN (:v8, :v9)"},
        {FUA_SQL_PYFORMAT, "`t%%`.```` > %(v7)s AND `t%%`.`x%%` IN (%(v8)s, %(v9)s)"},
    };
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        fua_filter f;
        uint32_t refs[3], column;
        size_t count;
        fua_buffer out;
        fua_sql_form form = {styles[i].style, '`', {"t%", 2}, {"v", 1}, 7};
        fua_buffer_init(&out, fua_allocator_default(), NULL, 0);
        CHECK_OK(fua_filter_init(&f, fua_allocator_default()));
        CHECK_OK(fua_filter_column(&f, (fua_text){"`", 1}, &column));
        CHECK_OK(fua_filter_term(&f, 0, FUA_FILTER_GT, column, false));
        CHECK_OK(fua_filter_value(&f, (fua_value){.ref = 30}));
        CHECK_OK(fua_filter_column(&f, (fua_text){"x%", 2}, &column));
        CHECK_OK(fua_filter_term(&f, 0, FUA_FILTER_IN, column, false));
        CHECK_OK(fua_filter_value(&f, (fua_value){.ref = 20}));
        CHECK_OK(fua_filter_value(&f, (fua_value){.ref = 10}));
        CHECK_OK(fua_filter_sql(&f, &form, &out, refs, &count));
        CHECK(out.size == strlen(styles[i].wanted) && memcmp(out.data, styles[i].wanted, out.size) == 0);
        CHECK(count == 3 && refs[0] == 30 && refs[1] == 20 && refs[2] == 10);
        fua_filter_free(&f);
        fua_buffer_free(&out);
    }
}

static void test_bad_input(void) {
    fua_filter f;
    uint32_t column, ref;
    size_t count;
    fua_sql_form form = {FUA_SQL_QMARK, '"', {"", 0}, {"p", 1}, 1};
    fua_buffer out;
    fua_buffer_init(&out, fua_allocator_default(), NULL, 0);
    CHECK_OK(fua_filter_init(&f, fua_allocator_default()));
    CHECK(fua_filter_column(&f, (fua_text){"", 0}, &column) == FUA_ERR_SYNTAX);
    CHECK(fua_filter_column(&f, (fua_text){"a\0b", 3}, &column) == FUA_ERR_SYNTAX);
    CHECK(fua_filter_term(&f, 0, FUA_FILTER_IN, 0, false) == FUA_ERR_ARG); /* no such column */
    CHECK_OK(fua_filter_column(&f, (fua_text){"a", 1}, &column));
    CHECK(fua_filter_term(&f, 1, FUA_FILTER_IN, column, false) == FUA_ERR_ARG); /* no such branch */
    CHECK(fua_filter_term(&f, 0, FUA_FILTER_GONE, column, false) == FUA_ERR_ARG);
    CHECK(fua_filter_term(&f, 0, FUA_FILTER_LT, column, true) == FUA_ERR_ARG);
    CHECK(fua_filter_value(&f, (fua_value){.ref = 1}) == FUA_ERR_ARG); /* of no term */
    CHECK_OK(fua_filter_term(&f, 0, FUA_FILTER_LT, column, false));
    CHECK(fua_filter_simplify(&f) == FUA_ERR_ARITY); /* without a value */
    CHECK(fua_filter_sql(&f, &form, &out, &ref, &count) == FUA_ERR_ARITY && count == 0);
    fua_value huge = {.kind = FUA_VALUE_INTEGER, .as = {.integer = FUA_FILTER_EXACT + 1}};
    CHECK(fua_filter_value(&f, huge) == FUA_ERR_ARG);
    fua_value nan = {.kind = FUA_VALUE_REAL, .as = {.real = NAN}};
    CHECK(fua_filter_value(&f, nan) == FUA_ERR_ARG);
    CHECK_OK(fua_filter_value(&f, (fua_value){.ref = 1}));
    CHECK_OK(fua_filter_check(&f));
    CHECK_OK(fua_filter_value(&f, (fua_value){.ref = 2}));
    CHECK(fua_filter_check(&f) == FUA_ERR_ARITY);
    fua_filter_free(&f);
    fua_buffer_free(&out);
}

/* Lists too long to compare each with each: the answer is right, and comes soon. */
static void test_long_lists(void) {
    fua_filter f;
    uint32_t column;
    CHECK_OK(fua_filter_init(&f, fua_allocator_default()));
    CHECK_OK(fua_filter_column(&f, (fua_text){"a", 1}, &column));
    for (int list = 0; list < 3; list++) {
        CHECK_OK(fua_filter_term(&f, 0, list < 2 ? FUA_FILTER_IN : FUA_FILTER_NOT_IN, column, false));
        for (uint32_t i = 0; i < 200000; i++) {
            fua_value value = {.kind = FUA_VALUE_INTEGER, .ref = i, .as = {.integer = i}};
            CHECK_OK(fua_filter_value(&f, value));
        }
    }
    CHECK_OK(fua_filter_simplify(&f));
    CHECK(f.steps == 0);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(f.terms[i].op != FUA_FILTER_GONE);
    }
    fua_filter_free(&f);
    CHECK_OK(fua_filter_init(&f, fua_allocator_default()));
    CHECK_OK(fua_filter_column(&f, (fua_text){"a", 1}, &column));
    for (size_t i = 0; i < FUA_FILTER_PARTS_MAX; i++) {
        CHECK_OK(fua_filter_term(&f, 0, FUA_FILTER_GT, column, false));
        fua_value value = {.kind = FUA_VALUE_INTEGER, .ref = (uint32_t)i, .as = {.integer = (int64_t)i}};
        CHECK_OK(fua_filter_value(&f, value));
    }
    CHECK(fua_filter_term(&f, 0, FUA_FILTER_GT, column, false) == FUA_ERR_LIMIT);
    CHECK_OK(fua_filter_simplify(&f));
    CHECK(!f.branches[0].never);
    fua_filter_free(&f);
}

/* --- against a plain reading, in many worlds --------------------------------------------------------------------- */

static void add_random_term(uint64_t *state, char *text, size_t size) {
    static const char *const values[] = {"0", "1",  "2",  "3",  "1.5", "2.5", "0.5", "'a", "'b",
                                         "$a", "@1", "@2", "~1", "~3",  "^1",  "^2",  "^5"};
    static const char *const ops[] = {"=", "=", "=", "!=", "<", "<=", ">", ">="};
    const char *op = ops[test_random(state) % 8];
    size_t count = op[0] == '=' || op[0] == '!' ? test_random(state) % 4 : 1, at = strlen(text);
    size_t kinds = test_random(state) % 2 == 0 ? 7 : 17; /* often only numbers */
    if (test_random(state) % 12 == 0) {
        snprintf(text + at, size - at, " #%u", (unsigned)(test_random(state) % 3));
        return;
    }
    snprintf(text + at, size - at, " %c%s%s", test_random(state) % 3 == 0 ? 'b' : 'a', op, count == 0 ? "-" : "");
    for (size_t i = 0; i < count; i++) {
        at = strlen(text);
        snprintf(text + at, size - at, "%s%s", i > 0 ? "," : "", values[test_random(state) % kinds]);
    }
    if (op[0] == '=' && test_random(state) % 3 == 0) {
        strcat(text, "N");
    }
}

static void random_filter(uint64_t *state, char *text, size_t size) {
    text[0] = '\0';
    for (uint32_t terms = test_random(state) % 5; terms > 0; terms--) {
        add_random_term(state, text, size);
    }
    for (uint32_t groups = test_random(state) % 3; groups > 0; groups--) {
        strcat(text, " (");
        for (uint32_t alternatives = test_random(state) % 3 + 1; alternatives > 0; alternatives--) {
            for (uint32_t terms = (test_random(state) + 3) % 4; terms > 0; terms--) {
                add_random_term(state, text, size);
            }
            strcat(text, alternatives > 1 ? "|" : ")");
        }
    }
}

static void test_any_filter_in_any_world(void) {
    static const double places[] = {NAN, -1, 0, 0.5, 1, 1.5, 2, 2.5, 3, 4};
    static const size_t count = sizeof places / sizeof *places;
    uint64_t state = 5;
    size_t passed = 0, shorter = 0;
    for (int turn = 0; turn < 20000; turn++) {
        char text[1000];
        fua_filter plain, simple;
        filter_world world;
        random_filter(&state, text, sizeof text);
        read_filter(&plain, fua_allocator_default(), text);
        read_filter(&simple, fua_allocator_default(), text);
        CHECK_OK(fua_filter_simplify(&simple));
        size_t live = 0;
        for (size_t i = 0; i < simple.term_count; i++) {
            live += simple.terms[i].op != FUA_FILTER_GONE;
        }
        shorter += live < plain.term_count;
        for (int worlds = 0; worlds < 4; worlds++) {
            world_fill(&world, &plain, chance, &state);
            for (size_t at = 0; at < count * count; at++) {
                double row[] = {places[at % count], places[at / count]};
                bool passes = world_passes(&world, &plain, row);
                passed += passes;
                if (world_passes(&world, &simple, row) != passes) {
                    fprintf(stderr, "%s: wrong at (%g, %g)\n", text, row[0], row[1]);
                    exit(1);
                }
            }
        }
        fua_filter_free(&plain);
        fua_filter_free(&simple);
    }
    CHECK(passed > 1000000 && shorter > 5000);
}

static fua_status build(fua_filter *f, const fua_allocator *al, fua_buffer *out) {
    uint32_t column, branch, refs[4];
    size_t count;
    fua_sql_form form = {FUA_SQL_QMARK, '"', {"", 0}, {"p", 1}, 1};
    fua_status status = fua_filter_init(f, al);
    for (uint32_t i = 0; i < 4 && status == FUA_OK; i++) {
        char name = (char)('a' + i);
        status = fua_filter_column(f, (fua_text){&name, 1}, &column);
        status = status == FUA_OK ? fua_filter_group(f) : status;
        status = status == FUA_OK ? fua_filter_branch(f, &branch) : status;
        status = status == FUA_OK ? fua_filter_term(f, branch, FUA_FILTER_LT, column, false) : status;
        status = status == FUA_OK ? fua_filter_value(f, (fua_value){.ref = i}) : status;
    }
    status = status == FUA_OK ? fua_filter_simplify(f) : status;
    return status == FUA_OK ? fua_filter_sql(f, &form, out, refs, &count) : status;
}

static void test_every_allocation_may_fail(void) {
    size_t failures = 0;
    for (size_t n = 1;; n++) {
        test_heap heap = {0, n, 0, false};
        fua_allocator al = test_allocator(&heap);
        fua_filter f;
        fua_buffer out;
        fua_buffer_init(&out, &al, NULL, 0);
        fua_status status = build(&f, &al, &out);
        CHECK(status == (heap.failed ? FUA_ERR_NOMEM : FUA_OK));
        fua_filter_free(&f);
        fua_buffer_free(&out);
        CHECK(heap.live == 0);
        if (!heap.failed) {
            break;
        }
        failures++;
    }
    CHECK(failures > 8);
}

int main(void) {
    test_what_is_simplified();
    test_what_is_left_alone();
    test_groups();
    test_clauses();
    test_sql();
    test_bad_input();
    test_long_lists();
    test_any_filter_in_any_world();
    test_every_allocation_may_fail();
    return 0;
}
