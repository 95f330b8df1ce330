/* bench-get: asks a server for the same things again and again, with as little work as possible.

   bench-get PORT CONNECTIONS SECONDS FILE

   The file holds the heads of requests, each up to its empty line; the connections send them in turn,
   kept alive, the next as soon as the response has arrived. Prints {"requests": ..., "seconds": ...,
   "bytes": ..., "median_ms": ..., "p99_ms": ...}; bytes are those of bodies. Fails if a response has
   another status than 200 or 206, or no Content-Length. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 256
#define MAX_REQUESTS 65536
#define MAX_HEAD 8192
#define MAX_TIMES 10000000
#define END "\r\n\r\n"

typedef struct {
    int socket;
    char head[MAX_HEAD + 1]; /* of the response */
    size_t head_size;
    bool has_head;
    size_t body_size, body_left;
    double asked_at;
} Connection;

static char *requests[MAX_REQUESTS];
static size_t request_sizes[MAX_REQUESTS], request_count, next_request;
static float *times_ms;
static size_t times_count;
static unsigned long long body_bytes;
static char trash[1 << 18];

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail(const char *what) {
    fprintf(stderr, "bench-get: %s\n", what);
    exit(1);
}

static void read_requests(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) fail("cannot read the requests");
    size_t size = (size_t)ftell(file);
    char *text = calloc(1, size + 1), *at = text, *end;
    rewind(file);
    if (!text || fread(text, 1, size, file) != size) fail("cannot read the requests");
    fclose(file);
    while ((end = strstr(at, END))) {
        if (request_count == MAX_REQUESTS) fail("too many requests");
        requests[request_count] = at;
        request_sizes[request_count++] = (size_t)(end - at) + strlen(END);
        at = end + strlen(END);
    }
    if (!request_count || *at) fail("a request does not end with an empty line");
}

static int connect_to(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, made = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(made, (struct sockaddr *)&address, sizeof address)) fail("cannot connect");
    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(made, F_SETFL, O_NONBLOCK);
    return made;
}

/* A request is small, and nothing else is on its way: the socket takes it whole. */
static void ask(Connection *connection) {
    size_t which = next_request++ % request_count;
    connection->head_size = 0;
    connection->has_head = false;
    connection->asked_at = now_s();
    ssize_t sent = send(connection->socket, requests[which], request_sizes[which], MSG_NOSIGNAL);
    if (sent != (ssize_t)request_sizes[which]) fail("cannot send a request");
}

/* Reads the head that has arrived; returns false if it is not whole yet. */
static bool read_head(Connection *connection) {
    connection->head[connection->head_size] = 0;
    char *end = strstr(connection->head, END);
    if (!end) {
        if (connection->head_size == MAX_HEAD) fail("the head of a response is too large");
        return false;
    }
    if (strncmp(connection->head + 9, "200", 3) && strncmp(connection->head + 9, "206", 3)) {
        fprintf(stderr, "%.12s\n", connection->head);
        fail("the server refused a request");
    }
    char *length = NULL;
    for (char *line = connection->head; line && line < end; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, "content-length:", 15)) length = line + 17;
    if (!length) fail("a response has no Content-Length");
    size_t size = strtoull(length, NULL, 10);
    size_t has = connection->head_size - (size_t)(end + strlen(END) - connection->head);
    if (has > size) fail("a response is longer than it says");
    connection->body_size = size;
    connection->body_left = size - has;
    connection->has_head = true;
    return true;
}

/* Takes what has arrived; returns true once the response is complete. */
static bool take(Connection *connection) {
    for (;;) {
        if (connection->has_head && !connection->body_left) return true;
        char *to = connection->has_head ? trash : connection->head + connection->head_size;
        size_t room = connection->has_head ? sizeof trash : MAX_HEAD - connection->head_size;
        if (connection->has_head && room > connection->body_left) room = connection->body_left;
        ssize_t size = recv(connection->socket, to, room, 0);
        if (size < 0 && errno == EAGAIN) return false;
        if (size <= 0) fail("the server closed a connection");
        if (connection->has_head) {
            connection->body_left -= (size_t)size;
        } else {
            connection->head_size += (size_t)size;
            read_head(connection);
        }
    }
}

static int compare(const void *a, const void *b) {
    float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

int main(int argument_count, char **arguments) {
    static Connection connections[MAX_CONNECTIONS];
    struct epoll_event events[MAX_CONNECTIONS];
    if (argument_count != 5) return 2;
    int port = atoi(arguments[1]), count = atoi(arguments[2]);
    double seconds = atof(arguments[3]);
    if (count < 1 || count > MAX_CONNECTIONS) return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm((unsigned)seconds + 30);
    read_requests(arguments[4]);
    times_ms = malloc(MAX_TIMES * sizeof *times_ms);
    if (!times_ms) fail("out of memory");
    int epoll = epoll_create1(0);
    for (int i = 0; i < count; i++) {
        connections[i].socket = connect_to(port);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].socket, &event);
    }
    double begin = now_s(), now = begin;
    for (int i = 0; i < count; i++) ask(&connections[i]);
    while (now - begin < seconds) {
        int ready = epoll_wait(epoll, events, MAX_CONNECTIONS, 100);
        for (int i = 0; i < ready; i++) {
            Connection *connection = events[i].data.ptr;
            if (!take(connection)) continue;
            if (times_count == MAX_TIMES) fail("too many responses");
            body_bytes += connection->body_size;
            times_ms[times_count++] = (float)(1e3 * (now_s() - connection->asked_at));
            ask(connection);
        }
        now = now_s();
    }
    if (!times_count) fail("no response arrived");
    qsort(times_ms, times_count, sizeof *times_ms, compare);
    printf("{\"requests\": %zu, \"seconds\": %.6f, \"bytes\": %llu, \"median_ms\": %.3f, "
           "\"p99_ms\": %.3f}\n",
           times_count, now - begin, body_bytes, times_ms[times_count / 2],
           times_ms[times_count * 99 / 100]);
    return 0;
}
