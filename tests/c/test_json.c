#include <math.h>
#include <string.h>

#include "check.h"
#include "data/json.h"

#define ROOM 200

/* Reads a copy of exactly that size, so that a sanitizer sees one byte too many; the nodes' texts are in *kept. */
static fua_status read_text(const char *text, size_t size, fua_json_node *nodes, size_t *count, char **kept) {
    *kept = malloc(size > 0 ? size : 1);
    CHECK(*kept != NULL);
    memcpy(*kept, text, size);
    return fua_json_read(*kept, size, nodes, ROOM, count);
}

static fua_status status_of(const char *text) {
    fua_json_node nodes[ROOM];
    size_t count;
    char *kept;
    fua_status status = read_text(text, strlen(text), nodes, &count, &kept);
    free(kept);
    return status;
}

static void test_values(void) {
    fua_json_node n[ROOM];
    size_t count;
    char *kept;
    static const char text[] = " {\"a\": [1, -2.5, \"x\\n\\u00e9\\ud83d\\ude00\"],\"b\":{},\"c\" :null,\"d\":true , \"e\":[] }\n";
    CHECK_OK(read_text(text, sizeof text - 1, n, &count, &kept));
    CHECK(count == 14 && n[0].kind == FUA_JSON_OBJECT && n[0].size == 5 && n[0].next == 14);
    CHECK(n[2].kind == FUA_JSON_ARRAY && n[2].size == 3 && n[2].next == 6);
    CHECK(n[3].kind == FUA_JSON_INTEGER && n[3].as.integer == 1);
    CHECK(n[4].kind == FUA_JSON_REAL && fua_json_number(&n[4]) == -2.5);
    CHECK(fua_text_equal(fua_json_text(&n[5]), fua_text_of("x\n\xC3\xA9\xF0\x9F\x98\x80")));
    CHECK(fua_json_member(n, 0, fua_text_of("b"))->kind == FUA_JSON_OBJECT);
    CHECK(fua_json_member(n, 0, fua_text_of("c"))->kind == FUA_JSON_NULL);
    CHECK(fua_json_member(n, 0, fua_text_of("d"))->kind == FUA_JSON_TRUE);
    CHECK(fua_json_member(n, 0, fua_text_of("e"))->size == 0);
    CHECK(fua_json_member(n, 0, fua_text_of("x")) == NULL);
    free(kept);
}

static void test_what_is_not_json(void) {
    static const char *const bad[] = {
        "", " ", "{", "}", "[", "]", "{]", "[}", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
        "{a:1}", "{1:1}", "{\"a\" 1}", "{,}", "1 2", "nul", "nulll", "True", "NaN", "Infinity", "-Infinity", "-", "+1",
        "01", "-01", "1.", ".5", "1.e5", "1e", "1e+", "0x1", "1_0", "\"", "\"a", "\"\\", "\"\\x\"", "\"\\u12\"",
        "\"\\u12g4\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud800x\"", "\"\\ud800\\n\"", "\"\n\"",
        "\"\x01\"", "'a'", "\"\x80\"", "\"\xC0\x80\"", "\"\xC1\xBF\"", "\"\xE0\x80\x80\"", "\"\xED\xA0\x80\"", "\"\xF0\x80\x80\x80\"",
        "\"\xF4\x90\x80\x80\"", "\"\xF5\x80\x80\x80\"", "\"\xC3\"", "\"\xE2\x82\"", "\"\xF0\x9F\x98\"", "\xEF\xBB\xBF{}",
        "{\"a\":1,\"a\":2}", "{\"a\":1,\"b\":{},\"\\u0061\":2}", "/* */1", "[1]//", "\v1", "\xC2\xA0" "1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (status_of(bad[i]) != FUA_ERR_SYNTAX) {
            fprintf(stderr, "%s\n", bad[i]);
        }
        CHECK(status_of(bad[i]) == FUA_ERR_SYNTAX);
    }
    CHECK_OK(status_of("{\"a\":{\"a\":1},\"b\":{\"a\":1}}"));
    CHECK_OK(status_of("\"\xF4\x8F\xBF\xBF\xED\x9F\xBF\xEE\x80\x80\xC2\x80\x7F\""));
}

