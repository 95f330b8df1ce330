/* Stored objects: a skip list ordered by name, shared bodies, and the preload. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server.h"

#define AUDIO_BYTES 5000000u
#define THUMBNAIL_BYTES 60000u

pthread_rwlock_t objects_lock = PTHREAD_RWLOCK_INITIALIZER;
atomic_ulong stored_count;

static Object *first[MAX_LEVELS];
static uint64_t last_generation;
static uint64_t random_state = 0x9e3779b97f4a7c15u;

static struct {
    uint64_t size;
    uint32_t crc32c;
    char md5[25];
} *md5_table;
static size_t md5_count;

static uint64_t mix(uint64_t seed) { /* splitmix64, prng.di.unimi.it/splitmix64.c's formula */
    seed += 0x9e3779b97f4a7c15u;
    seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
    seed = (seed ^ seed >> 27) * 0x94d049bb133111ebu;
    return seed ^ seed >> 31;
}

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

Body *body_new(size_t capacity) {
    Body *body = require_memory(calloc(1, sizeof *body));
    body->references = 1;
    body->capacity = capacity;
    body->data = capacity ? require_memory(malloc(capacity)) : NULL;
    return body;
}

void body_add(Body *body, const void *data, size_t size) {
    if (body->size + size > body->capacity) {
        size_t capacity = body->capacity ? body->capacity * 2 : 64 << 10;
        while (capacity < body->size + size) capacity *= 2;
        body->data = require_memory(realloc(body->data, capacity));
        body->capacity = capacity;
    }
    memcpy(body->data + body->size, data, size);
    body->size += size;
}

Body *body_share(Body *body) {
    if (body) body->references++;
    return body;
}

void body_release(Body *body) {
    if (!body || --body->references) return;
    free(body->data);
    free(body);
}

static Slice key_of(const Object *object) { return (Slice){object->key, object->key_size}; }

static int compare_to(const Object *object, Slice bucket, Slice name) {
    Slice key = key_of(object);
    Slice own = {key.data, object->bucket_size};
    int order = slice_compare(own, bucket);
    if (order) return order;
    return slice_compare((Slice){key.data + own.size + 1, key.size - own.size - 1}, name);
}

/* Fills `before` with the links that lead to the first object at or after this name. */
static Object *descend(Slice bucket, Slice name, Object **before[MAX_LEVELS]) {
    Object **links = first;
    for (int level = MAX_LEVELS - 1; level >= 0; level--) {
        while (links[level] && compare_to(links[level], bucket, name) < 0)
            links = links[level]->next;
        if (before) before[level] = &links[level];
    }
    return links[0];
}

Object *object_from(Slice bucket, Slice name) { return descend(bucket, name, NULL); }

Object *object_find(Slice bucket, Slice name) {
    Object *found = descend(bucket, name, NULL);
    return found && !compare_to(found, bucket, name) ? found : NULL;
}

bool precondition_holds(const Object *present, const Precondition *precondition) {
    if (precondition->generation_given &&
        precondition->generation != (present ? present->generation : 0))
        return false;
    return !precondition->metageneration_given ||
           (present && precondition->metageneration == present->metageneration);
}

static void object_free(Object *object) {
    body_release(object->body);
    free(object->metadata);
    free(object->fields);
    free(object->key);
    free(object);
}

static Object *object_new(Slice bucket, Slice name) {
    int levels = 1;
    random_state = mix(random_state);
    for (uint64_t bits = random_state; levels < MAX_LEVELS && (bits & 3) == 0; bits >>= 2) levels++;
    Object *object =
        require_memory(calloc(1, sizeof *object + (size_t)levels * sizeof(Object *)));
    object->levels = levels;
    object->bucket_size = (uint32_t)bucket.size;
    object->key_size = (uint32_t)(bucket.size + 1 + name.size);
    object->key = require_memory(malloc(object->key_size + 1u));
    memcpy(object->key, bucket.data, bucket.size);
    object->key[bucket.size] = '/';
    memcpy(object->key + bucket.size + 1, name.data, name.size);
    object->key[object->key_size] = 0;
    object->created_us = now_us();
    object->generation = object->created_us > last_generation ? object->created_us
                                                              : last_generation + 1;
    last_generation = object->generation;
    object->metageneration = 1;
    return object;
}

