/* Request handlers: the paths of the JSON API, and the XML API for all others.

   cloud.google.com/storage/docs/json_api/v1 and cloud.google.com/storage/docs/xml-api/reference. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

/* Removes the next segment from a path; it starts with the slash in front of it. */
static Slice next_segment(Slice *path) {
    if (!path->size || path->data[0] != '/') return NOTHING;
    Slice rest = {path->data + 1, path->size - 1};
    const char *end = rest.size ? memchr(rest.data, '/', rest.size) : NULL;
    Slice segment = {rest.data, end ? (size_t)(end - rest.data) : rest.size};
    *path = (Slice){rest.data + segment.size, rest.size - segment.size};
    return segment;
}

static bool skip_prefix(Slice *path, Slice prefix) {
    if (!slice_starts(*path, prefix)) return false;
    path->data += prefix.size;
    path->size -= prefix.size;
    return true;
}

static Slice without_first(Slice slice) {
    return slice.size ? (Slice){slice.data + 1, slice.size - 1} : slice;
}

void respond_error(Response *response, int status, const char *reason, const char *message) {
    response->status = status;
    text_slice(&response->head, LITERAL("Content-Type: application/json; charset=UTF-8\r\n"));
    render_error(&response->body, status, reason, message);
}

static void not_found(Response *response) {
    respond_error(response, 404, "notFound", "No such object: never stored, or deleted");
}

static void respond_json(Response *response) {
    text_slice(&response->head, LITERAL("Content-Type: application/json; charset=UTF-8\r\n"));
}

void respond_object(Response *response, const Object *object, Slice fields,
                    const Request *request) {
    Text base = {0};
    respond_json(response);
    render_object(&response->body, object, fields_mask(fields), base_url(request, &base));
    text_free(&base);
}

Slice base_url(const Request *request, Text *into) {
    into->size = 0;
    text_slice(into, request->is_tls ? LITERAL("https://") : LITERAL("http://"));
    text_slice(into, request_header(request, "host"));
    return text_view(into);
}

static bool number_of(const Request *request, const char *parameter, const char *header,
                      uint64_t *number) {
    Text text = {0};
    bool given = request_parameter(request, parameter, &text);
    Slice value = given ? text_view(&text) : request_header(request, header);
    given = value.size > 0;
    *number = slice_number(value, 0);
    text_free(&text);
    return given;
}

Precondition precondition_of(const Request *request) {
    Precondition found = {0};
    found.generation_given = number_of(request, "ifGenerationMatch", "x-goog-if-generation-match",
                                      &found.generation);
    found.metageneration_given =
        number_of(request, "ifMetagenerationMatch", "x-goog-if-metageneration-match",
                  &found.metageneration);
    return found;
}

/* Reading an object's bytes */

static bool parse_range(Slice range, uint64_t size, uint64_t *from, uint64_t *to) {
    if (!slice_starts(range, LITERAL("bytes="))) return true;
    range = (Slice){range.data + 6, range.size - 6};
    const char *dash = memchr(range.data, '-', range.size);
    if (!dash) return true;
    Slice low = {range.data, (size_t)(dash - range.data)};
    Slice high = {dash + 1, range.size - low.size - 1};
    if (!low.size) {
        uint64_t last = slice_number(high, 0);
        *from = last < size ? size - last : 0;
        return last > 0 && size > 0;
    }
    *from = slice_number(low, 0);
    *to = high.size ? slice_number(high, size) + 1 : size;
    if (*to > size) *to = size;
    return *from < *to;
}

static void content_headers(Response *response, const Object *object) {
    char crc[9];
    crc32c_text(object->crc32c, crc);
    Slice type = NOTHING, fields = {object->fields, object->fields ? strlen(object->fields) : 0};
    Slice found = slice_find(fields, LITERAL("\"contentType\":\""));
    if (found.size > 15) {
        const char *end = memchr(found.data + 15, '"', found.size - 15);
        if (end) type = (Slice){found.data + 15, (size_t)(end - found.data - 15)};
    }
    if (!type.size) type = LITERAL("application/octet-stream");
    text_format(&response->head,
                "Content-Type: %.*s\r\nETag: \"%llu\"\r\nX-Goog-Generation: %llu\r\n"
                "X-Goog-Metageneration: %llu\r\nX-Goog-Hash: crc32c=%s%s%s\r\n"
                "X-Goog-Stored-Content-Length: %llu\r\nAccept-Ranges: bytes\r\n"
                "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n",
                (int)type.size, type.data, (unsigned long long)object->generation,
                (unsigned long long)object->generation, (unsigned long long)object->metageneration,
                crc, object->md5[0] ? ",md5=" : "", object->md5,
                (unsigned long long)object->size);
}

