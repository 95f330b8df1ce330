/* What becomes of bytes: stored after one request, a session of chunks, parts of the XML API. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

#define SESSIONS 4096
#define MAX_PARTS 10000

typedef struct {
    uint64_t size;
    uint32_t crc32c;
    bool is_there;
    Body *body;
} Part;

typedef struct Session {
    uint64_t id;
    bool is_finished;
    char *resource; /* the JSON that the session was started with */
    char *bucket, *name, *content_type;
    Precondition precondition;
    uint64_t received;
    uint32_t crc32c;
    Body *body;
    Part *parts;
    char *finished; /* the answer to who asks again */
    struct Session *next;
} Session;

static pthread_mutex_t sessions_lock = PTHREAD_MUTEX_INITIALIZER;
static Session *sessions[SESSIONS];
static uint64_t last_session;

/* Storing what came */

/* Fills the fields that are kept as they were given; returns the name, if there is one. */
static void take_resource(Slice resource, Text *fields, Slice content_type) {
    static const char *const kept[] = {"contentType",  "cacheControl",    "contentDisposition",
                                       "customTime",   "contentLanguage", "contentEncoding"};
    Slice raw;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (json_field(resource, kept[i], &raw) && !slice_is(raw, "null"))
            text_format(fields, "\"%s\":%.*s,", kept[i], (int)raw.size, raw.data);
        else if (!i && content_type.size)
            text_format(fields, "\"contentType\":\"%.*s\",", (int)content_type.size,
                        content_type.data);
    }
}

static bool checksum_differs(Slice resource, uint32_t crc) {
    char own[9];
    Slice raw;
    crc32c_text(crc, own);
    if (!json_field(resource, "crc32c", &raw) || raw.size != 10) return false;
    return memcmp(raw.data + 1, own, 8) != 0;
}

/* Stores and answers with the resource; takes over the body. */
static bool store(Answer *answer, const Request *request, NewObject *made,
                  const Precondition *precondition, Slice resource) {
    Text fields = {0}, asked = {0};
    Slice raw;
    if (checksum_differs(resource, made->crc32c)) {
        body_release(made->body);
        answer_error(answer, 400, "invalid", "The crc32c given doesn't match the calculated one.");
        return false;
    }
    pthread_rwlock_wrlock(&objects_lock);
    bool holds = precondition_holds(object_find(made->bucket, made->name), precondition);
    if (holds) {
        take_resource(resource, &fields, made->fields);
        made->fields = text_view(&fields);
        if (json_field(resource, "metadata", &raw) && raw.size > 2) made->metadata = raw;
        if (json_field(resource, "md5Hash", &raw) && raw.size == 26)
            made->md5 = (Slice){raw.data + 1, 24};
        request_parameter(request, "fields", &asked);
        answer_object(answer, object_store(made), text_view(&asked), request);
    } else {
        body_release(made->body);
        answer_error(answer, 412, "conditionNotMet", "A precondition does not hold");
    }
    pthread_rwlock_unlock(&objects_lock);
    text_free(&fields);
    text_free(&asked);
    return holds;
}

static void store_named(Answer *answer, const Request *request, Intake *intake, Slice bucket,
                        Slice resource, Slice content_type) {
    Text name = {0};
    Slice raw;
    if (json_field(resource, "name", &raw))
        json_unescape(&name, raw);
    else
        request_parameter(request, "name", &name);
    NewObject made = {.bucket = bucket, .name = text_view(&name), .fields = content_type,
                      .size = intake->size, .crc32c = intake->crc32c, .body = intake->body};
    Precondition precondition = precondition_of(request);
    if (intake->refused || !name.size) {
        answer_error(answer, 400, "invalid", "This is no upload with a name and two parts");
    } else {
        intake->body = NULL;
        store(answer, request, &made, &precondition, resource);
    }
    text_free(&name);
}

void upload_multipart(Answer *answer, const Request *request, Intake *intake, Slice bucket) {
    store_named(answer, request, intake, bucket, intake->resource, NOTHING);
}

