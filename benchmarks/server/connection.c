/* HTTP/1.1 over epoll: connections, request heads and bodies, immediate and delayed responses. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "server.h"

#define READ_BYTES (256 << 10)
#define MAX_HEAD_BYTES (64 << 10)

typedef enum { IN_HEAD, IN_BODY, DELAYED, SENDING } State;
typedef enum { CHUNK_SIZE, CHUNK_REST_OF_LINE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER } Chunk;

typedef struct Loop Loop;

typedef struct Connection {
    int socket;
    void *tls;
    Loop *loop;
    State state;
    uint32_t watched; /* epoll events; 0: not registered */
    bool is_broken;
    Text in;        /* the head of the current request */
    Text pipelined; /* bytes received before the current request was answered */
    Request request;
    Incoming incoming;
    uint64_t left; /* of the body, or of the current chunk */
    Chunk chunk;
    size_t trailer_line;
    Response response;
    size_t head_sent;
    uint64_t due_ns;
    struct Connection *next_delayed;
} Connection;

struct Loop {
    int epoll, timer;
    uint64_t delay_ns;
    Connection *delayed, **delayed_end;
    char *buffer;
};

atomic_ulong served_requests, received_bytes;
static Loop *loops;
static int loop_count;
static Connection listening[2], timing; /* markers for events that belong to no connection */

static void feed(Connection *connection, const char *data, size_t size);
static void send_response(Connection *connection);

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void watch(Connection *connection, uint32_t events) {
    if (connection->watched == events) return;
    struct epoll_event event = {.events = events, .data.ptr = connection};
    int what = !events ? EPOLL_CTL_DEL : connection->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    connection->watched = events;
    epoll_ctl(connection->loop->epoll, what, connection->socket, &event);
}

static void response_clear(Response *response) {
    response->head.size = response->body.size = 0;
    body_release(response->shared);
    Text head = response->head, body = response->body;
    *response = (Response){.status = 200, .head = head, .body = body};
}

static void close_connection(Connection *connection) {
    if (connection->tls) tls_free(connection->tls);
    close(connection->socket);
    incoming_clear(&connection->incoming);
    response_clear(&connection->response);
    text_free(&connection->response.head);
    text_free(&connection->response.body);
    text_free(&connection->in);
    text_free(&connection->pipelined);
    free(connection);
}

Slice request_header(const Request *request, const char *name) {
    size_t size = strlen(name);
    const char *at = request->head.data, *end = at + request->head.size;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (!line_end) line_end = end;
        if ((size_t)(line_end - at) > size && at[size] == ':' &&
            slice_is_nocase((Slice){at, size}, name))
            return slice_trim((Slice){at + size + 1, (size_t)(line_end - at) - size - 1});
        at = line_end + 1;
    }
    return NOTHING;
}

bool request_parameter(const Request *request, const char *name, Text *into) {
    Slice rest = request->query;
    size_t size = strlen(name);
    into->size = 0;
    while (rest.size) {
        const char *end = memchr(rest.data, '&', rest.size);
        Slice pair = {rest.data, end ? (size_t)(end - rest.data) : rest.size};
        rest = end ? (Slice){end + 1, rest.size - pair.size - 1} : NOTHING;
        if (pair.size < size || memcmp(pair.data, name, size)) continue;
        if (pair.size == size) return true;
        if (pair.data[size] != '=') continue;
        percent_decode(into, (Slice){pair.data + size + 1, pair.size - size - 1}, true);
        return true;
    }
    return false;
}

