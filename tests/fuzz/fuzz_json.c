/* Whatever is read is a well-formed tree, and written again it reads as the same. */
#include "data/json.h"
#include "fuzz.h"

#define ROOM 4096

static void write_value(fua_buffer *out, const fua_json_node *nodes, size_t at);

static void put(fua_buffer *out, const char *text, size_t size) {
    CHECK(fua_buffer_add(out, text, size) == FUA_OK);
}

static void write_children(fua_buffer *out, const fua_json_node *nodes, size_t at) {
    int object = nodes[at].kind == FUA_JSON_OBJECT;
    size_t child = at + 1, count = 0;
    put(out, object ? "{" : "[", 1);
    for (; child < nodes[at].next; count++) {
        if (count > 0) {
            put(out, ",", 1);
        }
        if (object) {
            CHECK(nodes[child].kind == FUA_JSON_STRING);
            CHECK(fua_json_member(nodes, at, fua_json_text(&nodes[child])) == &nodes[child + 1]);
            write_value(out, nodes, child++);
            put(out, ":", 1);
        }
        write_value(out, nodes, child);
        child = nodes[child].next;
    }
    CHECK(child == nodes[at].next && count == nodes[at].size);
    put(out, object ? "}" : "]", 1);
}

static void write_value(fua_buffer *out, const fua_json_node *nodes, size_t at) {
    switch (nodes[at].kind) {
    case FUA_JSON_NULL: put(out, "null", 4); break;
    case FUA_JSON_FALSE: put(out, "false", 5); break;
    case FUA_JSON_TRUE: put(out, "true", 4); break;
    case FUA_JSON_INTEGER: CHECK(fua_json_write_integer(out, nodes[at].as.integer) == FUA_OK); break;
    case FUA_JSON_REAL:
        CHECK(fua_json_number(&nodes[at]) == fua_json_number(&nodes[at]));
        put(out, nodes[at].as.text, nodes[at].size);
        break;
    case FUA_JSON_STRING: CHECK(fua_json_write_text(out, fua_json_text(&nodes[at])) == FUA_OK); break;
    default: write_children(out, nodes, at);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fua_json_node nodes[ROOM], again[ROOM];
    size_t count, count_again;
    char *text = exact_copy(data, size);
    fua_status status = fua_json_read(text, size, nodes, ROOM, &count);
    CHECK(status == FUA_OK || status == FUA_ERR_SYNTAX || status == FUA_ERR_LIMIT);
    if (status == FUA_OK) {
        fua_buffer out, second;
        CHECK(count <= fua_json_nodes_max(size) && nodes[0].next == count);
        fua_buffer_init(&out, fua_allocator_default(), NULL, 0);
        fua_buffer_init(&second, fua_allocator_default(), NULL, 0);
        write_value(&out, nodes, 0);
        char *copy = exact_copy(out.data, out.size);
        CHECK(fua_json_read(copy, out.size, again, ROOM, &count_again) == FUA_OK && count == count_again);
        write_value(&second, again, 0);
        CHECK(out.size == second.size && memcmp(out.data, second.data, out.size) == 0);
        fua_buffer_free(&out);
        fua_buffer_free(&second);
        free(copy);
    }
    free(text);
    return 0;
}
