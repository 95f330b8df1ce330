/* bench-server: the part of Google Cloud Storage that the benchmarks need, fast, on 127.0.0.1 only.

   Build:  cc -std=gnu11 -O2 -D_GNU_SOURCE -pthread *.c -o bench-server -ldl   (OpenSSL
           headers are not needed; benchmarks/server/__init__.py builds it when it is first used)
   Run:    bench-server [options]      prints one line {"port": 40001, "tls_port": 40002} and
                                       serves until its parent process exits, or for --seconds

     --port N        plain HTTP port (default: a free one)
     --cert F --key F  PEM files: also serve TLS, on a separate port (--tls-port N)
     --threads N     event loops (default 2)
     --delay-ms N    delay each response, by a timer, without blocking a thread
     --keep          keep the bytes of uploads, to fetch them (default: only crc32c and size)
     --preload N     fill the bucket with N assets (2 N objects: audio/{uuid}/audio.mp3 of 5 MB and
                     thumbnail.jpg of 60 kB) with all of audiostore's metadata. Their bytes are
                     generated when they are fetched, and match the crc32c in the listing. The ids
                     are the same in each run.
     --bucket NAME   bucket to preload (default "bench"); every bucket exists
     --md5-table F   lines "size crc32c(hex) md5(base64)": objects that match get this md5Hash, so
                     clients can verify by MD5 without the server computing it
     --seconds N     exit after N seconds (default 3600)

   Supported: JSON API object insert (multipart, media, resumable with status queries), get (also
   alt=media with Range, and generation), list (prefix, delimiter, startOffset, endOffset,
   pageToken, maxResults, fields), patch of metadata, rewrite, delete, get bucket; the preconditions
   ifGenerationMatch and ifMetagenerationMatch; XML API object PUT, GET, HEAD, DELETE and uploads in
   parts. It computes the crc32c of every upload and refuses a mismatch. `fields` is treated as a
   set of names. GET /bench returns {"objects", "bytes", "crc32c_xor", "requests",
   "received_bytes"}; POST /bench deletes all objects. No credentials are needed.

   From Python:  with running(preload=200_000, delay_ms=30) as server: ... server.url */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "server.h"

int main(int argument_count, char **arguments) {
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},      {"tls-port", required_argument, NULL, 'P'},
        {"cert", required_argument, NULL, 'c'},      {"key", required_argument, NULL, 'k'},
        {"threads", required_argument, NULL, 't'},   {"delay-ms", required_argument, NULL, 'd'},
        {"keep", no_argument, NULL, 'K'},            {"preload", required_argument, NULL, 'l'},
        {"bucket", required_argument, NULL, 'b'},    {"md5-table", required_argument, NULL, 'm'},
        {"seconds", required_argument, NULL, 's'},   {NULL, 0, NULL, 0},
    };
    int port = 0, tls_port = 0, threads = 2, option;
    unsigned seconds = 3600;
    double delay_ms = 0;
    uint64_t preload = 0;
    const char *certificate = NULL, *key = NULL, *bucket = "bench";
    while ((option = getopt_long(argument_count, arguments, "", options, NULL)) != -1) {
        switch (option) {
            case 'p': port = atoi(optarg); break;
            case 'P': tls_port = atoi(optarg); break;
            case 'c': certificate = optarg; break;
            case 'k': key = optarg; break;
            case 't': threads = atoi(optarg) > 0 ? atoi(optarg) : 1; break;
            case 'd': delay_ms = atof(optarg); break;
            case 'K': keep_bodies = true; break;
            case 'l': preload = strtoull(optarg, NULL, 10); break;
            case 'b': bucket = optarg; break;
            case 'm': md5_table_read(optarg); break;
            case 's': seconds = (unsigned)atoi(optarg); break;
            default: return 2;
        }
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    alarm(seconds); /* SIGALRM ends the process */
    if (certificate && key) tls_open(certificate, key);
    if (preload) objects_preload(bucket, preload);
    int tls_listener = certificate && key ? listen_locally(tls_port, &tls_port) : -1;
    int listener = listen_locally(port, &port);
    printf("{\"port\": %d, \"tls_port\": %d}\n", port, tls_listener < 0 ? 0 : tls_port);
    fflush(stdout);
    serve(listener, tls_listener, threads, (uint64_t)(delay_ms * 1000));
    return 0;
}