static Method method_of(Slice word) {
    static const char *const names[] = {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"};
    for (int i = 0; i < METHOD_OTHER; i++)
        if (slice_is(word, names[i])) return (Method)i;
    return METHOD_OTHER;
}

static bool parse_head(Connection *connection) {
    Request *request = &connection->request;
    *request = (Request){.is_tls = connection->tls != NULL};
    Slice all = text_view(&connection->in);
    const char *line_end = memchr(all.data, '\r', all.size);
    const char *space = memchr(all.data, ' ', (size_t)(line_end - all.data));
    if (!space) return false;
    request->method = method_of((Slice){all.data, (size_t)(space - all.data)});
    const char *target = space + 1;
    const char *target_end = memchr(target, ' ', (size_t)(line_end - target));
    if (!target_end) return false;
    const char *question = memchr(target, '?', (size_t)(target_end - target));
    request->path = (Slice){target, (size_t)((question ? question : target_end) - target)};
    if (question) request->query = (Slice){question + 1, (size_t)(target_end - question - 1)};
    request->head = (Slice){line_end + 2, all.size - (size_t)(line_end + 2 - all.data)};
    Slice length = request_header(request, "content-length");
    request->has_length = length.size > 0;
    request->content_length = slice_number(length, 0);
    request->is_chunked = slice_is_nocase(request_header(request, "transfer-encoding"), "chunked");
    request->expects_continue = request_header(request, "expect").size > 0;
    request->close_after = slice_is_nocase(request_header(request, "connection"), "close");
    return true;
}

static const char *reason_of(int status) {
    switch (status) {
        case 200: return "OK";
        case 201: return "Created";
        case 204: return "No Content";
        case 206: return "Partial Content";
        case 308: return "Resume Incomplete";
        case 400: return "Bad Request";
        case 404: return "Not Found";
        case 412: return "Precondition Failed";
        case 416: return "Requested range not satisfiable";
        default: return "Status";
    }
}

/* The request is complete: builds its response, head first, and sends it when due. */
static void respond_now(Connection *connection) {
    Response *response = &connection->response;
    response_clear(response);
    incoming_end(&connection->incoming);
    respond(response, &connection->request, &connection->incoming);
    incoming_clear(&connection->incoming);
    served_requests++;
    bool has_shared = response->shared || response->is_virtual;
    uint64_t size = response->no_content ? response->declared_size
                    : has_shared       ? response->to - response->from
                                       : response->body.size;
    Text head = {0};
    text_format(&head, "HTTP/1.1 %d %s\r\n", response->status, reason_of(response->status));
    text_slice(&head, text_view(&response->head));
    if (response->status != 204)
        text_format(&head, "Content-Length: %llu\r\n", (unsigned long long)size);
    if (connection->request.close_after) text_slice(&head, LITERAL("Connection: close\r\n"));
    text_slice(&head, LITERAL("\r\n"));
    if (!has_shared && !response->no_content) text_slice(&head, text_view(&response->body));
    text_free(&response->head);
    response->head = head;
    connection->head_sent = 0;
    Loop *loop = connection->loop;
    if (!loop->delay_ns) {
        connection->state = SENDING;
        send_response(connection);
        return;
    }
    connection->state = DELAYED;
    connection->due_ns = now_ns() + loop->delay_ns;
    connection->next_delayed = NULL;
    bool is_first = !loop->delayed;
    *loop->delayed_end = connection;
    loop->delayed_end = &connection->next_delayed;
    if (is_first) {
        struct itimerspec due = {.it_value = {(time_t)(connection->due_ns / 1000000000u),
                                              (long)(connection->due_ns % 1000000000u)}};
        timerfd_settime(loop->timer, TFD_TIMER_ABSTIME, &due, NULL);
    }
}

static void send_delayed(Loop *loop) {
    uint64_t expirations, now = now_ns();
    if (read(loop->timer, &expirations, sizeof expirations) < 0) return;
    while (loop->delayed && loop->delayed->due_ns <= now) {
        Connection *connection = loop->delayed;
        loop->delayed = connection->next_delayed;
        if (!loop->delayed) loop->delayed_end = &loop->delayed;
        connection->state = SENDING;
        send_response(connection);
        if (connection->is_broken) close_connection(connection);
    }
    if (loop->delayed) {
        uint64_t due_ns = loop->delayed->due_ns;
        struct itimerspec due = {
            .it_value = {(time_t)(due_ns / 1000000000u), (long)(due_ns % 1000000000u)}};
        timerfd_settime(loop->timer, TFD_TIMER_ABSTIME, &due, NULL);
    }
}

/* Returns the bytes sent; -1 if the connection is broken, or blocked and now watched. */
static long send_some(Connection *connection, Slice data, bool more) {
    if (!connection->tls) {
        ssize_t sent = send(connection->socket, data.data, data.size,
                            MSG_NOSIGNAL | (more ? MSG_MORE : 0));
        if (sent >= 0) return sent;
        if (errno == EAGAIN)
            watch(connection, EPOLLOUT);
        else
            connection->is_broken = true;
        return -1;
    }
    TlsState state;
    long sent = tls_write(connection->tls, data.data, data.size, &state);
    if (state == TLS_AGAIN_WRITE)
        watch(connection, EPOLLOUT);
    else if (state == TLS_AGAIN_READ)
        watch(connection, EPOLLIN);
    else if (state == TLS_CLOSED)
        connection->is_broken = true;
    return sent;
}

static void send_response(Connection *connection) {
    Response *response = &connection->response;
    while (connection->head_sent < response->head.size) {
        Slice rest = {response->head.data + connection->head_sent,
                      response->head.size - connection->head_sent};
        long sent = send_some(connection, rest, response->from < response->to);
        if (sent < 0) return;
        connection->head_sent += (size_t)sent;
    }
    while (response->from < response->to) {
        Slice rest =
            response->is_virtual
                ? virtual_content(response->virtual_head, response->virtual_size, response->from)
                : (Slice){response->shared->data + response->from, response->to - response->from};
        if (rest.size > response->to - response->from) rest.size = response->to - response->from;
        long sent = send_some(connection, rest, false);
        if (sent < 0) return;
        response->from += (uint64_t)sent;
    }
    response_clear(response);
    if (connection->request.close_after) {
        connection->is_broken = true;
        return;
    }
    connection->state = IN_HEAD;
    connection->in.size = 0;
    watch(connection, EPOLLIN);
    if (connection->pipelined.size) {
        Text pipelined = connection->pipelined;
        connection->pipelined = (Text){0};
        feed(connection, pipelined.data, pipelined.size);
        text_free(&pipelined);
    }
}

static size_t feed_chunked(Connection *connection, const char *data, size_t size) {
    size_t at = 0;
    while (at < size) {
        char c = data[at];
        switch (connection->chunk) {
            case CHUNK_SIZE:
                at++;
                if (c >= '0' && c <= '9')
                    connection->left = connection->left * 16 + (uint64_t)(c - '0');
                else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                    connection->left = connection->left * 16 + (uint64_t)((c | 0x20) - 'a' + 10);
                else
                    connection->chunk = CHUNK_REST_OF_LINE;
                break;
            case CHUNK_REST_OF_LINE:
                at++;
                if (c != '\n') break;
                connection->chunk = connection->left ? CHUNK_DATA : CHUNK_TRAILER;
                connection->trailer_line = 0;
                break;
            case CHUNK_DATA: {
                size_t some = size - at < connection->left ? size - at : connection->left;
                incoming_feed(&connection->incoming, data + at, some);
                at += some;
                connection->left -= some;
                if (!connection->left) connection->chunk = CHUNK_DATA_END;
                break;
            }
            case CHUNK_DATA_END:
                at++;
                if (c == '\n') connection->chunk = CHUNK_SIZE;
                break;
            case CHUNK_TRAILER:
                at++;
                if (c != '\n') {
                    connection->trailer_line += c != '\r';
                } else if (connection->trailer_line) {
                    connection->trailer_line = 0;
                } else {
                    respond_now(connection);
                    return at;
                }
        }
    }
    return at;
}

static void begin_body(Connection *connection) {
    Request *request = &connection->request;
    incoming_begin(&connection->incoming, request);
    connection->left = request->is_chunked ? 0 : request->content_length;
    connection->chunk = CHUNK_SIZE;
    connection->state = IN_BODY;
    if (!request->is_chunked && !connection->left) {
        respond_now(connection);
    } else if (request->expects_continue) {
        Slice interim = LITERAL("HTTP/1.1 100 Continue\r\n\r\n");
        if (send_some(connection, interim, false) != (long)interim.size)
            connection->is_broken = true;
    }
}

static void feed(Connection *connection, const char *data, size_t size) {
    while (size && !connection->is_broken) {
        if (connection->state == IN_HEAD) {
            size_t old = connection->in.size;
            text_add(&connection->in, data, size);
            Slice fresh = {connection->in.data + (old > 3 ? old - 3 : 0),
                           connection->in.size - (old > 3 ? old - 3 : 0)};
            Slice end = slice_find(fresh, LITERAL("\r\n\r\n"));
            if (!end.size) {
                connection->is_broken = connection->in.size > MAX_HEAD_BYTES;
                return;
            }
            size_t rest = end.size - 4;
            connection->in.size -= rest;
            data += size - rest;
            size = rest;
            if (!parse_head(connection)) {
                connection->is_broken = true;
                return;
            }
            begin_body(connection);
        } else if (connection->state == IN_BODY && connection->request.is_chunked) {
            size_t used = feed_chunked(connection, data, size);
            data += used;
            size -= used;
        } else if (connection->state == IN_BODY) {
            size_t some = size < connection->left ? size : connection->left;
            incoming_feed(&connection->incoming, data, some);
            data += some;
            size -= some;
            connection->left -= some;
            if (!connection->left) respond_now(connection);
        } else {
            text_add(&connection->pipelined, data, size);
            return;
        }
    }
}

static void receive(Connection *connection) {
    char *buffer = connection->loop->buffer;
    while (!connection->is_broken && connection->state <= IN_BODY) {
        long size;
        if (connection->tls) {
            TlsState state;
            size = tls_read(connection->tls, buffer, READ_BYTES, &state);
            if (state == TLS_AGAIN_READ) return watch(connection, EPOLLIN);
            if (state == TLS_AGAIN_WRITE) return watch(connection, EPOLLOUT);
            if (state == TLS_CLOSED) size = 0;
        } else {
            size = recv(connection->socket, buffer, READ_BYTES, 0);
            if (size < 0 && errno == EAGAIN) return;
        }
        if (size <= 0) {
            connection->is_broken = true;
            return;
        }
        received_bytes += (unsigned long)size;
        feed(connection, buffer, (size_t)size);
        if (!connection->tls && size < READ_BYTES) return; /* no more data for now */
    }
}

static void accept_all(Connection *listener) {
    static unsigned turn;
    for (;;) {
        int socket = accept4(listener->socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket < 0) return;
        int on = 1;
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        Connection *connection = require_memory(calloc(1, sizeof *connection));
        connection->socket = socket;
        connection->loop = &loops[turn++ % (unsigned)loop_count];
        if (listener == &listening[1]) connection->tls = tls_new(socket);
        watch(connection, EPOLLIN);
    }
}

static void *run(void *argument) {
    Loop *loop = argument;
    struct epoll_event events[256];
    for (;;) {
        int count = epoll_wait(loop->epoll, events, 256, -1);
        bool is_due = false;
        for (int i = 0; i < count; i++) {
            Connection *connection = events[i].data.ptr;
            if (connection == &timing) {
                is_due = true;
                continue;
            }
            if (connection == &listening[0] || connection == &listening[1]) {
                accept_all(connection);
                continue;
            }
            if (connection->state == DELAYED)
                watch(connection, 0); /* more data, or the end: handled after the response */
            else if (connection->state == SENDING)
                send_response(connection);
            else
                receive(connection);
            if (connection->is_broken) close_connection(connection);
        }
        if (is_due) send_delayed(loop); /* last: it may close connections that had events above */
    }
    return NULL;
}

int listen_locally(int port, int *chosen) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1024) ||
        getsockname(listener, (struct sockaddr *)&address, &size)) {
        perror("bench-server: cannot listen on 127.0.0.1");
        exit(1);
    }
    *chosen = ntohs(address.sin_port);
    return listener;
}

void serve(int listener, int tls_listener, int threads, uint64_t delay_us) {
    loop_count = threads;
    loops = require_memory(calloc((size_t)threads, sizeof *loops));
    for (int i = 0; i < threads; i++) {
        Loop *loop = &loops[i];
        loop->epoll = epoll_create1(EPOLL_CLOEXEC);
        loop->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        loop->delay_ns = delay_us * 1000u;
        loop->delayed_end = &loop->delayed;
        loop->buffer = require_memory(malloc(READ_BYTES));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &timing};
        epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->timer, &event);
    }
    listening[0].socket = listener;
    listening[1].socket = tls_listener;
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listening[i]};
        if (listening[i].socket >= 0)
            epoll_ctl(loops[0].epoll, EPOLL_CTL_ADD, listening[i].socket, &event);
    }
    for (int i = 1; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, &loops[i])) exit(1);
    }
    run(&loops[0]);
}