static void test_limits(void) {
    char deep[100];
    for (size_t depth = FUA_JSON_DEPTH_MAX; depth <= FUA_JSON_DEPTH_MAX + 1; depth++) {
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        deep[2 * depth] = '\0';
        CHECK(status_of(deep) == (depth > FUA_JSON_DEPTH_MAX ? FUA_ERR_LIMIT : FUA_OK));
    }
    CHECK_OK(status_of("9223372036854775807"));
    CHECK_OK(status_of("-9223372036854775808"));
    CHECK(status_of("9223372036854775808") == FUA_ERR_LIMIT);
    CHECK(status_of("-9223372036854775809") == FUA_ERR_LIMIT);
    CHECK(status_of("100000000000000000000000000000000000000000000000000") == FUA_ERR_LIMIT);
    CHECK(status_of("1e999") == FUA_ERR_LIMIT);
    CHECK(status_of("-1e99999999999999999999") == FUA_ERR_LIMIT);
    CHECK_OK(status_of("1e-99999999999999999999"));
    CHECK_OK(status_of("0e99999999999999999999"));
    /* one node too many, and just enough */
    char list[2 * ROOM + 4] = "[1";
    for (size_t i = 1; i < ROOM - 1; i++) {
        strcat(list, ",1");
    }
    strcat(list, "]");
    CHECK_OK(status_of(list));
    CHECK(fua_json_nodes_max(strlen(list)) >= ROOM);
    list[strlen(list) - 1] = '\0';
    strcat(list, ",1]");
    CHECK(status_of(list) == FUA_ERR_LIMIT);
}

static void test_members_max(void) {
    size_t cap = 16 * (FUA_JSON_MEMBERS_MAX + 1), count;
    char *text = malloc(cap);
    fua_json_node *nodes = malloc(3 * FUA_JSON_MEMBERS_MAX * sizeof *nodes);
    CHECK(text != NULL && nodes != NULL);
    for (int members = FUA_JSON_MEMBERS_MAX; members <= FUA_JSON_MEMBERS_MAX + 1; members++) {
        size_t size = 0;
        for (int i = 0; i < members; i++) {
            size += (size_t)snprintf(text + size, cap - size, "%c\"%d\":0", i == 0 ? '{' : ',', i);
        }
        text[size++] = '}';
        fua_status status = fua_json_read(text, size, nodes, 3 * FUA_JSON_MEMBERS_MAX, &count);
        CHECK(status == (members > FUA_JSON_MEMBERS_MAX ? FUA_ERR_LIMIT : FUA_OK));
    }
    free(text);
    free(nodes);
}

static void test_numbers(void) {
    static const char *const texts[] = {"0.0", "-0.0", "1.5e9", "1764000000.25", "1E5", "1e-5", "123456789012345678901234567890.5",
                                        "0.000000000000000000000000000001", "1e300", "1e-300", "4.9e-324", "1.79e308"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        fua_json_node node;
        size_t count;
        char copy[64];
        strcpy(copy, texts[i]);
        CHECK_OK(fua_json_read(copy, strlen(copy), &node, 1, &count));
        double exact = strtod(texts[i], NULL), near = fua_json_number(&node);
        CHECK(node.kind == FUA_JSON_REAL && fabs(near - exact) <= fabs(exact) * 1e-12 + 1e-323);
    }
}

/* Every change of one byte, and every beginning, is read or refused without looking outside. */
static void test_any_text_reads_or_not(void) {
    static const char text[] = "{\"a\":[1,-2.5e3,\"x\\u00e9\\ud83d\\ude00\xE2\x82\xAC\"],\"b\":{\"c\":null,\"d\":true}}";
    fua_json_node nodes[ROOM];
    size_t count;
    char *kept;
    for (size_t size = 0; size < sizeof text; size++) {
        CHECK((read_text(text, size, nodes, &count, &kept) == FUA_OK) == (size == sizeof text - 1));
        free(kept);
    }
    for (size_t at = 0; at < sizeof text - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char changed[sizeof text];
            memcpy(changed, text, sizeof text);
            changed[at] = (char)byte;
            fua_status status = read_text(changed, sizeof text - 1, nodes, &count, &kept);
            CHECK(status == FUA_OK || status == FUA_ERR_SYNTAX);
            CHECK(status != FUA_OK || nodes[0].next == count);
            free(kept);
        }
    }
}