void upload_media(Answer *answer, const Request *request, Intake *intake, Slice bucket) {
    store_named(answer, request, intake, bucket, NOTHING, request_header(request, "content-type"));
}

/* The metadata that x-goog-meta-* headers give, as a resource. */
static void resource_of_headers(const Request *request, Text *into) {
    Slice rest = request->head, prefix = LITERAL("x-goog-meta-");
    text_slice(into, LITERAL("{\"metadata\":{"));
    while (rest.size) {
        const char *end = memchr(rest.data, '\n', rest.size);
        Slice line = {rest.data, end ? (size_t)(end - rest.data) : rest.size};
        rest = end ? (Slice){end + 1, rest.size - line.size - 1} : NOTHING;
        const char *colon = line.size ? memchr(line.data, ':', line.size) : NULL;
        if (!colon || line.size < prefix.size ||
            !slice_is_nocase((Slice){line.data, prefix.size}, prefix.data))
            continue;
        if (into->data[into->size - 1] == '"') text_slice(into, LITERAL(","));
        size_t key_end = (size_t)(colon - line.data);
        text_json_string(into, (Slice){line.data + prefix.size, key_end - prefix.size});
        text_slice(into, LITERAL(":"));
        text_json_string(into,
                         slice_trim((Slice){colon + 1, line.size - key_end - 1}));
    }
    text_slice(into, LITERAL("}}"));
}

static void add_xml_headers(Answer *answer, Slice bucket, Slice name) {
    pthread_rwlock_rdlock(&objects_lock);
    const Object *object = object_find(bucket, name);
    if (object)
        text_format(&answer->head, "ETag: \"%llu\"\r\nX-Goog-Generation: %llu\r\n",
                    (unsigned long long)object->generation,
                    (unsigned long long)object->generation);
    pthread_rwlock_unlock(&objects_lock);
}

void xml_put(Answer *answer, const Request *request, Intake *intake, Slice bucket, Slice name) {
    Text resource = {0};
    resource_of_headers(request, &resource);
    NewObject made = {.bucket = bucket, .name = name, .size = intake->size,
                      .fields = request_header(request, "content-type"),
                      .crc32c = intake->crc32c, .body = intake->body};
    Precondition precondition = precondition_of(request);
    intake->body = NULL;
    if (store(answer, request, &made, &precondition, text_view(&resource))) {
        answer->body.size = 0;
        add_xml_headers(answer, bucket, name);
    }
    text_free(&resource);
}

/* Sessions: resumable uploads, and the XML API's uploads in parts */

static Session *session_new(Slice bucket, Slice name, Slice resource, Slice content_type) {
    Session *session = require_memory(calloc(1, sizeof *session));
    session->bucket = slice_copy(bucket);
    session->name = slice_copy(name);
    session->resource = slice_copy(resource);
    session->content_type = slice_copy(content_type);
    pthread_mutex_lock(&sessions_lock);
    session->id = ++last_session;
    session->next = sessions[session->id % SESSIONS];
    sessions[session->id % SESSIONS] = session;
    pthread_mutex_unlock(&sessions_lock);
    return session;
}

static Session *session_of(const Request *request, const char *parameter) {
    Text text = {0};
    request_parameter(request, parameter, &text);
    uint64_t id = slice_number(text_view(&text), 0);
    text_free(&text);
    pthread_mutex_lock(&sessions_lock);
    Session *session = sessions[id % SESSIONS];
    while (session && session->id != id) session = session->next;
    pthread_mutex_unlock(&sessions_lock);
    return session;
}

static void parts_free(Session *session) {
    for (int i = 0; session->parts && i < MAX_PARTS; i++) body_release(session->parts[i].body);
    free(session->parts);
    session->parts = NULL;
}

void sessions_reset(void) { /* between runs, when nobody uploads */
    pthread_mutex_lock(&sessions_lock);
    for (int i = 0; i < SESSIONS; i++) {
        Session *next;
        for (Session *session = sessions[i]; session; session = next) {
            next = session->next;
            body_release(session->body);
            parts_free(session);
            free(session->resource);
            free(session->bucket);
            free(session->name);
            free(session->content_type);
            free(session->finished);
            free(session);
        }
        sessions[i] = NULL;
    }
    pthread_mutex_unlock(&sessions_lock);
}