static void respond_content(Response *response, const Request *request, const Object *object) {
    uint64_t from = 0, to = object->size;
    Slice range = request_header(request, "range");
    if (!object->body && !object->is_virtual && object->size && request->method != METHOD_HEAD) {
        respond_error(response, 500, "discarded",
                      "Bodies are discarded: start the server with --keep");
        return;
    }
    if (!parse_range(range, object->size, &from, &to)) {
        respond_error(response, 416, "requestedRangeNotSatisfiable",
                      "The range is outside the object");
        return;
    }
    content_headers(response, object);
    if (range.size) {
        response->status = 206;
        text_format(&response->head, "Content-Range: bytes %llu-%llu/%llu\r\n",
                    (unsigned long long)from, (unsigned long long)to - 1,
                    (unsigned long long)object->size);
    }
    if (request->method == METHOD_HEAD) {
        response->no_content = true;
        response->declared_size = to - from;
        return;
    }
    response->is_virtual = object->is_virtual;
    memcpy(response->virtual_head, object->head, VIRTUAL_HEAD);
    response->virtual_size = object->size;
    response->shared = body_share(object->body);
    response->from = from;
    response->to = to;
}

static const Object *find_requested(const Request *request, Slice bucket, Slice name) {
    uint64_t generation;
    const Object *object = object_find(bucket, name);
    bool given = number_of(request, "generation", "x-goog-generation", &generation);
    return object && given && generation != object->generation ? NULL : object;
}

static void get_object(Response *response, const Request *request, Slice bucket, Slice name) {
    Text text = {0};
    pthread_rwlock_rdlock(&objects_lock);
    const Object *object = find_requested(request, bucket, name);
    Precondition precondition = precondition_of(request);
    if (!object) {
        not_found(response);
    } else if (!precondition_holds(object, &precondition)) {
        respond_error(response, 412, "conditionNotMet", "A precondition does not hold");
    } else if (request_parameter(request, "alt", &text) && slice_is(text_view(&text), "media")) {
        respond_content(response, request, object);
    } else {
        request_parameter(request, "fields", &text);
        respond_object(response, object, text_view(&text), request);
    }
    pthread_rwlock_unlock(&objects_lock);
    text_free(&text);
}

/* Changing and deleting */

static void delete_object(Response *response, const Request *request, Slice bucket, Slice name) {
    pthread_rwlock_wrlock(&objects_lock);
    Precondition precondition = precondition_of(request);
    Object *object = (Object *)find_requested(request, bucket, name);
    if (!object) {
        not_found(response);
    } else if (!precondition_holds(object, &precondition)) {
        respond_error(response, 412, "conditionNotMet", "A precondition does not hold");
    } else {
        object_remove(object);
        response->status = 204;
    }
    pthread_rwlock_unlock(&objects_lock);
}

/* Returns the metadata with the changes applied; a null removes a key. */
static char *merged_metadata(Slice present, Slice changes) {
    Text out = {0};
    Slice key, raw, other_key, other_raw;
    Slice sources[] = {present, changes};
    for (int which = 0; which < 2; which++) {
        size_t at = 0;
        while (sources[which].size && json_next(sources[which], &at, &key, &raw)) {
            bool is_replaced = false;
            size_t other = 0;
            while (!which && json_next(changes, &other, &other_key, &other_raw))
                is_replaced |= !slice_compare(key, other_key);
            if (is_replaced || slice_is(raw, "null")) continue;
            text_slice(&out, out.size ? LITERAL(",") : LITERAL("{"));
            text_slice(&out, key);
            text_slice(&out, LITERAL(":"));
            text_slice(&out, raw);
        }
    }
    text_slice(&out, out.size ? LITERAL("}") : LITERAL("{}"));
    char *merged = slice_copy(text_view(&out));
    text_free(&out);
    return merged;
}

