/* Taking the bodies of requests in as they come: hashed, and kept only if asked for. */

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

void intake_begin(Intake *intake, const Request *request) {
    *intake = (Intake){.kind = INTAKE_SMALL};
    bool is_upload = slice_find(request->path, LITERAL("/upload/storage/v1/b/")).size > 0;
    bool is_json = is_upload || slice_starts(request->path, LITERAL("/storage/v1/"));
    Text type = {0};
    if (is_upload && request_parameter(request, "upload_id", &type)) {
        intake->kind = INTAKE_SESSION;
        session_intake(intake, request);
    } else if (is_upload && request_parameter(request, "uploadType", &type)) {
        Slice word = text_view(&type);
        if (slice_is(word, "media")) intake->kind = INTAKE_RAW;
        if (slice_is(word, "multipart")) intake->kind = INTAKE_MULTIPART;
    } else if (!is_json && request->method == METHOD_PUT) {
        intake->kind = request_parameter(request, "partNumber", &type) ? INTAKE_PART : INTAKE_RAW;
    }
    if (intake->kind == INTAKE_MULTIPART) {
        intake->boundary = boundary_of(request);
        intake->tail_capacity = intake->boundary.size + 8;
        if (!intake->boundary.size || intake->tail_capacity > sizeof intake->tail)
            intake->refused = true;
    }
    if (keep_bodies && intake->kind != INTAKE_SMALL && intake->kind != INTAKE_SESSION)
        intake->body = body_new(request->content_length);
    text_free(&type);
}

static void take(Intake *intake, const char *data, size_t size) {
    if (!size) return;
    intake->crc32c = crc32c(intake->crc32c, data, size);
    intake->size += size;
    if (intake->body) body_add(intake->body, data, size);
}

/* Takes all but the last bytes, among which the closing delimiter will be found. */
static void take_before_tail(Intake *intake, const char *data, size_t size) {
    if (size >= intake->tail_capacity) {
        take(intake, intake->tail, intake->tail_size);
        take(intake, data, size - intake->tail_capacity);
        memcpy(intake->tail, data + size - intake->tail_capacity, intake->tail_capacity);
        intake->tail_size = intake->tail_capacity;
        return;
    }
    size_t all = intake->tail_size + size;
    size_t out = all > intake->tail_capacity ? all - intake->tail_capacity : 0;
    take(intake, intake->tail, out);
    memmove(intake->tail, intake->tail + out, intake->tail_size - out);
    memcpy(intake->tail + intake->tail_size - out, data, size);
    intake->tail_size = all - out;
}

/* Once both parts' heads are there: notes the JSON, and takes what follows as content. Lines end as
   the first one does: apitools, and so gcloud, ends them with a bare line feed. */
static void look_for_content(Intake *intake) {
    Slice all = text_view(&intake->small), first = slice_find(all, LITERAL("\n"));
    if (!first.size) return;
    intake->bare_lines = first.data == all.data || first.data[-1] != '\r';
    Slice blank = intake->bare_lines ? LITERAL("\n\n") : LITERAL("\r\n\r\n");
    Slice json = slice_find(all, blank);
    if (!json.size) return;
    json = (Slice){json.data + blank.size, json.size - blank.size};
    Slice delimiter = slice_find(json, intake->boundary);
    if (!delimiter.size) return;
    Slice content = slice_find(delimiter, blank);
    if (!content.size) return;
    intake->resource = (Slice){json.data, json.size - delimiter.size};
    intake->in_content = true;
    take_before_tail(intake, content.data + blank.size, content.size - blank.size);
}

void intake_feed(Intake *intake, const char *data, size_t size) {
    switch (intake->kind) {
        case INTAKE_RAW:
        case INTAKE_PART: take(intake, data, size); break;
        case INTAKE_SESSION: session_take(intake, data, size); break;
        case INTAKE_MULTIPART:
            if (intake->refused) break;
            if (intake->in_content) {
                take_before_tail(intake, data, size);
                break;
            }
            text_add(&intake->small, data, size);
            look_for_content(intake);
            break;
        case INTAKE_SMALL:
            if (intake->small.size + size <= MAX_SMALL_BYTES)
                text_add(&intake->small, data, size);
    }
}

void intake_end(Intake *intake) {
    if (intake->kind != INTAKE_MULTIPART || intake->refused) return;
    char delimiter[sizeof intake->tail];
    int size = snprintf(delimiter, sizeof delimiter, "%s--%.*s", intake->bare_lines ? "\n" : "\r\n",
                        (int)intake->boundary.size, intake->boundary.data);
    Slice tail = {intake->tail, intake->tail_size};
    Slice found = slice_find(tail, (Slice){delimiter, (size_t)size});
    if (!intake->in_content || !found.size)
        intake->refused = true;
    else
        take(intake, tail.data, tail.size - found.size);
}

void intake_clear(Intake *intake) {
    text_free(&intake->small);
    body_release(intake->body);
    intake->body = NULL;
}