void upload_start(Answer *answer, const Request *request, Intake *intake, Slice bucket) {
    Text name = {0}, base = {0};
    Slice resource = text_view(&intake->small), raw;
    if (json_field(resource, "name", &raw))
        json_unescape(&name, raw);
    else
        request_parameter(request, "name", &name);
    Session *session = session_new(bucket, text_view(&name), resource,
                                   request_header(request, "x-upload-content-type"));
    session->precondition = precondition_of(request);
    if (keep_bodies)
        session->body = body_new(slice_number(request_header(request, "x-upload-content-length"), 0));
    Slice url = base_url(request, &base);
    text_format(&answer->head,
                "Location: %.*s/upload/storage/v1/b/%.*s/o?uploadType=resumable&upload_id=%llu\r\n"
                "X-GUploader-UploadID: %llu\r\n",
                (int)url.size, url.data, (int)bucket.size, bucket.data,
                (unsigned long long)session->id, (unsigned long long)session->id);
    text_free(&name);
    text_free(&base);
}

/* "bytes 0-9/20"; with a star for 20: not known yet; with a star for 0-9: how far are you? */
static bool parse_span(Slice span, bool *asks, uint64_t *from, uint64_t *end, uint64_t *total) {
    if (!slice_starts(span, LITERAL("bytes "))) return false;
    span = (Slice){span.data + 6, span.size - 6};
    const char *slash = memchr(span.data, '/', span.size);
    if (!slash) return false;
    Slice range = {span.data, (size_t)(slash - span.data)};
    Slice whole = {slash + 1, span.size - range.size - 1};
    *total = slice_number(whole, UINT64_MAX);
    *asks = slice_is(range, "*");
    if (*asks) return true;
    const char *dash = memchr(range.data, '-', range.size);
    if (!dash) return false;
    size_t low = (size_t)(dash - range.data);
    *from = slice_number((Slice){range.data, low}, 0);
    *end = slice_number((Slice){dash + 1, range.size - low - 1}, 0) + 1;
    return true;
}

void session_intake(Intake *intake, const Request *request) {
    bool asks = false;
    uint64_t from = 0, end = 0, total = 0;
    Session *session = intake->session = session_of(request, "upload_id");
    if (!session) return;
    bool has_span =
        parse_span(request_header(request, "content-range"), &asks, &from, &end, &total);
    if (session->is_finished || (has_span && (asks || from > session->received))) {
        intake->refused = true; /* nothing of the body is taken */
        return;
    }
    intake->skip = session->received - (has_span ? from : 0);
}

void session_take(Intake *intake, const char *data, size_t size) {
    Session *session = intake->session;
    if (!session || intake->refused) return;
    size_t known = intake->skip < size ? intake->skip : size;
    intake->skip -= known;
    data += known, size -= known;
    if (!size) return;
    session->crc32c = crc32c(session->crc32c, data, size);
    session->received += size;
    if (session->body) body_add(session->body, data, size);
}

static void go_on(Answer *answer, const Request *request, const Session *session) {
    /* Go's client, and so rclone, wants its HTTP library to see no redirect. */
    bool hides_308 = slice_is(request_header(request, "x-guploader-no-308"), "yes");
    answer->status = hides_308 ? 200 : 308;
    if (hides_308) text_slice(&answer->head, LITERAL("X-Http-Status-Code-Override: 308\r\n"));
    if (session->received)
        text_format(&answer->head, "Range: bytes=0-%llu\r\n",
                    (unsigned long long)session->received - 1);
}

