#include "data/json.h"

#include <float.h>
#include <string.h>

typedef struct reader {
    char *at, *end;
    fua_json_node *nodes; /* borrowed */
    size_t room, count;
} reader;

static void skip_space(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) {
        r->at++;
    }
}

static bool take(reader *r, char wanted) {
    if (r->at < r->end && *r->at == wanted) {
        r->at++;
        return true;
    }
    return false;
}

static fua_status push(reader *r, fua_json_kind kind) {
    if (r->count == r->room) {
        return FUA_ERR_LIMIT;
    }
    r->nodes[r->count] = (fua_json_node){.kind = kind, .next = (uint32_t)r->count + 1};
    r->count++;
    return FUA_OK;
}

/* --- strings -------------------------------------------------------------------------------------------------- */

/* Bytes of the well-formed UTF-8 character at `at`, or 0 (Unicode, table 3-7). */
static size_t utf8_size(const char *at, const char *end) {
    const unsigned char *c = (const unsigned char *)at;
    size_t left = (size_t)(end - at);
    unsigned char low = 0x80, high = 0xBF; /* bounds of the second byte */
    size_t size;
    if (c[0] < 0x80) {
        return 1;
    }
    if (c[0] >= 0xC2 && c[0] <= 0xDF) {
        size = 2;
    } else if (c[0] >= 0xE0 && c[0] <= 0xEF) {
        size = 3;
        low = c[0] == 0xE0 ? 0xA0 : low;  /* no overlong forms */
        high = c[0] == 0xED ? 0x9F : high; /* no surrogates */
    } else if (c[0] >= 0xF0 && c[0] <= 0xF4) {
        size = 4;
        low = c[0] == 0xF0 ? 0x90 : low;
        high = c[0] == 0xF4 ? 0x8F : high; /* nothing above U+10FFFF */
    } else {
        return 0;
    }
    if (left < size || c[1] < low || c[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if ((c[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return size;
}

/* Four hexadecimal digits; -1 for others. */
static int32_t hex4(reader *r) {
    int32_t value = 0;
    if (r->end - r->at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        char c = *r->at++;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c - 'A' + 10;
        if (digit > 15 || digit < (c >= '0' && c <= '9' ? 0 : 10)) {
            return -1;
        }
        value = value << 4 | digit;
    }
    return value;
}

/* What follows \u, as UTF-8; NULL when it is no character. */
static char *unescape_unicode(reader *r, char *to) {
    int32_t code = hex4(r);
    if (code >= 0xD800 && code < 0xDC00) {
        int32_t second = take(r, '\\') && take(r, 'u') ? hex4(r) : -1;
        if (second < 0xDC00 || second > 0xDFFF) {
            return NULL;
        }
        code = 0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00);
    } else if (code < 0 || (code >= 0xDC00 && code <= 0xDFFF)) {
        return NULL;
    }
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    if (code < 0x800) {
        *to++ = (char)(0xC0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *to++ = (char)(0xE0 | code >> 12);
        } else {
            *to++ = (char)(0xF0 | code >> 18);
            *to++ = (char)(0x80 | (code >> 12 & 0x3F));
        }
        *to++ = (char)(0x80 | (code >> 6 & 0x3F));
    }
    *to++ = (char)(0x80 | (code & 0x3F));
    return to;
}

/* Reads from after the opening quote to after the closing one.  The result is never longer than what it came from. */
static fua_status read_string(reader *r) {
    fua_status status = push(r, FUA_JSON_STRING);
    if (status != FUA_OK) {
        return status;
    }
    char *start = r->at, *to = r->at;
    while (r->at < r->end) {
        char c = *r->at;
        if (c == '"') {
            r->at++;
            fua_json_node *node = &r->nodes[r->count - 1];
            node->as.text = start;
            node->size = (uint32_t)(to - start);
            return FUA_OK;
        }
        if (c == '\\') {
            static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
            if (++r->at == r->end) {
                break;
            }
            c = *r->at++;
            const char *found = memchr(letters, c, sizeof letters - 1);
            if (found != NULL) {
                *to++ = means[found - letters];
            } else if (c != 'u' || (to = unescape_unicode(r, to)) == NULL) {
                return FUA_ERR_SYNTAX;
            }
        } else if ((unsigned char)c < 0x20) {
            return FUA_ERR_SYNTAX;
        } else if ((unsigned char)c < 0x80) {
            *to++ = c;
            r->at++;
        } else {
            size_t size = utf8_size(r->at, r->end);
            if (size == 0) {
                return FUA_ERR_SYNTAX;
            }
            memmove(to, r->at, size);
            to += size;
            r->at += size;
        }
    }
    return FUA_ERR_SYNTAX;
}

/* --- numbers -------------------------------------------------------------------------------------------------- */

static bool digit_next(const reader *r) {
    return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

/* At least one digit. */
static bool skip_digits(reader *r) {
    if (!digit_next(r)) {
        return false;
    }
    while (digit_next(r)) {
        r->at++;
    }
    return true;
}

static bool integer_of(const char *at, const char *end, int64_t *integer) {
    bool negative = *at == '-';
    int64_t value = 0; /* kept negative, where there is one more */
    for (at += negative; at < end; at++) {
        int digit = *at - '0';
        if (value < (INT64_MIN + digit) / 10) {
            return false;
        }
        value = value * 10 - digit;
    }
    if (!negative && value == INT64_MIN) {
        return false;
    }
    *integer = negative ? value : -value;
    return true;
}

static fua_status read_number(reader *r) {
    char *start = r->at;
    (void)take(r, '-');
    if (!take(r, '0') && !skip_digits(r)) {
        return FUA_ERR_SYNTAX;
    }
    bool real = false;
    if (take(r, '.')) {
        real = true;
        if (!skip_digits(r)) {
            return FUA_ERR_SYNTAX;
        }
    }
    if (take(r, 'e') || take(r, 'E')) {
        real = true;
        if (!take(r, '-')) {
            (void)take(r, '+');
        }
        if (!skip_digits(r)) {
            return FUA_ERR_SYNTAX;
        }
    }
    fua_status status = push(r, real ? FUA_JSON_REAL : FUA_JSON_INTEGER);
    if (status != FUA_OK) {
        return status;
    }
    fua_json_node *node = &r->nodes[r->count - 1];
    if (!real) {
        return integer_of(start, r->at, &node->as.integer) ? FUA_OK : FUA_ERR_LIMIT;
    }
    node->as.text = start;
    node->size = (uint32_t)(r->at - start);
    double value = fua_json_number(node);
    return value < 1.797e308 && value > -1.797e308 ? FUA_OK : FUA_ERR_LIMIT;
}

static double scaled(double value, int32_t exponent) {
    double step = exponent < 0 ? 0.1 : 10.0;
    uint32_t left = (uint32_t)(exponent < 0 ? -exponent : exponent);
    if (exponent < 0 && left <= 22) {
        double divisor = 1.0; /* exact up to 10^22 */
        while (left-- > 0) {
            divisor *= 10.0;
        }
        return value / divisor;
    }
    while (left-- > 0 && value != 0.0 && value <= DBL_MAX) {
        value *= step;
    }
    return value;
}

double fua_json_number(const fua_json_node *node) {
    if (node->kind == FUA_JSON_INTEGER) {
        return (double)node->as.integer;
    }
    const char *at = node->as.text, *end = at + node->size;
    bool negative = *at == '-', fraction = false;
    uint64_t digits = 0;
    int32_t exponent = 0; /* a text is too short to bring it out of range */
    for (at += negative; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.') {
            fraction = true;
        } else if (digits < UINT64_C(100000000000000000)) {
            digits = digits * 10 + (uint64_t)(*at - '0');
            exponent -= fraction;
        } else {
            exponent += !fraction; /* beyond 17 digits: only its place counts */
        }
    }
    if (at < end) {
        at++;
        bool below = *at == '-';
        int32_t given = 0;
        for (at += *at == '-' || *at == '+'; at < end; at++) {
            given = given < 100000000 ? given * 10 + (*at - '0') : given;
        }
        exponent += below ? -given : given;
    }
    double value = scaled((double)digits, exponent);
    return negative ? -value : value;
}

/* --- values --------------------------------------------------------------------------------------------------- */

static fua_status read_word(reader *r, const char *word, fua_json_kind kind) {
    for (; *word != '\0'; word++) {
        if (!take(r, *word)) {
            return FUA_ERR_SYNTAX;
        }
    }
    return push(r, kind);
}

static fua_status read_scalar(reader *r) {
    switch (*r->at) {
    case '"': r->at++; return read_string(r);
    case 't': return read_word(r, "true", FUA_JSON_TRUE);
    case 'f': return read_word(r, "false", FUA_JSON_FALSE);
    case 'n': return read_word(r, "null", FUA_JSON_NULL);
    default: return read_number(r);
    }
}

/* The name of the next member of the object at index `object`, and the colon. */
static fua_status read_name(reader *r, size_t object) {
    skip_space(r);
    if (!take(r, '"')) {
        return FUA_ERR_SYNTAX;
    }
    fua_status status = read_string(r);
    if (status != FUA_OK) {
        return status;
    }
    if (r->nodes[object].size == FUA_JSON_MEMBERS_MAX) {
        return FUA_ERR_LIMIT;
    }
    fua_text name = fua_json_text(&r->nodes[r->count - 1]);
    for (size_t i = object + 1; i + 1 < r->count; i = r->nodes[i + 1].next) {
        if (fua_text_equal(fua_json_text(&r->nodes[i]), name)) {
            return FUA_ERR_SYNTAX;
        }
    }
    skip_space(r);
    return take(r, ':') ? FUA_OK : FUA_ERR_SYNTAX;
}

fua_status fua_json_read(char *text, size_t size, fua_json_node *nodes, size_t room, size_t *count) {
    reader r = {text, text + size, nodes, room, 0};
    size_t open[FUA_JSON_DEPTH_MAX]; /* indexes of the arrays and objects around */
    size_t depth = 0;
    if (size > FUA_JSON_SIZE_MAX) {
        return FUA_ERR_LIMIT;
    }
    for (;;) {
        /* one value, or the beginning of one */
        fua_status status;
        skip_space(&r);
        if (r.at == r.end) {
            return FUA_ERR_SYNTAX;
        }
        bool object = *r.at == '{';
        if (object || *r.at == '[') {
            if (depth == FUA_JSON_DEPTH_MAX) {
                return FUA_ERR_LIMIT;
            }
            r.at++;
            open[depth++] = r.count;
            status = push(&r, object ? FUA_JSON_OBJECT : FUA_JSON_ARRAY);
            if (status != FUA_OK) {
                return status;
            }
            skip_space(&r);
            if (!take(&r, object ? '}' : ']')) {
                status = object ? read_name(&r, open[depth - 1]) : FUA_OK;
                if (status != FUA_OK) {
                    return status;
                }
                continue;
            }
            depth--;
        } else {
            status = read_scalar(&r);
            if (status != FUA_OK) {
                return status;
            }
        }
        /* what ends with it, until something goes on */
        for (;;) {
            skip_space(&r);
            if (depth == 0) {
                *count = r.count;
                return r.at == r.end ? FUA_OK : FUA_ERR_SYNTAX;
            }
            fua_json_node *around = &nodes[open[depth - 1]];
            around->size++;
            around->next = (uint32_t)r.count;
            if (take(&r, ',')) {
                status = around->kind == FUA_JSON_OBJECT ? read_name(&r, open[depth - 1]) : FUA_OK;
                if (status != FUA_OK) {
                    return status;
                }
                break;
            }
            if (!take(&r, around->kind == FUA_JSON_OBJECT ? '}' : ']')) {
                return FUA_ERR_SYNTAX;
            }
            depth--;
        }
    }
}

const fua_json_node *fua_json_member(const fua_json_node *nodes, size_t object, fua_text name) {
    for (size_t i = object + 1; i < nodes[object].next; i = nodes[i + 1].next) {
        if (fua_text_equal(fua_json_text(&nodes[i]), name)) {
            return &nodes[i + 1];
        }
    }
    return NULL;
}

/* --- writing -------------------------------------------------------------------------------------------------- */

/* Whether all of eight bytes are ASCII that stands for itself in a string. */
static bool are_plain(const char *eight) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t bytes;
    memcpy(&bytes, eight, 8);
    uint64_t quotes = bytes ^ ones * '"', backslashes = bytes ^ ones * '\\';
    /* one below nothing sets a high bit; a borrow from the next byte tells of that byte */
    return ((bytes | (bytes - ones * 0x20) | (quotes - ones) | (backslashes - ones)) & ones * 0x80) == 0;
}

fua_status fua_json_write_text(fua_buffer *out, fua_text text) {
    static const char hex[] = "0123456789abcdef";
    if (text.size > (SIZE_MAX - 2) / 6) {
        return FUA_ERR_OVERFLOW;
    }
    size_t before = out->size, plain = 0;
    while (text.size - plain >= 8 && are_plain(text.data + plain)) {
        plain += 8;
    }
    if (plain != 0 && text.size - plain < 8 && are_plain(text.data + text.size - 8)) {
        plain = text.size; /* the last eight, some of which have been looked at */
    }
    while (plain < text.size && (unsigned char)text.data[plain] >= 0x20 && (unsigned char)text.data[plain] < 0x80 &&
           text.data[plain] != '"' && text.data[plain] != '\\') {
        plain++;
    }
    /* nearly always there is nothing to escape */
    fua_status status = fua_buffer_reserve(out, 2 + plain + (text.size - plain) * 6);
    if (status != FUA_OK) {
        return status;
    }
    char *to = out->data + out->size;
    *to++ = '"';
    if (plain != 0) {
        memcpy(to, text.data, plain);
        to += plain;
    }
    for (const char *at = text.data + plain, *end = text.data + text.size; plain < text.size && at < end;) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = *at++;
        } else if (c < 0x20) {
            memcpy(to, "\\u00", 4);
            to[4] = hex[c >> 4];
            to[5] = hex[c & 15];
            to += 6;
            at++;
        } else {
            size_t size = utf8_size(at, end);
            if (size == 0) {
                out->size = before;
                return FUA_ERR_SYNTAX;
            }
            memcpy(to, at, size);
            to += size;
            at += size;
        }
    }
    *to++ = '"';
    out->size = (size_t)(to - out->data);
    return FUA_OK;
}

fua_status fua_json_write_integer(fua_buffer *out, int64_t integer) {
    static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    char digits[20], *at = digits + sizeof digits;
    uint64_t left = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
    for (; left >= 10; left /= 100) {
        at -= 2;
        memcpy(at, pairs + left % 100 * 2, 2);
    }
    if (left != 0 || at == digits + sizeof digits) {
        *--at = (char)('0' + left);
    }
    if (integer < 0) {
        *--at = '-';
    }
    return fua_buffer_add(out, at, (size_t)(digits + sizeof digits - at));
}
