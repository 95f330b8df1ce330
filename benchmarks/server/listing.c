/* Listing objects (cloud.google.com/storage/docs/json_api/v1/objects/list). */

#include "server.h"

#define DEFAULT_PAGE 1000
#define MAX_PAGE 5000

void list_objects(Response *response, const Request *request, Slice bucket) {
    Text prefix = {0}, start = {0}, stop = {0}, delimiter = {0}, fields = {0}, text = {0};
    Text base = {0}, folders = {0}, skip_to = {0};
    request_parameter(request, "prefix", &prefix);
    request_parameter(request, "delimiter", &delimiter);
    request_parameter(request, "endOffset", &stop);
    request_parameter(request, "fields", &fields);
    request_parameter(request, "maxResults", &text);
    uint64_t room = slice_number(text_view(&text), DEFAULT_PAGE);
    if (!room || room > MAX_PAGE) room = room ? MAX_PAGE : DEFAULT_PAGE;
    request_parameter(request, "startOffset", &start);
    /* The token is the first name of the next page. */
    if (request_parameter(request, "pageToken", &text) && text.size) {
        start.size = 0;
        text_slice(&start, text_view(&text));
    }
    if (slice_compare(text_view(&start), text_view(&prefix)) < 0) {
        start.size = 0;
        text_slice(&start, text_view(&prefix));
    }
    uint32_t mask = fields_mask(text_view(&fields));
    Slice url = base_url(request, &base);
    text_slice(&response->head, LITERAL("Content-Type: application/json; charset=UTF-8\r\n"));
    Text *out = &response->body;
    text_slice(out, LITERAL("{\"kind\":\"storage#objects\",\"items\":["));
    pthread_rwlock_rdlock(&objects_lock);
    const Object *object = object_from(bucket, text_view(&start));
    uint64_t count = 0;
    Slice token = NOTHING;
    while (object) {
        Slice name = {object->key + object->bucket_size + 1,
                      object->key_size - object->bucket_size - 1};
        if (slice_compare((Slice){object->key, object->bucket_size}, bucket)) break;
        if (!slice_starts(name, text_view(&prefix))) break;
        if (stop.size && slice_compare(name, text_view(&stop)) >= 0) break;
        if (count == room) {
            token = name;
            break;
        }
        Slice rest = {name.data + prefix.size, name.size - prefix.size};
        Slice found = delimiter.size ? slice_find(rest, text_view(&delimiter)) : NOTHING;
        count++;
        if (found.size) {
            Slice folder = {name.data, name.size - found.size + delimiter.size};
            if (folders.size) text_slice(&folders, LITERAL(","));
            text_json_string(&folders, folder);
            skip_to.size = 0;
            text_slice(&skip_to, folder);
            skip_to.data[skip_to.size - 1]++; /* the first name after everything in the folder */
            object = object_from(bucket, text_view(&skip_to));
            continue;
        }
        if (out->data[out->size - 1] == '}') text_slice(out, LITERAL(","));
        render_object(out, object, mask, url);
        object = object->next[0];
    }
    text_slice(out, LITERAL("]"));
    if (folders.size) {
        text_slice(out, LITERAL(",\"prefixes\":["));
        text_slice(out, text_view(&folders));
        text_slice(out, LITERAL("]"));
    }
    if (token.size) {
        text_slice(out, LITERAL(",\"nextPageToken\":"));
        text_json_string(out, token);
    }
    pthread_rwlock_unlock(&objects_lock);
    text_slice(out, LITERAL("}"));
    Text *all[] = {&prefix, &start, &stop, &delimiter, &fields, &text, &base, &folders, &skip_to};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) text_free(all[i]);
}