static void patch_object(Response *response, const Request *request, Slice body, Slice bucket,
                         Slice name) {
    Text fields = {0};
    Slice changes;
    pthread_rwlock_wrlock(&objects_lock);
    Precondition precondition = precondition_of(request);
    Object *object = (Object *)find_requested(request, bucket, name);
    if (!object) {
        not_found(response);
    } else if (!precondition_holds(object, &precondition)) {
        respond_error(response, 412, "conditionNotMet", "A precondition does not hold");
    } else {
        if (json_field(body, "metadata", &changes)) {
            Slice present = {object->metadata, object->metadata ? strlen(object->metadata) : 0};
            char *merged = merged_metadata(present, changes);
            free(object->metadata);
            object->metadata = merged;
        }
        object->metageneration++;
        request_parameter(request, "fields", &fields);
        respond_object(response, object, text_view(&fields), request);
    }
    pthread_rwlock_unlock(&objects_lock);
    text_free(&fields);
}

static void rewrite_object(Response *response, const Request *request, Slice from_bucket,
                           Slice from_name, Slice bucket, Slice name) {
    uint64_t generation;
    Text base = {0};
    pthread_rwlock_wrlock(&objects_lock);
    Precondition precondition = precondition_of(request);
    Object *source = object_find(from_bucket, from_name);
    if (number_of(request, "sourceGeneration", "x-goog-source-generation", &generation) && source &&
        source->generation != generation)
        source = NULL;
    if (!source) {
        not_found(response);
    } else if (!precondition_holds(object_find(bucket, name), &precondition)) {
        respond_error(response, 412, "conditionNotMet", "A precondition does not hold");
    } else {
        Slice metadata = {source->metadata, source->metadata ? strlen(source->metadata) : 0};
        Slice fields = {source->fields, source->fields ? strlen(source->fields) : 0};
        NewObject copy = {.bucket = bucket, .name = name, .metadata = metadata, .fields = fields,
                          .size = source->size, .crc32c = source->crc32c,
                          .body = body_share(source->body)};
        bool is_virtual = source->is_virtual;
        unsigned char head[VIRTUAL_HEAD];
        memcpy(head, source->head, VIRTUAL_HEAD);
        Object *object = object_store(&copy);
        object->is_virtual = is_virtual;
        memcpy(object->head, head, VIRTUAL_HEAD);
        respond_json(response);
        text_format(&response->body,
                    "{\"kind\":\"storage#rewriteResponse\",\"done\":true,"
                    "\"totalBytesRewritten\":\"%llu\",\"objectSize\":\"%llu\",\"resource\":",
                    (unsigned long long)object->size, (unsigned long long)object->size);
        render_object(&response->body, object, ~0u, base_url(request, &base));
        text_slice(&response->body, LITERAL("}"));
    }
    pthread_rwlock_unlock(&objects_lock);
    text_free(&base);
}

/* Buckets: every bucket exists. */

static void respond_bucket(Response *response, Slice bucket) {
    respond_json(response);
    text_format(&response->body,
                "{\"kind\":\"storage#bucket\",\"id\":\"%.*s\",\"name\":\"%.*s\","
                "\"projectNumber\":\"1\",\"metageneration\":\"1\",\"location\":\"US\","
                "\"locationType\":\"multi-region\",\"storageClass\":\"STANDARD\","
                "\"etag\":\"CAE=\",\"timeCreated\":\"2026-01-01T00:00:00.000Z\","
                "\"updated\":\"2026-01-01T00:00:00.000Z\"}",
                (int)bucket.size, bucket.data, (int)bucket.size, bucket.data);
}

static void respond_state(Response *response) {
    uint64_t count, bytes;
    pthread_rwlock_rdlock(&objects_lock);
    uint32_t digest = objects_digest(&count, &bytes);
    pthread_rwlock_unlock(&objects_lock);
    respond_json(response);
    text_format(&response->body,
                "{\"objects\":%llu,\"bytes\":%llu,\"crc32c_xor\":%u,\"requests\":%lu,"
                "\"received_bytes\":%lu}",
                (unsigned long long)count, (unsigned long long)bytes, digest,
                (unsigned long)served_requests, (unsigned long)received_bytes);
}

static void respond_bench(Response *response, const Request *request) {
    if (request->method == METHOD_POST) {
        pthread_rwlock_wrlock(&objects_lock);
        objects_reset();
        pthread_rwlock_unlock(&objects_lock);
        sessions_reset();
    }
    respond_state(response);
}

