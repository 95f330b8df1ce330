/* Request bodies as they arrive: hashed, and kept only with --keep. */

#include <stdio.h>
#include <string.h>

#include "server.h"

#define MAX_SMALL_BYTES (4 << 20)

bool keep_bodies;

static Slice boundary_of(const Request *request) {
    Slice type = request_header(request, "content-type");
    Slice found = slice_find(type, LITERAL("boundary="));
    if (found.size <= 9) return NOTHING;
    Slice boundary = {found.data + 9, found.size - 9};
    const char *end = memchr(boundary.data, ';', boundary.size);
    if (end) boundary.size = (size_t)(end - boundary.data);
    boundary = slice_trim(boundary);
    if (boundary.size >= 2 && strchr("\"'", boundary.data[0]))
        boundary = (Slice){boundary.data + 1, boundary.size - 2};
    return boundary;
}

void incoming_begin(Incoming *incoming, const Request *request) {
    *incoming = (Incoming){.kind = INCOMING_SMALL};
    bool is_upload = slice_find(request->path, LITERAL("/upload/storage/v1/b/")).size > 0;
    bool is_json = is_upload || slice_starts(request->path, LITERAL("/storage/v1/"));
    Text type = {0};
    if (is_upload && request_parameter(request, "upload_id", &type)) {
        incoming->kind = INCOMING_SESSION;
        session_begin_chunk(incoming, request);
    } else if (is_upload && request_parameter(request, "uploadType", &type)) {
        Slice word = text_view(&type);
        if (slice_is(word, "media")) incoming->kind = INCOMING_RAW;
        if (slice_is(word, "multipart")) incoming->kind = INCOMING_MULTIPART;
    } else if (!is_json && request->method == METHOD_PUT) {
        incoming->kind =
            request_parameter(request, "partNumber", &type) ? INCOMING_PART : INCOMING_RAW;
    }
    if (incoming->kind == INCOMING_MULTIPART) {
        incoming->boundary = boundary_of(request);
        incoming->tail_capacity = incoming->boundary.size + 8;
        if (!incoming->boundary.size || incoming->tail_capacity > sizeof incoming->tail)
            incoming->refused = true;
    }
    if (keep_bodies && incoming->kind != INCOMING_SMALL && incoming->kind != INCOMING_SESSION)
        incoming->body = body_new(request->content_length);
    text_free(&type);
}

static void add(Incoming *incoming, const char *data, size_t size) {
    if (!size) return;
    incoming->crc32c = crc32c(incoming->crc32c, data, size);
    incoming->size += size;
    if (incoming->body) body_add(incoming->body, data, size);
}

/* Adds all but the last bytes, which will contain the closing delimiter. */
static void add_before_tail(Incoming *incoming, const char *data, size_t size) {
    if (size >= incoming->tail_capacity) {
        add(incoming, incoming->tail, incoming->tail_size);
        add(incoming, data, size - incoming->tail_capacity);
        memcpy(incoming->tail, data + size - incoming->tail_capacity, incoming->tail_capacity);
        incoming->tail_size = incoming->tail_capacity;
        return;
    }
    size_t all = incoming->tail_size + size;
    size_t out = all > incoming->tail_capacity ? all - incoming->tail_capacity : 0;
    add(incoming, incoming->tail, out);
    memmove(incoming->tail, incoming->tail + out, incoming->tail_size - out);
    memcpy(incoming->tail + incoming->tail_size - out, data, size);
    incoming->tail_size = all - out;
}

/* Once the heads of both parts have arrived: keeps the JSON, and adds the rest as content. All
   lines end like the first one: apitools, and so gcloud, ends them with a bare line feed. */
static void find_content(Incoming *incoming) {
    Slice all = text_view(&incoming->small), first = slice_find(all, LITERAL("\n"));
    if (!first.size) return;
    incoming->bare_lines = first.data == all.data || first.data[-1] != '\r';
    Slice blank = incoming->bare_lines ? LITERAL("\n\n") : LITERAL("\r\n\r\n");
    Slice json = slice_find(all, blank);
    if (!json.size) return;
    json = (Slice){json.data + blank.size, json.size - blank.size};
    Slice delimiter = slice_find(json, incoming->boundary);
    if (!delimiter.size) return;
    Slice content = slice_find(delimiter, blank);
    if (!content.size) return;
    incoming->resource = (Slice){json.data, json.size - delimiter.size};
    incoming->in_content = true;
    add_before_tail(incoming, content.data + blank.size, content.size - blank.size);
}

void incoming_feed(Incoming *incoming, const char *data, size_t size) {
    switch (incoming->kind) {
        case INCOMING_RAW:
        case INCOMING_PART: add(incoming, data, size); break;
        case INCOMING_SESSION: session_add(incoming, data, size); break;
        case INCOMING_MULTIPART:
            if (incoming->refused) break;
            if (incoming->in_content) {
                add_before_tail(incoming, data, size);
                break;
            }
            text_add(&incoming->small, data, size);
            find_content(incoming);
            break;
        case INCOMING_SMALL:
            if (incoming->small.size + size <= MAX_SMALL_BYTES)
                text_add(&incoming->small, data, size);
    }
}

void incoming_end(Incoming *incoming) {
    if (incoming->kind != INCOMING_MULTIPART || incoming->refused) return;
    char delimiter[sizeof incoming->tail];
    int size = snprintf(delimiter, sizeof delimiter, "%s--%.*s",
                        incoming->bare_lines ? "\n" : "\r\n", (int)incoming->boundary.size,
                        incoming->boundary.data);
    Slice tail = {incoming->tail, incoming->tail_size};
    Slice found = slice_find(tail, (Slice){delimiter, (size_t)size});
    if (!incoming->in_content || !found.size)
        incoming->refused = true;
    else
        add(incoming, tail.data, tail.size - found.size);
}

void incoming_clear(Incoming *incoming) {
    text_free(&incoming->small);
    body_release(incoming->body);
    incoming->body = NULL;
}