void upload_chunk(Answer *answer, const Request *request, Intake *intake) {
    Session *session = intake->session;
    bool asks = false;
    uint64_t from = 0, end = 0, total = UINT64_MAX;
    if (!session) {
        answer_error(answer, 404, "notFound", "No such upload session");
        return;
    }
    if (session->finished) {
        text_slice(&answer->head, LITERAL("Content-Type: application/json; charset=UTF-8\r\n"));
        text_add(&answer->body, session->finished, strlen(session->finished));
        return;
    }
    if (!parse_span(request_header(request, "content-range"), &asks, &from, &end, &total))
        total = session->received; /* the whole object came in one request */
    if (session->received != total) {
        go_on(answer, request, session);
        return;
    }
    Slice resource = {session->resource, strlen(session->resource)};
    NewObject made = {.bucket = {session->bucket, strlen(session->bucket)},
                      .name = {session->name, strlen(session->name)},
                      .fields = {session->content_type, strlen(session->content_type)},
                      .size = session->received, .crc32c = session->crc32c,
                      .body = session->body};
    session->body = NULL;
    session->is_finished = true;
    if (store(answer, request, &made, &session->precondition, resource))
        session->finished = slice_copy(text_view(&answer->body));
}

void xml_start(Answer *answer, const Request *request, Slice bucket, Slice name) {
    Text resource = {0};
    resource_of_headers(request, &resource);
    Session *session = session_new(bucket, name, text_view(&resource),
                                   request_header(request, "content-type"));
    session->precondition = precondition_of(request);
    session->parts = require_memory(calloc(MAX_PARTS, sizeof *session->parts));
    text_slice(&answer->head, LITERAL("Content-Type: application/xml\r\n"));
    text_format(&answer->body,
                "<?xml version='1.0' encoding='UTF-8'?><InitiateMultipartUploadResult "
                "xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Bucket>%.*s</Bucket>"
                "<Key>%.*s</Key><UploadId>%llu</UploadId></InitiateMultipartUploadResult>",
                (int)bucket.size, bucket.data, (int)name.size, name.data,
                (unsigned long long)session->id);
    text_free(&resource);
}

void xml_part(Answer *answer, const Request *request, Intake *intake) {
    Text text = {0};
    Session *session = session_of(request, "uploadId");
    request_parameter(request, "partNumber", &text);
    uint64_t number = slice_number(text_view(&text), 0);
    text_free(&text);
    if (!session || !session->parts || !number || number > MAX_PARTS) {
        answer_error(answer, 404, "notFound", "No such upload, or no such part");
        return;
    }
    Part *part = &session->parts[number - 1];
    body_release(part->body);
    *part = (Part){intake->size, intake->crc32c, true, intake->body};
    intake->body = NULL;
    char crc[9];
    crc32c_text(part->crc32c, crc);
    text_format(&answer->head, "ETag: \"part-%llu-%08x\"\r\nX-Goog-Hash: crc32c=%s\r\n",
                (unsigned long long)number, part->crc32c, crc);
}

void xml_complete(Answer *answer, const Request *request, Intake *intake, Slice bucket,
                  Slice name) {
    (void)intake; /* all parts are wanted, in the order of their numbers */
    Session *session = session_of(request, "uploadId");
    if (!session || !session->parts) {
        answer_error(answer, 404, "notFound", "No such upload");
        return;
    }
    NewObject made = {.bucket = bucket, .name = name,
                      .fields = {session->content_type, strlen(session->content_type)}};
    if (keep_bodies) made.body = body_new(0);
    for (int i = 0; i < MAX_PARTS; i++) {
        const Part *part = &session->parts[i];
        if (!part->is_there) continue;
        made.crc32c = crc32c_combine(made.crc32c, part->crc32c, part->size);
        made.size += part->size;
        if (made.body && part->body) body_add(made.body, part->body->data, part->body->size);
    }
    parts_free(session);
    Slice resource = {session->resource, strlen(session->resource)};
    if (!store(answer, request, &made, &session->precondition, resource)) return;
    answer->body.size = answer->head.size = 0;
    add_xml_headers(answer, bucket, name);
    text_slice(&answer->head, LITERAL("Content-Type: application/xml\r\n"));
    text_format(&answer->body,
                "<?xml version='1.0' encoding='UTF-8'?><CompleteMultipartUploadResult "
                "xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Bucket>%.*s</Bucket>"
                "<Key>%.*s</Key><ETag>\"done\"</ETag></CompleteMultipartUploadResult>",
                (int)bucket.size, bucket.data, (int)name.size, name.data);
}