static void test_writing(void) {
    for (size_t fail_at = 0; fail_at < 3; fail_at++) {
        test_heap heap = {0, fail_at, 0, false};
        fua_allocator al = test_allocator(&heap);
        fua_buffer out;
        fua_buffer_init(&out, &al, NULL, 0);
        static const char text[] = "plain \"\\\n\x1F \xC3\xA9\xF0\x9F\x98\x80\x7F", wanted[] =
            "\"plain \\\"\\\\\\u000a\\u001f \xC3\xA9\xF0\x9F\x98\x80\x7F\"-9223372036854775808";
        fua_status status = fua_json_write_text(&out, fua_text_of(text));
        if (status == FUA_OK) {
            CHECK(fua_json_write_text(&out, fua_text_of("\xC3")) == FUA_ERR_SYNTAX);
            status = fua_json_write_integer(&out, INT64_MIN);
        }
        CHECK(status == (heap.failed ? FUA_ERR_NOMEM : FUA_OK));
        if (status == FUA_OK) {
            CHECK(out.size == sizeof wanted - 1 && memcmp(out.data, wanted, out.size) == 0);
        }
        CHECK(fail_at != 1 || heap.failed);
        fua_buffer_free(&out);
        CHECK(heap.live == 0);
    }
}

/* Each ASCII character at each place of texts up to forty long, in buffers of just their size. */
static void test_characters_anywhere(void) {
    for (size_t size = 1; size <= 40; size++) {
        for (size_t at = 0; at < size; at++) {
            for (int byte = 0; byte < 128; byte++) {
                char *text = malloc(size), out_room[128], escape[8];
                fua_buffer out;
                CHECK(text != NULL);
                memset(text, 'x', size);
                text[at] = (char)byte;
                fua_buffer_init(&out, fua_allocator_default(), out_room, sizeof out_room);
                CHECK_OK(fua_json_write_text(&out, (fua_text){text, size}));
                size_t wide = (size_t)(byte == '"' || byte == '\\' ? snprintf(escape, sizeof escape, "\\%c", byte)
                                       : byte < 0x20 ? snprintf(escape, sizeof escape, "\\u%04x", (unsigned)byte)
                                                     : snprintf(escape, sizeof escape, "%c", byte));
                CHECK(out.size == 2 + size - 1 + wide && out.data[0] == '"' && out.data[out.size - 1] == '"');
                for (size_t i = 0; i < size; i++) {
                    CHECK(i == at || out.data[1 + i + (i > at ? wide - 1 : 0)] == 'x');
                }
                CHECK(memcmp(out.data + 1 + at, escape, wide) == 0);
                fua_buffer_free(&out);
                free(text);
            }
        }
    }
}

static void test_integers_are_written_as_printf_does(void) {
    for (int64_t power = 1; power < INT64_MAX / 10; power *= 10) {
        for (int64_t number = power - 2; number <= power + 2; number++) {
            for (int sign = -1; sign <= 1; sign += 2) {
                char storage[32], wanted[32];
                fua_buffer out;
                fua_buffer_init(&out, fua_allocator_default(), storage, sizeof storage);
                CHECK_OK(fua_json_write_integer(&out, sign * number));
                int size = snprintf(wanted, sizeof wanted, "%lld", (long long)(sign * number));
                CHECK(out.size == (size_t)size && memcmp(out.data, wanted, out.size) == 0);
            }
        }
    }
}

int main(void) {
    test_values();
    test_what_is_not_json();
    test_limits();
    test_members_max();
    test_numbers();
    test_any_text_reads_or_not();
    test_writing();
    test_characters_anywhere();
    test_integers_are_written_as_printf_does();
    return 0;
}
