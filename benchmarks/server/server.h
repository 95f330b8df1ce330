/* Declarations shared by the benchmark server's files. See server.c for usage. */

#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* text.c: views of bytes, growing buffers, and just enough JSON. */

typedef struct {
    const char *data;
    size_t size;
} Slice;

typedef struct {
    char *data;
    size_t size, capacity;
} Text;

#define LITERAL(s) ((Slice){(s), sizeof(s) - 1})
#define NOTHING ((Slice){NULL, 0})

void *require_memory(void *memory);
void text_reserve(Text *text, size_t more);
void text_add(Text *text, const void *data, size_t size);
void text_slice(Text *text, Slice slice);
void text_format(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_json_string(Text *text, Slice value);
void text_free(Text *text);
Slice text_view(const Text *text);

bool slice_is(Slice slice, const char *word);
bool slice_is_nocase(Slice slice, const char *word);
bool slice_starts(Slice slice, Slice prefix);
int slice_compare(Slice a, Slice b);
Slice slice_trim(Slice slice);
Slice slice_find(Slice slice, Slice wanted); /* from the match to the end; or NOTHING */
uint64_t slice_number(Slice slice, uint64_t otherwise);
char *slice_copy(Slice slice);
void percent_decode(Text *into, Slice encoded, bool plus_is_space);
bool json_field(Slice object, const char *name, Slice *raw); /* at the top level of the object */
bool json_next(Slice object, size_t *at, Slice *key, Slice *raw);
void json_unescape(Text *into, Slice raw_string);
void base64(char *into, const unsigned char *data, size_t size);

/* crc32c.c */

uint32_t crc32c(uint32_t crc, const void *data, size_t size);
uint32_t crc32c_combine(uint32_t first, uint32_t second, uint64_t second_size);
void crc32c_text(uint32_t crc, char into[9]);

/* objects.c: stored objects, ordered by name. */

#define MAX_LEVELS 20
#define VIRTUAL_HEAD 16

typedef struct {
    atomic_int references;
    char *data;
    size_t size, capacity;
} Body;

typedef struct Object {
    char *key; /* "bucket/name" */
    uint32_t key_size, bucket_size;
    uint64_t size;
    uint32_t crc32c;
    uint64_t generation, metageneration;
    uint64_t created_us;
    char *metadata; /* raw JSON object, or NULL */
    char *fields;   /* `"contentType":"audio/mpeg",` and others as received; or NULL */
    char md5[25];   /* empty: unknown */
    bool is_virtual;
    unsigned char head[VIRTUAL_HEAD]; /* the first bytes of a virtual object */
    Body *body;                       /* NULL: virtual, or discarded */
    int levels;
    struct Object *next[];
} Object;

typedef struct {
    Slice bucket, name, metadata, fields, md5;
    uint64_t size;
    uint32_t crc32c;
    Body *body;
} NewObject;

typedef struct {
    bool generation_given, metageneration_given;
    uint64_t generation, metageneration;
} Precondition;

extern pthread_rwlock_t objects_lock; /* hold it while using an Object */
extern atomic_ulong stored_count;

Body *body_new(size_t capacity);
void body_add(Body *body, const void *data, size_t size);
Body *body_share(Body *body);
void body_release(Body *body);

Object *object_find(Slice bucket, Slice name);
Object *object_from(Slice bucket, Slice name); /* the first at or after this name */
bool precondition_holds(const Object *present, const Precondition *precondition);
Object *object_store(const NewObject *new); /* replaces an object of that name; owns the body */
void object_remove(Object *object);
void objects_reset(void);
void objects_preload(const char *bucket, uint64_t assets);
Slice object_content(const Object *object, uint64_t at); /* some bytes from `at` on */
Slice virtual_content(const unsigned char *head, uint64_t size, uint64_t at);
uint32_t objects_digest(uint64_t *count, uint64_t *bytes);
void md5_table_read(const char *path);

/* resources.c: objects as JSON. */

uint32_t fields_mask(Slice fields);
void render_object(Text *out, const Object *object, uint32_t mask, Slice base);
void render_time(Text *out, uint64_t us);
void render_error(Text *out, int status, const char *reason, const char *message);

/* connection.c: HTTP/1.1 over epoll. */

typedef enum { METHOD_GET, METHOD_HEAD, METHOD_PUT, METHOD_POST, METHOD_PATCH, METHOD_DELETE,
               METHOD_OTHER } Method;

typedef struct {
    Method method;
    Slice head; /* all lines of the request's head */
    Slice path, query;
    uint64_t content_length;
    bool has_length, is_chunked, expects_continue, close_after, is_tls;
} Request;

typedef enum { INCOMING_SMALL, INCOMING_MULTIPART, INCOMING_RAW, INCOMING_SESSION,
               INCOMING_PART } IncomingKind;

typedef struct { /* a request body as it arrives */
    IncomingKind kind;
    Text small;        /* a short body; or a multipart body up to its second part's bytes */
    bool in_content;   /* of a multipart body */
    bool bare_lines;   /* its lines end without a carriage return */
    Slice boundary;
    char tail[96];     /* the last bytes: maybe the closing delimiter */
    size_t tail_size, tail_capacity;
    Slice resource;    /* the JSON part of a multipart body, within `small` */
    uint32_t crc32c;
    uint64_t size;
    Body *body;
    struct Session *session;
    uint64_t skip;     /* bytes of the chunk that the session already has */
    bool refused;
} Incoming;

typedef struct {
    int status;
    Text head, body;
    bool no_content; /* HEAD: the length is sent, the content is not */
    uint64_t declared_size;
    Body *shared;    /* content sent from the stored object */
    bool is_virtual;
    unsigned char virtual_head[VIRTUAL_HEAD];
    uint64_t virtual_size, from, to;
} Response;

Slice request_header(const Request *request, const char *name);
bool request_parameter(const Request *request, const char *name, Text *into);
void serve(int listener, int tls_listener, int threads, uint64_t delay_us);
int listen_locally(int port, int *chosen);
extern atomic_ulong served_requests, received_bytes;

/* api.c, incoming.c, listing.c and uploads.c: handling of requests. */

extern bool keep_bodies;
void incoming_begin(Incoming *incoming, const Request *request);
void incoming_feed(Incoming *incoming, const char *data, size_t size);
void incoming_end(Incoming *incoming);
void incoming_clear(Incoming *incoming);
void respond(Response *response, const Request *request, Incoming *incoming);
void respond_error(Response *response, int status, const char *reason, const char *message);
void respond_object(Response *response, const Object *object, Slice fields, const Request *request);
void upload_multipart(Response *response, const Request *request, Incoming *incoming, Slice bucket);
void upload_media(Response *response, const Request *request, Incoming *incoming, Slice bucket);
void upload_start(Response *response, const Request *request, Incoming *incoming, Slice bucket);
void upload_chunk(Response *response, const Request *request, Incoming *incoming);
void xml_put(Response *response, const Request *request, Incoming *incoming, Slice bucket,
             Slice name);
void xml_start(Response *response, const Request *request, Slice bucket, Slice name);
void xml_part(Response *response, const Request *request, Incoming *incoming);
void xml_complete(Response *response, const Request *request, Incoming *incoming, Slice bucket,
                  Slice name);
void list_objects(Response *response, const Request *request, Slice bucket);
Precondition precondition_of(const Request *request);
Slice base_url(const Request *request, Text *into);
void sessions_reset(void);
void session_begin_chunk(Incoming *incoming, const Request *request);
void session_add(Incoming *incoming, const char *data, size_t size);

/* tls.c: OpenSSL, loaded when needed, without its headers. */

typedef enum { TLS_DONE, TLS_AGAIN_READ, TLS_AGAIN_WRITE, TLS_CLOSED } TlsState;

void tls_open(const char *certificate, const char *key);
void *tls_new(int socket);
void tls_free(void *tls);
long tls_read(void *tls, void *data, size_t size, TlsState *state);
long tls_write(void *tls, const void *data, size_t size, TlsState *state);

#endif
