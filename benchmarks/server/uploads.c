/* Uploads: in one request, as a resumable session, or as a multipart upload of the XML API. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

#define SESSIONS 4096
#define MAX_PARTS 10000

typedef struct {
    uint64_t size;
    uint32_t crc32c;
    bool is_present;
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
    char *finished; /* the response when the status is queried again */
    struct Session *next;
} Session;

static pthread_mutex_t sessions_lock = PTHREAD_MUTEX_INITIALIZER;
static Session *sessions[SESSIONS];
static uint64_t last_session;

/* Storing an upload */

/* Adds the fields that are kept as received. */
static void add_kept_fields(Slice resource, Text *fields, Slice content_type) {
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

/* Stores the object and responds with its resource; takes ownership of the body. */
static bool store(Response *response, const Request *request, NewObject *new,
                  const Precondition *precondition, Slice resource) {
    Text fields = {0}, requested = {0};
    Slice raw;
    if (checksum_differs(resource, new->crc32c)) {
        body_release(new->body);
        respond_error(response, 400, "invalid",
                      "The crc32c given doesn't match the calculated one.");
        return false;
    }
    pthread_rwlock_wrlock(&objects_lock);
    bool holds = precondition_holds(object_find(new->bucket, new->name), precondition);
    if (holds) {
        add_kept_fields(resource, &fields, new->fields);
        new->fields = text_view(&fields);
        if (json_field(resource, "metadata", &raw) && raw.size > 2) new->metadata = raw;
        if (json_field(resource, "md5Hash", &raw) && raw.size == 26)
            new->md5 = (Slice){raw.data + 1, 24};
        request_parameter(request, "fields", &requested);
        respond_object(response, object_store(new), text_view(&requested), request);
    } else {
        body_release(new->body);
        respond_error(response, 412, "conditionNotMet", "A precondition does not hold");
    }
    pthread_rwlock_unlock(&objects_lock);
    text_free(&fields);
    text_free(&requested);
    return holds;
}

static void store_named(Response *response, const Request *request, Incoming *incoming,
                        Slice bucket, Slice resource, Slice content_type) {
    Text name = {0};
    Slice raw;
    if (json_field(resource, "name", &raw))
        json_unescape(&name, raw);
    else
        request_parameter(request, "name", &name);
    NewObject new = {.bucket = bucket, .name = text_view(&name), .fields = content_type,
                     .size = incoming->size, .crc32c = incoming->crc32c, .body = incoming->body};
    Precondition precondition = precondition_of(request);
    if (incoming->refused || !name.size) {
        respond_error(response, 400, "invalid", "Not an upload with a name and two parts");
    } else {
        incoming->body = NULL;
        store(response, request, &new, &precondition, resource);
    }
    text_free(&name);
}

void upload_multipart(Response *response, const Request *request, Incoming *incoming,
                      Slice bucket) {
    store_named(response, request, incoming, bucket, incoming->resource, NOTHING);
}

void upload_media(Response *response, const Request *request, Incoming *incoming, Slice bucket) {
    Slice content_type = request_header(request, "content-type");
    store_named(response, request, incoming, bucket, NOTHING, content_type);
}

/* Turns x-goog-meta-* headers into a resource. */
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

static void add_xml_headers(Response *response, Slice bucket, Slice name) {
    pthread_rwlock_rdlock(&objects_lock);
    const Object *object = object_find(bucket, name);
    if (object)
        text_format(&response->head, "ETag: \"%llu\"\r\nX-Goog-Generation: %llu\r\n",
                    (unsigned long long)object->generation,
                    (unsigned long long)object->generation);
    pthread_rwlock_unlock(&objects_lock);
}

void xml_put(Response *response, const Request *request, Incoming *incoming, Slice bucket,
             Slice name) {
    Text resource = {0};
    resource_of_headers(request, &resource);
    NewObject new = {.bucket = bucket, .name = name, .size = incoming->size,
                     .fields = request_header(request, "content-type"),
                     .crc32c = incoming->crc32c, .body = incoming->body};
    Precondition precondition = precondition_of(request);
    incoming->body = NULL;
    if (store(response, request, &new, &precondition, text_view(&resource))) {
        response->body.size = 0;
        add_xml_headers(response, bucket, name);
    }
    text_free(&resource);
}

/* Sessions: resumable uploads, and multipart uploads of the XML API */

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

void sessions_reset(void) { /* between runs, when nothing is uploading */
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

void upload_start(Response *response, const Request *request, Incoming *incoming, Slice bucket) {
    Text name = {0}, base = {0};
    Slice resource = text_view(&incoming->small), raw;
    if (json_field(resource, "name", &raw))
        json_unescape(&name, raw);
    else
        request_parameter(request, "name", &name);
    Session *session = session_new(bucket, text_view(&name), resource,
                                   request_header(request, "x-upload-content-type"));
    session->precondition = precondition_of(request);
    if (keep_bodies)
        session->body =
            body_new(slice_number(request_header(request, "x-upload-content-length"), 0));
    Slice url = base_url(request, &base);
    text_format(&response->head,
                "Location: %.*s/upload/storage/v1/b/%.*s/o?uploadType=resumable&upload_id=%llu\r\n"
                "X-GUploader-UploadID: %llu\r\n",
                (int)url.size, url.data, (int)bucket.size, bucket.data,
                (unsigned long long)session->id, (unsigned long long)session->id);
    text_free(&name);
    text_free(&base);
}

/* "bytes 0-9/20"; a star for 20: total not known yet; a star for 0-9: a status query. */
static bool parse_span(Slice span, bool *is_query, uint64_t *from, uint64_t *end, uint64_t *total) {
    if (!slice_starts(span, LITERAL("bytes "))) return false;
    span = (Slice){span.data + 6, span.size - 6};
    const char *slash = memchr(span.data, '/', span.size);
    if (!slash) return false;
    Slice range = {span.data, (size_t)(slash - span.data)};
    Slice whole = {slash + 1, span.size - range.size - 1};
    *total = slice_number(whole, UINT64_MAX);
    *is_query = slice_is(range, "*");
    if (*is_query) return true;
    const char *dash = memchr(range.data, '-', range.size);
    if (!dash) return false;
    size_t low = (size_t)(dash - range.data);
    *from = slice_number((Slice){range.data, low}, 0);
    *end = slice_number((Slice){dash + 1, range.size - low - 1}, 0) + 1;
    return true;
}

void session_begin_chunk(Incoming *incoming, const Request *request) {
    bool is_query = false;
    uint64_t from = 0, end = 0, total = 0;
    Session *session = incoming->session = session_of(request, "upload_id");
    if (!session) return;
    bool has_span =
        parse_span(request_header(request, "content-range"), &is_query, &from, &end, &total);
    if (session->is_finished || (has_span && (is_query || from > session->received))) {
        incoming->refused = true; /* the body is ignored */
        return;
    }
    incoming->skip = session->received - (has_span ? from : 0);
}

void session_add(Incoming *incoming, const char *data, size_t size) {
    Session *session = incoming->session;
    if (!session || incoming->refused) return;
    size_t known = incoming->skip < size ? incoming->skip : size;
    incoming->skip -= known;
    data += known, size -= known;
    if (!size) return;
    session->crc32c = crc32c(session->crc32c, data, size);
    session->received += size;
    if (session->body) body_add(session->body, data, size);
}

static void respond_incomplete(Response *response, const Request *request, const Session *session) {
    /* Go's client, and so rclone, asks for this: its HTTP library must not see a redirect. */
    bool hides_308 = slice_is(request_header(request, "x-guploader-no-308"), "yes");
    response->status = hides_308 ? 200 : 308;
    if (hides_308) text_slice(&response->head, LITERAL("X-Http-Status-Code-Override: 308\r\n"));
    if (session->received)
        text_format(&response->head, "Range: bytes=0-%llu\r\n",
                    (unsigned long long)session->received - 1);
}

void upload_chunk(Response *response, const Request *request, Incoming *incoming) {
    Session *session = incoming->session;
    bool is_query = false;
    uint64_t from = 0, end = 0, total = UINT64_MAX;
    if (!session) {
        respond_error(response, 404, "notFound", "No such upload session");
        return;
    }
    if (session->finished) {
        text_slice(&response->head, LITERAL("Content-Type: application/json; charset=UTF-8\r\n"));
        text_add(&response->body, session->finished, strlen(session->finished));
        return;
    }
    if (!parse_span(request_header(request, "content-range"), &is_query, &from, &end, &total))
        total = session->received; /* the whole object in one request */
    if (session->received != total) {
        respond_incomplete(response, request, session);
        return;
    }
    Slice resource = {session->resource, strlen(session->resource)};
    NewObject new = {.bucket = {session->bucket, strlen(session->bucket)},
                     .name = {session->name, strlen(session->name)},
                     .fields = {session->content_type, strlen(session->content_type)},
                     .size = session->received, .crc32c = session->crc32c,
                     .body = session->body};
    session->body = NULL;
    session->is_finished = true;
    if (store(response, request, &new, &session->precondition, resource))
        session->finished = slice_copy(text_view(&response->body));
}

void xml_start(Response *response, const Request *request, Slice bucket, Slice name) {
    Text resource = {0};
    resource_of_headers(request, &resource);
    Session *session = session_new(bucket, name, text_view(&resource),
                                   request_header(request, "content-type"));
    session->precondition = precondition_of(request);
    session->parts = require_memory(calloc(MAX_PARTS, sizeof *session->parts));
    text_slice(&response->head, LITERAL("Content-Type: application/xml\r\n"));
    text_format(&response->body,
                "<?xml version='1.0' encoding='UTF-8'?><InitiateMultipartUploadResult "
                "xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Bucket>%.*s</Bucket>"
                "<Key>%.*s</Key><UploadId>%llu</UploadId></InitiateMultipartUploadResult>",
                (int)bucket.size, bucket.data, (int)name.size, name.data,
                (unsigned long long)session->id);
    text_free(&resource);
}

void xml_part(Response *response, const Request *request, Incoming *incoming) {
    Text text = {0};
    Session *session = session_of(request, "uploadId");
    request_parameter(request, "partNumber", &text);
    uint64_t number = slice_number(text_view(&text), 0);
    text_free(&text);
    if (!session || !session->parts || !number || number > MAX_PARTS) {
        respond_error(response, 404, "notFound", "No such upload, or no such part");
        return;
    }
    Part *part = &session->parts[number - 1];
    body_release(part->body);
    *part = (Part){incoming->size, incoming->crc32c, true, incoming->body};
    incoming->body = NULL;
    char crc[9];
    crc32c_text(part->crc32c, crc);
    text_format(&response->head, "ETag: \"part-%llu-%08x\"\r\nX-Goog-Hash: crc32c=%s\r\n",
                (unsigned long long)number, part->crc32c, crc);
}

void xml_complete(Response *response, const Request *request, Incoming *incoming, Slice bucket,
                  Slice name) {
    (void)incoming; /* the list of parts: all are used, in the order of their numbers */
    Session *session = session_of(request, "uploadId");
    if (!session || !session->parts) {
        respond_error(response, 404, "notFound", "No such upload");
        return;
    }
    NewObject new = {.bucket = bucket, .name = name,
                     .fields = {session->content_type, strlen(session->content_type)}};
    if (keep_bodies) new.body = body_new(0);
    for (int i = 0; i < MAX_PARTS; i++) {
        const Part *part = &session->parts[i];
        if (!part->is_present) continue;
        new.crc32c = crc32c_combine(new.crc32c, part->crc32c, part->size);
        new.size += part->size;
        if (new.body && part->body) body_add(new.body, part->body->data, part->body->size);
    }
    parts_free(session);
    Slice resource = {session->resource, strlen(session->resource)};
    if (!store(response, request, &new, &session->precondition, resource)) return;
    response->body.size = response->head.size = 0;
    add_xml_headers(response, bucket, name);
    text_slice(&response->head, LITERAL("Content-Type: application/xml\r\n"));
    text_format(&response->body,
                "<?xml version='1.0' encoding='UTF-8'?><CompleteMultipartUploadResult "
                "xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Bucket>%.*s</Bucket>"
                "<Key>%.*s</Key><ETag>\"done\"</ETag></CompleteMultipartUploadResult>",
                (int)bucket.size, bucket.data, (int)name.size, name.data);
}
