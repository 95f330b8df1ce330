/* TLS with OpenSSL 3 or 1.1, loaded when needed.

   Its functions are declared here, as in their manual pages, so that no headers and no development
   package are needed. All clients get the same cipher, AES-128-GCM. */

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "server.h"

enum { FILETYPE_PEM = 1, CTRL_MODE = 33, CTRL_READ_AHEAD = 41,
       MODE_PARTIAL_WRITE = 1, MODE_MOVING_BUFFER = 2 };
enum { ERROR_WANT_READ = 2, ERROR_WANT_WRITE = 3 };

static struct {
    void *(*TLS_server_method)(void);
    void *(*SSL_CTX_new)(const void *method);
    int (*SSL_CTX_use_certificate_chain_file)(void *context, const char *file);
    int (*SSL_CTX_use_PrivateKey_file)(void *context, const char *file, int type);
    long (*SSL_CTX_ctrl)(void *context, int command, long number, void *pointer);
    int (*SSL_CTX_set_ciphersuites)(void *context, const char *names);
    int (*SSL_CTX_set_cipher_list)(void *context, const char *names);
    void *(*SSL_new)(void *context);
    int (*SSL_set_fd)(void *ssl, int fd);
    void (*SSL_set_accept_state)(void *ssl);
    int (*SSL_read)(void *ssl, void *buffer, int size);
    int (*SSL_write)(void *ssl, const void *buffer, int size);
    int (*SSL_get_error)(const void *ssl, int result);
    int (*SSL_shutdown)(void *ssl);
    void (*SSL_free)(void *ssl);
    void (*SSL_CTX_set_default_read_buffer_len)(void *context, size_t size);
} openssl;

static void (*clear_errors)(void);
static void *context;

static void *find_symbol(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (!found) {
        fprintf(stderr, "bench-server: this OpenSSL has no %s\n", name);
        exit(1);
    }
    return found;
}

#define FIND(library, function) \
    *(void **)&openssl.function = find_symbol(library, #function)

static void find_openssl(void) {
    const char *names[][2] = {{"libssl.so.3", "libcrypto.so.3"},
                              {"libssl.so.1.1", "libcrypto.so.1.1"}};
    for (size_t i = 0; i < 2; i++) {
        void *crypto = dlopen(names[i][1], RTLD_NOW | RTLD_GLOBAL);
        void *ssl = crypto ? dlopen(names[i][0], RTLD_NOW) : NULL;
        if (!ssl) continue;
        FIND(ssl, TLS_server_method);
        FIND(ssl, SSL_CTX_new);
        FIND(ssl, SSL_CTX_use_certificate_chain_file);
        FIND(ssl, SSL_CTX_use_PrivateKey_file);
        FIND(ssl, SSL_CTX_ctrl);
        FIND(ssl, SSL_CTX_set_ciphersuites);
        FIND(ssl, SSL_CTX_set_cipher_list);
        FIND(ssl, SSL_new);
        FIND(ssl, SSL_set_fd);
        FIND(ssl, SSL_set_accept_state);
        FIND(ssl, SSL_read);
        FIND(ssl, SSL_write);
        FIND(ssl, SSL_get_error);
        FIND(ssl, SSL_shutdown);
        FIND(ssl, SSL_free);
        FIND(ssl, SSL_CTX_set_default_read_buffer_len);
        *(void **)&clear_errors = find_symbol(crypto, "ERR_clear_error");
        return;
    }
    fputs("bench-server: no libssl.so.3 or libssl.so.1.1: install OpenSSL\n", stderr);
    exit(1);
}

void tls_open(const char *certificate, const char *key) {
    find_openssl();
    context = openssl.SSL_CTX_new(openssl.TLS_server_method());
    if (!context || openssl.SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        openssl.SSL_CTX_use_PrivateKey_file(context, key, FILETYPE_PEM) != 1 ||
        openssl.SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
        openssl.SSL_CTX_set_cipher_list(
            context, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256") != 1) {
        fprintf(stderr, "bench-server: cannot use the certificate %s with the key %s\n",
                certificate, key);
        exit(1);
    }
    openssl.SSL_CTX_ctrl(context, CTRL_MODE, MODE_PARTIAL_WRITE | MODE_MOVING_BUFFER, NULL);
    openssl.SSL_CTX_ctrl(context, CTRL_READ_AHEAD, 1, NULL);
    openssl.SSL_CTX_set_default_read_buffer_len(context, 256 << 10);
}

void *tls_new(int socket) {
    void *tls = require_memory(openssl.SSL_new(context));
    openssl.SSL_set_fd(tls, socket);
    openssl.SSL_set_accept_state(tls);
    return tls;
}

void tls_free(void *tls) {
    clear_errors();
    openssl.SSL_shutdown(tls);
    openssl.SSL_free(tls);
}

static long done(void *tls, int result, TlsState *state) {
    if (result > 0) {
        *state = TLS_DONE;
        return result;
    }
    int error = openssl.SSL_get_error(tls, result);
    *state = error == ERROR_WANT_READ    ? TLS_AGAIN_READ
             : error == ERROR_WANT_WRITE ? TLS_AGAIN_WRITE
                                         : TLS_CLOSED;
    return -1;
}

long tls_read(void *tls, void *data, size_t size, TlsState *state) {
    clear_errors();
    return done(tls, openssl.SSL_read(tls, data, (int)size), state);
}

long tls_write(void *tls, const void *data, size_t size, TlsState *state) {
    clear_errors();
    size_t most = 1 << 20;
    return done(tls, openssl.SSL_write(tls, data, (int)(size < most ? size : most)), state);
}
