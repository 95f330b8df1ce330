/* Objects as JSON API resources (cloud.google.com/storage/docs/json_api/v1/objects). */

#include <string.h>
#include <time.h>

#include "server.h"

enum { KIND, ID, SELF, MEDIA, NAME, BUCKET, GENERATION, METAGENERATION, STORAGE, SIZE, MD5, CRC,
       ETAG, CREATED, UPDATED, METADATA, GIVEN, FIELD_COUNT };

static const char *const field_names[] = {
    [KIND] = "kind",
    [ID] = "id",
    [SELF] = "selfLink",
    [MEDIA] = "mediaLink",
    [NAME] = "name",
    [BUCKET] = "bucket",
    [GENERATION] = "generation",
    [METAGENERATION] = "metageneration",
    [STORAGE] = "storageClass",
    [SIZE] = "size",
    [MD5] = "md5Hash",
    [CRC] = "crc32c",
    [ETAG] = "etag",
    [CREATED] = "timeCreated",
    [UPDATED] = "updated",
    [METADATA] = "metadata",
    [GIVEN] = "contentType",
};

static bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* The fields named anywhere in the expression; if none is named, all. */
uint32_t fields_mask(Slice fields) {
    uint32_t mask = 0;
    for (size_t at = 0; at < fields.size;) {
        size_t end = at;
        while (end < fields.size && is_letter_or_digit(fields.data[end])) end++;
        Slice word = {fields.data + at, end - at};
        for (int i = 0; i < FIELD_COUNT; i++)
            if (slice_is(word, field_names[i])) mask |= 1u << i;
        at = end + 1;
    }
    return mask ? mask : ~0u;
}

void render_time(Text *out, uint64_t us) {
    time_t seconds = (time_t)(us / 1000000u);
    struct tm parts;
    char text[40];
    gmtime_r(&seconds, &parts);
    size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    text_add(out, text, size);
    text_format(out, ".%03uZ", (unsigned)(us / 1000u % 1000u));
}

static void percent_encode(Text *out, Slice name) {
    static const char digits[] = "0123456789ABCDEF";
    text_reserve(out, name.size * 3);
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (is_letter_or_digit(c) || strchr("-._~", c)) {
            out->data[out->size++] = c;
        } else {
            out->data[out->size++] = '%';
            out->data[out->size++] = digits[(unsigned char)c >> 4];
            out->data[out->size++] = digits[c & 15];
        }
    }
}

static void number_field(Text *out, const char *name, uint64_t number) {
    char digits[24];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    text_add(out, "\"", 1);
    text_add(out, name, strlen(name));
    text_add(out, "\":\"", 3);
    text_add(out, digits + at, sizeof digits - at);
    text_add(out, "\",", 2);
}

static void plain_field(Text *out, const char *name, const char *value) {
    text_add(out, "\"", 1);
    text_add(out, name, strlen(name));
    text_add(out, "\":\"", 3);
    text_add(out, value, strlen(value));
    text_add(out, "\",", 2);
}

static void link_field(Text *out, const char *name, Slice base, const char *path, Slice bucket,
                       Slice object, uint64_t generation) {
    text_format(out, "\"%s\":\"%.*s%s/storage/v1/b/%.*s/o/", name, (int)base.size, base.data, path,
                (int)bucket.size, bucket.data);
    percent_encode(out, object);
    if (generation) text_format(out, "?generation=%llu&alt=media", (unsigned long long)generation);
    text_slice(out, LITERAL("\","));
}

void render_object(Text *out, const Object *object, uint32_t mask, Slice base) {
    Slice bucket = {object->key, object->bucket_size};
    Slice name = {object->key + bucket.size + 1, object->key_size - bucket.size - 1};
    text_reserve(out, 1024);
    text_slice(out, LITERAL("{"));
    if (mask & 1u << KIND) plain_field(out, "kind", "storage#object");
    if (mask & 1u << ID) {
        text_slice(out, LITERAL("\"id\":"));
        text_json_string(out, (Slice){object->key, object->key_size});
        out->size--; /* the generation goes into the same string */
        text_format(out, "/%llu\",", (unsigned long long)object->generation);
    }
    if (mask & 1u << SELF) link_field(out, "selfLink", base, "", bucket, name, 0);
    if (mask & 1u << MEDIA)
        link_field(out, "mediaLink", base, "/download", bucket, name, object->generation);
    if (mask & 1u << NAME) {
        text_slice(out, LITERAL("\"name\":"));
        text_json_string(out, name);
        text_slice(out, LITERAL(","));
    }
    if (mask & 1u << BUCKET) {
        text_slice(out, LITERAL("\"bucket\":"));
        text_json_string(out, bucket);
        text_slice(out, LITERAL(","));
    }
    if (mask & 1u << GENERATION) number_field(out, "generation", object->generation);
    if (mask & 1u << METAGENERATION) number_field(out, "metageneration", object->metageneration);
    if (mask & 1u << STORAGE) plain_field(out, "storageClass", "STANDARD");
    if (mask & 1u << SIZE) number_field(out, "size", object->size);
    if (mask & 1u << MD5 && object->md5[0]) plain_field(out, "md5Hash", object->md5);
    if (mask & 1u << CRC) {
        char text[9];
        crc32c_text(object->crc32c, text);
        plain_field(out, "crc32c", text);
    }
    if (mask & 1u << ETAG) number_field(out, "etag", object->generation + object->metageneration);
    for (int i = CREATED; i <= UPDATED; i++)
        if (mask & 1u << i) {
            text_format(out, "\"%s\":\"", field_names[i]);
            render_time(out, object->created_us);
            text_slice(out, LITERAL("\","));
        }
    if (mask & 1u << GIVEN && object->fields)
        text_add(out, object->fields, strlen(object->fields));
    if (mask & 1u << METADATA && object->metadata) {
        text_slice(out, LITERAL("\"metadata\":"));
        text_add(out, object->metadata, strlen(object->metadata));
        text_slice(out, LITERAL(","));
    }
    if (out->data[out->size - 1] == ',') out->size--;
    text_slice(out, LITERAL("}"));
}

void render_error(Text *out, int status, const char *reason, const char *message) {
    text_format(out,
                "{\"error\":{\"code\":%d,\"message\":\"%s\",\"errors\":[{\"message\":\"%s\","
                "\"domain\":\"global\",\"reason\":\"%s\"}]}}",
                status, message, message, reason);
}
