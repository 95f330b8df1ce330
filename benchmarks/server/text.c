/* Views of bytes, growing buffers, and just enough JSON. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server.h"

void *require_memory(void *memory) {
    if (!memory) {
        fputs("bench-server: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

void text_reserve(Text *text, size_t more) {
    if (text->size + more <= text->capacity) return;
    size_t capacity = text->capacity ? text->capacity * 2 : 256;
    while (capacity < text->size + more) capacity *= 2;
    text->data = require_memory(realloc(text->data, capacity));
    text->capacity = capacity;
}

void text_add(Text *text, const void *data, size_t size) {
    if (!size) return;
    text_reserve(text, size);
    memcpy(text->data + text->size, data, size);
    text->size += size;
}

void text_slice(Text *text, Slice slice) { text_add(text, slice.data, slice.size); }

void text_format(Text *text, const char *format, ...) {
    va_list arguments;
    text_reserve(text, 256);
    va_start(arguments, format);
    size_t room = text->capacity - text->size;
    int size = vsnprintf(text->data + text->size, room, format, arguments);
    va_end(arguments);
    if ((size_t)size >= room) {
        text_reserve(text, (size_t)size + 1);
        va_start(arguments, format);
        vsnprintf(text->data + text->size, (size_t)size + 1, format, arguments);
        va_end(arguments);
    }
    text->size += (size_t)size;
}

void text_json_string(Text *text, Slice value) {
    text_add(text, "\"", 1);
    size_t from = 0;
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        text_add(text, value.data + from, i - from);
        text_format(text, "\\u%04x", c);
        from = i + 1;
    }
    text_add(text, value.data + from, value.size - from);
    text_add(text, "\"", 1);
}

void text_free(Text *text) {
    free(text->data);
    *text = (Text){0};
}

Slice text_view(const Text *text) { return (Slice){text->data, text->size}; }

bool slice_is(Slice slice, const char *word) {
    return slice.size == strlen(word) && (!slice.size || !memcmp(slice.data, word, slice.size));
}

bool slice_is_nocase(Slice slice, const char *word) {
    return slice.size == strlen(word) && !strncasecmp(slice.data, word, slice.size);
}

bool slice_starts(Slice slice, Slice prefix) {
    return slice.size >= prefix.size &&
           (!prefix.size || !memcmp(slice.data, prefix.data, prefix.size));
}

int slice_compare(Slice a, Slice b) {
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

Slice slice_trim(Slice slice) {
    while (slice.size && strchr(" \t\r\n", slice.data[0])) slice.data++, slice.size--;
    while (slice.size && strchr(" \t\r\n", slice.data[slice.size - 1])) slice.size--;
    return slice;
}

Slice slice_find(Slice slice, Slice wanted) {
    const char *at = slice.size ? memmem(slice.data, slice.size, wanted.data, wanted.size) : NULL;
    return at ? (Slice){at, slice.size - (size_t)(at - slice.data)} : NOTHING;
}

uint64_t slice_number(Slice slice, uint64_t otherwise) {
    if (!slice.size || slice.size > 19) return otherwise;
    uint64_t number = 0;
    for (size_t i = 0; i < slice.size; i++) {
        if (slice.data[i] < '0' || slice.data[i] > '9') return otherwise;
        number = number * 10 + (uint64_t)(slice.data[i] - '0');
    }
    return number;
}

char *slice_copy(Slice slice) {
    char *copy = require_memory(malloc(slice.size + 1));
    if (slice.size) memcpy(copy, slice.data, slice.size);
    copy[slice.size] = 0;
    return copy;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void percent_decode(Text *into, Slice encoded, bool plus_is_space) {
    text_reserve(into, encoded.size);
    for (size_t i = 0; i < encoded.size; i++) {
        char c = encoded.data[i];
        if (c == '%' && i + 2 < encoded.size && hex_digit(encoded.data[i + 1]) >= 0 &&
            hex_digit(encoded.data[i + 2]) >= 0) {
            c = (char)(hex_digit(encoded.data[i + 1]) * 16 + hex_digit(encoded.data[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        into->data[into->size++] = c;
    }
}

static size_t json_skip(Slice json, size_t at) {
    while (at < json.size && strchr(" \t\r\n,:", json.data[at])) at++;
    return at;
}

/* Returns the end of the value that begins at `at`. */
static size_t json_end(Slice json, size_t at) {
    int depth = 0;
    bool in_string = false;
    for (; at < json.size; at++) {
        char c = json.data[at];
        if (in_string) {
            if (c == '\\')
                at++;
            else if (c == '"') {
                in_string = false;
                if (!depth) return at + 1;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (!depth) return at;
            if (!--depth) return at + 1;
        } else if (!depth && strchr(", \t\r\n", c)) {
            return at;
        }
    }
    return json.size;
}

bool json_next(Slice object, size_t *at, Slice *key, Slice *raw) {
    if (*at == 0) {
        *at = json_skip(object, 0);
        if (*at >= object.size || object.data[*at] != '{') return false;
        ++*at;
    }
    size_t start = json_skip(object, *at);
    if (start >= object.size || object.data[start] != '"') return false;
    size_t end = json_end(object, start);
    *key = (Slice){object.data + start, end - start};
    start = json_skip(object, end);
    end = json_end(object, start);
    *raw = (Slice){object.data + start, end - start};
    *at = end;
    return end > start;
}

bool json_field(Slice object, const char *name, Slice *raw) {
    size_t at = 0, size = strlen(name);
    Slice key;
    while (json_next(object, &at, &key, raw))
        if (key.size == size + 2 && !memcmp(key.data + 1, name, size)) return true;
    *raw = NOTHING;
    return false;
}

static unsigned unicode_escape(Slice raw, size_t at) {
    unsigned value = 0;
    for (size_t i = at; i < at + 4 && i < raw.size; i++)
        value = value * 16 + (unsigned)(hex_digit(raw.data[i]) & 15);
    return value;
}

void json_unescape(Text *into, Slice raw) {
    if (raw.size < 2 || raw.data[0] != '"') return;
    for (size_t i = 1; i + 1 < raw.size; i++) {
        char c = raw.data[i];
        if (c != '\\') {
            text_add(into, &c, 1);
            continue;
        }
        c = raw.data[++i];
        const char *plain = "\"\\/bfnrt", *meant = "\"\\/\b\f\n\r\t", *which = strchr(plain, c);
        if (which) {
            text_add(into, meant + (which - plain), 1);
            continue;
        }
        unsigned point = unicode_escape(raw, i + 1);
        i += 4;
        if (point >= 0xd800 && point < 0xdc00 && i + 6 < raw.size && raw.data[i + 1] == '\\') {
            point = 0x10000 + ((point - 0xd800) << 10) + (unicode_escape(raw, i + 3) - 0xdc00);
            i += 6;
        }
        char bytes[4];
        size_t size;
        if (point < 0x80) {
            bytes[0] = (char)point, size = 1;
        } else {
            size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
            for (size_t k = size - 1; k > 0; k--, point >>= 6)
                bytes[k] = (char)(0x80 | (point & 0x3f));
            bytes[0] = (char)((0xf00 >> size) | point);
        }
        text_add(into, bytes, size);
    }
}

void base64(char *into, const unsigned char *data, size_t size) {
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        unsigned three = (unsigned)data[i] << 16 | (i + 1 < size ? data[i + 1] : 0u) << 8 |
                         (i + 2 < size ? data[i + 2] : 0u);
        *into++ = digits[three >> 18];
        *into++ = digits[three >> 12 & 63];
        *into++ = i + 1 < size ? digits[three >> 6 & 63] : '=';
        *into++ = i + 2 < size ? digits[three & 63] : '=';
    }
    *into = 0;
}