static void set_md5(Object *object) {
    size_t low = 0, high = md5_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        uint64_t size = md5_table[middle].size;
        uint32_t crc = md5_table[middle].crc32c;
        if (size == object->size && crc == object->crc32c) {
            memcpy(object->md5, md5_table[middle].md5, sizeof object->md5);
            return;
        }
        if (size < object->size || (size == object->size && crc < object->crc32c))
            low = middle + 1;
        else
            high = middle;
    }
}

void object_remove(Object *object) {
    Slice bucket = {object->key, object->bucket_size};
    Slice name = {object->key + bucket.size + 1, object->key_size - bucket.size - 1};
    Object **before[MAX_LEVELS];
    descend(bucket, name, before);
    for (int level = 0; level < object->levels; level++) *before[level] = object->next[level];
    object_free(object);
    stored_count--;
}

Object *object_store(const NewObject *new) {
    Object **before[MAX_LEVELS];
    Object *present = object_find(new->bucket, new->name);
    if (present) object_remove(present);
    descend(new->bucket, new->name, before);
    Object *object = object_new(new->bucket, new->name);
    object->size = new->size;
    object->crc32c = new->crc32c;
    object->metadata = new->metadata.size ? slice_copy(new->metadata) : NULL;
    object->fields = new->fields.size ? slice_copy(new->fields) : NULL;
    object->body = new->body;
    if (new->md5.size == 24)
        memcpy(object->md5, new->md5.data, 24);
    else
        set_md5(object);
    for (int level = 0; level < object->levels; level++) {
        object->next[level] = *before[level];
        *before[level] = object;
    }
    stored_count++;
    return object;
}

void objects_reset(void) {
    Object *next;
    for (Object *object = first[0]; object; object = next) {
        next = object->next[0];
        object_free(object);
    }
    memset(first, 0, sizeof first);
    stored_count = 0;
}

uint32_t objects_digest(uint64_t *count, uint64_t *bytes) {
    uint32_t digest = 0;
    *count = *bytes = 0;
    for (Object *object = first[0]; object; object = object->next[0]) {
        digest ^= object->crc32c;
        *bytes += object->size;
        ++*count;
    }
    return digest;
}

/* Virtual content: a head of its own, followed by one filler that all objects share. */

static char *filler;

Slice virtual_content(const unsigned char *head, uint64_t size, uint64_t at) {
    if (at < VIRTUAL_HEAD) return (Slice){(const char *)head + at, VIRTUAL_HEAD - at};
    return (Slice){filler + at - VIRTUAL_HEAD, size - at};
}

Slice object_content(const Object *object, uint64_t at) {
    if (object->is_virtual) return virtual_content(object->head, object->size, at);
    return (Slice){object->body->data + at, object->size - at};
}

typedef struct {
    uint64_t random[2];
    char id[37];
} Identity;

static int compare_identities(const void *a, const void *b) {
    return strcmp(((const Identity *)a)->id, ((const Identity *)b)->id);
}

static Identity identity_of(uint64_t index) {
    Identity new;
    new.random[0] = mix(index * 2 + 1);
    new.random[1] = mix(index * 2 + 2);
    uint64_t high = (new.random[0] & ~0xf000ull) | 0x4000;
    uint64_t low = (new.random[1] & ~(3ull << 62)) | 2ull << 62;
    snprintf(new.id, sizeof new.id, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
             (unsigned long long)(low & 0xffffffffffffull));
    return new;
}

static Object *preload_object(const char *bucket, const Identity *of, const char *file,
                              uint64_t size, uint32_t filler_crc) {
    char name[80];
    int length = snprintf(name, sizeof name, "audio/%s/%s", of->id, file);
    Object *object =
        object_new((Slice){bucket, strlen(bucket)}, (Slice){name, (size_t)length});
    object->is_virtual = true;
    object->size = size;
    uint64_t word[2] = {of->random[0], of->random[1] + size};
    memcpy(object->head, word, sizeof word);
    object->crc32c =
        crc32c_combine(crc32c(0, object->head, VIRTUAL_HEAD), filler_crc, size - VIRTUAL_HEAD);
    return object;
}

static void append(Object *object, Object **tails[MAX_LEVELS]) {
    for (int level = 0; level < object->levels; level++) {
        *tails[level] = object;
        tails[level] = &object->next[level];
    }
    stored_count++;
}

