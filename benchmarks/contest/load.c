/* bench-load: measures the server itself, with a client that does almost nothing.

   bench-load PORT CONNECTIONS SECONDS put|get     prints {"requests_per_s": ..., "bytes_per_s": ...}

   put: bodies of 5 MB, straight from memory, without a checksum. get: the metadata of one object. One
   thread, kept-alive connections, the next request as soon as the response has arrived. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BODY_BYTES 5000000
#define MAX_CONNECTIONS 256

typedef struct {
    int socket;
    char request[256];
    size_t head_size, sent;
} Connection;

static char body[BODY_BYTES];

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* Sends what the socket accepts; true once everything is sent. */
static bool send_request(Connection *connection, size_t body_size) {
    size_t total = connection->head_size + body_size;
    while (connection->sent < total) {
        bool in_head = connection->sent < connection->head_size;
        const char *from = in_head ? connection->request + connection->sent
                                   : body + (connection->sent - connection->head_size);
        size_t size = in_head ? connection->head_size - connection->sent : total - connection->sent;
        ssize_t sent = send(connection->socket, from, size,
                            MSG_NOSIGNAL | (in_head && body_size ? MSG_MORE : 0));
        if (sent < 0 && errno == EAGAIN) return false;
        if (sent < 0) fail("send");
        connection->sent += (size_t)sent;
    }
    return true;
}

static int connect_to(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, made = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(made, (struct sockaddr *)&address, sizeof address)) fail("connect");
    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(made, F_SETFL, O_NONBLOCK);
    return made;
}

int main(int argument_count, char **arguments) {
    static Connection connections[MAX_CONNECTIONS];
    struct epoll_event events[MAX_CONNECTIONS];
    char response[1 << 16];
    if (argument_count != 5) return 2;
    int port = atoi(arguments[1]), count = atoi(arguments[2]);
    double seconds = atof(arguments[3]);
    bool puts_bodies = !strcmp(arguments[4], "put");
    size_t body_size = puts_bodies ? BODY_BYTES : 0;
    unsigned long responses = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm((unsigned)seconds + 30);
    if (count < 1 || count > MAX_CONNECTIONS) return 2;
    for (size_t i = 0; i < sizeof body; i++) body[i] = (char)(i * 2654435761u >> 24);
    int epoll = epoll_create1(0);
    for (int i = 0; i < count; i++) {
        Connection *connection = &connections[i];
        connection->socket = connect_to(port);
        connection->head_size = (size_t)snprintf(
            connection->request, sizeof connection->request,
            puts_bodies ? "PUT /load/object-%d HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                        : "GET /storage/v1/b/load/o/object-%d HTTP/1.1\r\nHost: x\r\n\r\n",
            puts_bodies ? i : 0, BODY_BYTES);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
                                    .data.ptr = connection};
        epoll_ctl(epoll, EPOLL_CTL_ADD, connection->socket, &event);
    }
    double begin = now_s(), now = begin;
    while (now - begin < seconds) {
        int ready = epoll_wait(epoll, events, MAX_CONNECTIONS, 100);
        for (int i = 0; i < ready; i++) {
            Connection *connection = events[i].data.ptr;
            if (events[i].events & EPOLLIN) {
                ssize_t size = recv(connection->socket, response, sizeof response, 0);
                if (size == 0) fail("the server closed a connection");
                if (size > 12) { /* responses are small: each arrives in one piece */
                    if (memcmp(response + 9, "20", 2)) fail("the server returned an error");
                    responses++;
                    connection->sent = 0;
                }
            }
            send_request(connection, body_size);
        }
        now = now_s();
    }
    printf("{\"requests_per_s\": %.0f, \"bytes_per_s\": %.0f}\n", (double)responses / (now - begin),
           (double)responses * (double)body_size / (now - begin));
    return 0;
}