static void respond_json_api(Response *response, const Request *request, Incoming *incoming,
                             Slice path) {
    Text bucket_text = {0}, name_text = {0}, other_bucket = {0}, other_name = {0};
    percent_decode(&bucket_text, next_segment(&path), false);
    Slice bucket = text_view(&bucket_text);
    Slice kind = next_segment(&path);
    Slice rewrite = slice_find(path, LITERAL("/rewriteTo/b/"));
    Slice encoded = without_first((Slice){path.data, path.size - rewrite.size});
    percent_decode(&name_text, encoded, false);
    Slice name = text_view(&name_text);
    if (rewrite.size && request->method == METHOD_POST) {
        rewrite = (Slice){rewrite.data + 12, rewrite.size - 12};
        percent_decode(&other_bucket, next_segment(&rewrite), false);
        next_segment(&rewrite);
        percent_decode(&other_name, without_first(rewrite), false);
        rewrite_object(response, request, bucket, name, text_view(&other_bucket),
                       text_view(&other_name));
    } else if (!slice_is(kind, "o")) {
        respond_bucket(response, bucket.size ? bucket : LITERAL("bench"));
    } else if (!name.size) {
        list_objects(response, request, bucket);
    } else if (request->method == METHOD_GET || request->method == METHOD_HEAD) {
        get_object(response, request, bucket, name);
    } else if (request->method == METHOD_DELETE) {
        delete_object(response, request, bucket, name);
    } else {
        patch_object(response, request, text_view(&incoming->small), bucket, name);
    }
    Text *all[] = {&bucket_text, &name_text, &other_bucket, &other_name};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) text_free(all[i]);
}

static void respond_upload(Response *response, const Request *request, Incoming *incoming,
                           Slice path) {
    Text bucket = {0}, type = {0};
    percent_decode(&bucket, next_segment(&path), false);
    request_parameter(request, "uploadType", &type);
    if (incoming->kind == INCOMING_SESSION)
        upload_chunk(response, request, incoming);
    else if (slice_is(text_view(&type), "multipart"))
        upload_multipart(response, request, incoming, text_view(&bucket));
    else if (slice_is(text_view(&type), "resumable"))
        upload_start(response, request, incoming, text_view(&bucket));
    else
        upload_media(response, request, incoming, text_view(&bucket));
    text_free(&bucket);
    text_free(&type);
}

static void respond_xml_api(Response *response, const Request *request, Incoming *incoming) {
    Text bucket_text = {0}, name_text = {0}, text = {0};
    Slice path = request->path;
    percent_decode(&bucket_text, next_segment(&path), false);
    percent_decode(&name_text, without_first(path), false);
    Slice bucket = text_view(&bucket_text), name = text_view(&name_text);
    if (!name.size) {
        respond_error(response, 404, "notFound", "The XML API supports objects only");
    } else if (request->method == METHOD_PUT && request_parameter(request, "partNumber", &text)) {
        xml_part(response, request, incoming);
    } else if (request->method == METHOD_PUT) {
        xml_put(response, request, incoming, bucket, name);
    } else if (request->method == METHOD_POST && request_parameter(request, "uploads", &text)) {
        xml_start(response, request, bucket, name);
    } else if (request->method == METHOD_POST) {
        xml_complete(response, request, incoming, bucket, name);
    } else if (request->method == METHOD_DELETE) {
        delete_object(response, request, bucket, name);
    } else {
        pthread_rwlock_rdlock(&objects_lock);
        const Object *object = find_requested(request, bucket, name);
        if (object)
            respond_content(response, request, object);
        else
            not_found(response);
        pthread_rwlock_unlock(&objects_lock);
    }
    text_free(&bucket_text);
    text_free(&name_text);
    text_free(&text);
}

void respond(Response *response, const Request *request, Incoming *incoming) {
    Slice path = request->path;
    if (skip_prefix(&path, LITERAL("/upload/storage/v1/b")) ||
        skip_prefix(&path, LITERAL("/resumable/upload/storage/v1/b")))
        respond_upload(response, request, incoming, path);
    else if (skip_prefix(&path, LITERAL("/storage/v1/b")) ||
             skip_prefix(&path, LITERAL("/download/storage/v1/b")))
        respond_json_api(response, request, incoming, path);
    else if (slice_is(path, "/bench"))
        respond_bench(response, request);
    else
        respond_xml_api(response, request, incoming);
    if (request->method == METHOD_HEAD && !response->no_content) {
        response->no_content = true;
        response->declared_size = response->body.size;
    }
}