void objects_preload(const char *bucket, uint64_t assets) {
    filler = require_memory(malloc(AUDIO_BYTES));
    for (size_t at = 0; at < AUDIO_BYTES; at += 8) {
        uint64_t word = mix(at);
        memcpy(filler + at, &word, 8);
    }
    uint32_t audio_filler = crc32c(0, filler, AUDIO_BYTES - VIRTUAL_HEAD);
    uint32_t thumbnail_filler = crc32c(0, filler, THUMBNAIL_BYTES - VIRTUAL_HEAD);
    Identity *all = require_memory(malloc(assets * sizeof *all + 1));
    for (uint64_t i = 0; i < assets; i++) all[i] = identity_of(i);
    qsort(all, assets, sizeof *all, compare_identities);
    Object **tails[MAX_LEVELS];
    for (int level = 0; level < MAX_LEVELS; level++) tails[level] = &first[level];
    for (uint64_t i = 0; i < assets; i++) {
        Object *thumbnail = preload_object(bucket, &all[i], "thumbnail.jpg", THUMBNAIL_BYTES,
                                           thumbnail_filler);
        Object *audio =
            preload_object(bucket, &all[i], "audio.mp3", AUDIO_BYTES, audio_filler);
        char audio_crc[9], thumbnail_crc[9];
        crc32c_text(audio->crc32c, audio_crc);
        crc32c_text(thumbnail->crc32c, thumbnail_crc);
        unsigned track = (unsigned)(all[i].random[0] % 20) + 1;
        unsigned album = (unsigned)(all[i].random[1] % 5000);
        Text text = {0};
        text_format(&text,
                    "{\"duration_s\":\"%u.%03u\",\"codec\":\"mp3\",\"sample_rate_hz\":\"44100\","
                    "\"channels\":\"2\",\"bitrate_bps\":\"320000\",\"title\":\"Track %u of %u\","
                    "\"artist\":\"Artist %u\",\"album\":\"Album %u\",\"audio_id\":\"%s\","
                    "\"file_type\":\"audio\",\"original_filename\":\"%02u track.mp3\","
                    "\"file_size\":\"%u\",\"crc32c\":\"%s\","
                    "\"thumbnail_name\":\"audio/%s/thumbnail.jpg\","
                    "\"thumbnail_generation\":\"%llu\",\"thumbnail_crc32c\":\"%s\"}",
                    60 + (unsigned)(all[i].random[0] >> 8) % 540,
                    (unsigned)(all[i].random[1] >> 8) % 1000, track, album, album % 700, album,
                    all[i].id, track, AUDIO_BYTES, audio_crc, all[i].id,
                    (unsigned long long)thumbnail->generation, thumbnail_crc);
        audio->metadata = slice_copy(text_view(&text));
        text.size = 0;
        text_format(&text,
                    "{\"audio_id\":\"%s\",\"file_type\":\"thumbnail\",\"original_filename\":"
                    "\"cover.jpg\",\"file_size\":\"%u\",\"crc32c\":\"%s\",\"audio_crc32c\":\"%s\"}",
                    all[i].id, THUMBNAIL_BYTES, thumbnail_crc, audio_crc);
        thumbnail->metadata = slice_copy(text_view(&text));
        text_free(&text);
        audio->fields = slice_copy(LITERAL("\"contentType\":\"audio/mpeg\","));
        thumbnail->fields = slice_copy(LITERAL("\"contentType\":\"image/jpeg\","));
        append(audio, tails);
        append(thumbnail, tails);
    }
    free(all);
}

static int compare_md5(const void *a, const void *b) {
    const typeof(*md5_table) *left = a, *right = b;
    if (left->size != right->size) return left->size < right->size ? -1 : 1;
    return (left->crc32c > right->crc32c) - (left->crc32c < right->crc32c);
}

void md5_table_read(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(1);
    }
    unsigned long long size;
    unsigned crc;
    char md5[25];
    while (fscanf(file, "%llu %x %24s", &size, &crc, md5) == 3) {
        md5_table = require_memory(realloc(md5_table, (md5_count + 1) * sizeof *md5_table));
        md5_table[md5_count].size = size;
        md5_table[md5_count].crc32c = crc;
        memcpy(md5_table[md5_count++].md5, md5, sizeof md5);
    }
    fclose(file);
    if (md5_count) qsort(md5_table, md5_count, sizeof *md5_table, compare_md5);
}
