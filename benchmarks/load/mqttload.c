// A load generator for MQTT 3.1.1: one thread, epoll, raw sockets or OpenSSL. Speaks to loopback only.
//
//   load     publishers and subscribers; throughput, delay and the broker's processor time
//   connect  connections one after the other, some at a time, each ended after its CONNACK
//   hold     many connections, held and pinged; the broker's memory
//
// Built by benchmarks/generator.py: gcc -O2 -o mqttload mqttload.c -lssl -lcrypto. Answers one line of JSON.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef uint8_t u8;

enum { PUBLISHER, SUBSCRIBER };
enum { OPENING, WAITING, HELD, LOST };

typedef struct {
    int fd, kind, index, state, wants_write, is_ready;
    SSL *ssl;
    u8 *in, *out;
    int in_length, in_capacity, out_length, out_offset, out_capacity;
    uint64_t sent, acknowledged, received, began;
    uint64_t *sent_at;  // by packet id
    uint16_t packet_id;
    char topic[512];
    int topic_length;
    char *number;  // where the running number stands in the topic
} Connection;

typedef struct { char id[160], user[320], password[512]; } Credentials;

// ---- options

static char *mode = "load", *host = "127.0.0.1", *topic = "t/{}", *filter = "t/#", *prefix = "c";
static int port = 1883, tls = 0, publishers = 1, subscribers = 1, qos = 1, size = 256, window = 100, fan = -1;
static int concurrency = 50, connections = 1000, keep_alive = 60, sources = 1;
static double seconds = 5, warm_up = 1, rate = 0, linger_seconds = 3;
static int pids[16], pid_count = 0;
static Credentials *credentials;
static int credential_count = 0;

// ---- time, and a histogram of nanoseconds in steps of 1/32 of a power of two

#define BUCKETS 2048
typedef struct { uint64_t count[BUCKETS], total; } Histogram;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void record(Histogram *h, uint64_t value) {
    int bucket = (int)value;
    if (value >= 32) {
        int exponent = 63 - __builtin_clzll(value);
        bucket = (exponent - 4) * 32 + ((value >> (exponent - 5)) & 31);
    }
    h->count[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    h->total++;
}

static double quantile_us(Histogram *h, double q) {
    uint64_t wanted = h->total * q, seen = 0;
    for (int b = 0; b < BUCKETS; b++) {
        seen += h->count[b];
        if (seen > wanted) return (b < 32 ? (uint64_t)b : (1ull << (b / 32 + 4)) + ((uint64_t)(b % 32) << (b / 32 - 1))) / 1000.0;
    }
    return 0;
}

// ---- what the processes and the machine did

typedef struct { double cpu, busy; long rss_kb; } Usage;

static void add_process(Usage *usage, int pid) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return;
    unsigned long user = 0, system = 0;
    if (fgets(text, sizeof text, file) && strrchr(text, ')'))
        sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    fclose(file);
    usage->cpu += (user + system) / (double)sysconf(_SC_CLK_TCK);
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    file = fopen(path, "r");
    long kb;
    while (file && fgets(text, sizeof text, file))
        if (sscanf(text, "VmRSS: %ld", &kb) == 1) usage->rss_kb += kb;
    if (file) fclose(file);
}

static Usage usage_now(void) {
    Usage usage = {0};
    for (int i = 0; i < pid_count; i++) add_process(&usage, pids[i]);
    FILE *file = fopen("/proc/stat", "r");
    unsigned long a[7] = {0};
    if (file && fscanf(file, "cpu %lu %lu %lu %lu %lu %lu %lu", a, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6) == 7)
        usage.busy = (a[0] + a[1] + a[2] + a[5] + a[6]) / (double)sysconf(_SC_CLK_TCK);
    if (file) fclose(file);
    return usage;
}

static double own_cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

// ---- sockets

static int poller;
static SSL_CTX *tls_context;

static void fail(const char *what) {
    perror(what);
    exit(2);
}

static void watch(Connection *c, int operation, uint32_t events) {
    struct epoll_event event = {events, {.ptr = c}};
    epoll_ctl(poller, operation, c->fd, &event);
}

static void open_tls(void) {
    tls_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls_context, SSL_VERIFY_NONE, 0);
    if (tls == 12) SSL_CTX_set_max_proto_version(tls_context, TLS1_2_VERSION);
    if (tls == 13) SSL_CTX_set_min_proto_version(tls_context, TLS1_3_VERSION);
    SSL_CTX_set_mode(tls_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
}

static void add_tls(Connection *c) {
    c->ssl = SSL_new(tls_context);
    SSL_set_fd(c->ssl, c->fd);
    SSL_set_connect_state(c->ssl);
    SSL_set_tlsext_host_name(c->ssl, "localhost");
}

// A socket on its way to the broker; clients are spread over 127.0.1.1 and so on, for one address has 64K ports at most.
static void start_socket(Connection *c, int flags) {
    c->fd = socket(AF_INET, SOCK_STREAM | flags, 0);
    if (c->fd < 0) fail("socket");
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (sources > 1) {
        struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7F000101u + c->index % sources)};
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(c->fd, (void *)&source, sizeof source) < 0) fail("bind");
    }
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &target.sin_addr);
    if (connect(c->fd, (void *)&target, sizeof target) < 0 && errno != EINPROGRESS) fail("connect");
    if (tls) add_tls(c);
}

// Bytes read, 0 at the end, -1 where nothing is there yet.
static int receive(Connection *c, void *buffer, int count) {
    if (!c->ssl) {
        int got = read(c->fd, buffer, count);
        return got < 0 && errno != EAGAIN ? 0 : got;
    }
    int got = SSL_read(c->ssl, buffer, count);
    if (got > 0) return got;
    int error = SSL_get_error(c->ssl, got);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

static int transmit(Connection *c, const void *buffer, int count) {
    if (!c->ssl) {
        int put = send(c->fd, buffer, count, MSG_NOSIGNAL);
        return put < 0 && errno != EAGAIN ? 0 : put;
    }
    int put = SSL_write(c->ssl, buffer, count);
    if (put > 0) return put;
    int error = SSL_get_error(c->ssl, put);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

// ---- packets

static int put_length(u8 *p, uint32_t n) {
    int i = 0;
    do {
        u8 byte = n & 127;
        n >>= 7;
        p[i++] = n ? byte | 128 : byte;
    } while (n);
    return i;
}

static u8 *put_text(u8 *p, const char *text) {
    int n = strlen(text);
    *p++ = n >> 8;
    *p++ = n;
    memcpy(p, text, n);
    return p + n;
}

static int finish_packet(u8 *packet, u8 first, const u8 *body, int n) {
    packet[0] = first;
    int length = put_length(packet + 1, n);
    memcpy(packet + 1 + length, body, n);
    return 1 + length + n;
}

static int connect_packet(u8 *packet, int number, int kind) {
    char id[160];
    snprintf(id, sizeof id, "%s%c%d", prefix, kind == SUBSCRIBER ? 's' : 'p', number);
    Credentials *known = number < credential_count ? &credentials[number] : NULL;
    int flags = 2 | (known && *known->user ? 0x80 : 0) | (known && *known->password ? 0x40 : 0);
    u8 body[2048], *p = put_text(body, "MQTT");
    *p++ = 4;
    *p++ = flags;
    *p++ = keep_alive >> 8;
    *p++ = keep_alive;
    p = put_text(p, known ? known->id : id);
    if (flags & 0x80) p = put_text(p, known->user);
    if (flags & 0x40) p = put_text(p, known->password);
    return finish_packet(packet, 0x10, body, p - body);
}

static int subscribe_packet(u8 *packet, const char *wanted) {
    u8 body[1024] = {0, 1}, *p = put_text(body + 2, wanted);
    *p++ = qos;
    return finish_packet(packet, 0x82, body, p - body);
}

// "{}" is the client's number among its kind. "{n}" becomes eight digits that are new in every message.
static void fill_in(char *into, int capacity, const char *form, int index) {
    int n = 0;
    for (const char *p = form; *p && n < capacity - 12; p++) {
        if (!strncmp(p, "{}", 2)) n += snprintf(into + n, capacity - n, "%d", index), p++;
        else if (!strncmp(p, "{n}", 3)) n += snprintf(into + n, capacity - n, "########"), p += 2;
        else into[n++] = *p;
    }
    into[n] = 0;
}

// ---- load: setting up, one client after the other

static Connection *all_publishers, *all_subscribers, **ready;
static int ready_count = 0, measuring = 0;
static Histogram delays, round_trips;
static uint64_t measured_sent, measured_received, measured_acknowledged;

static void read_exactly(Connection *c, u8 *buffer, int count) {
    for (int got = 0; got < count;) {
        int more = receive(c, buffer + got, count - got);
        if (more == 0) {
            fprintf(stderr, "the broker closed %s %d\n", c->kind ? "subscriber" : "publisher", c->index);
            exit(3);
        }
        if (more > 0) got += more;
    }
}

static void join(Connection *c, int kind, int index) {
    memset(c, 0, sizeof *c);
    c->kind = kind;
    c->index = index;
    start_socket(c, 0);
    if (c->ssl && SSL_connect(c->ssl) != 1) {
        ERR_print_errors_fp(stderr);
        exit(3);
    }
    u8 packet[4096], answer[5];
    transmit(c, packet, connect_packet(packet, kind == SUBSCRIBER ? publishers + index : index, kind));
    read_exactly(c, answer, 4);
    if (answer[0] != 0x20 || answer[3]) {
        fprintf(stderr, "refused with code %d\n", answer[3]);
        exit(3);
    }
    c->in_capacity = 1 << 17;
    c->in = malloc(c->in_capacity);
    if (kind == SUBSCRIBER) {
        char wanted[512];
        fill_in(wanted, sizeof wanted, filter, index);
        transmit(c, packet, subscribe_packet(packet, wanted));
        read_exactly(c, answer, 5);
        if (answer[0] != 0x90 || answer[4] > 2) {
            fprintf(stderr, "the subscription was not granted\n");
            exit(3);
        }
    } else {
        fill_in(c->topic, sizeof c->topic, topic, index);
        c->topic_length = strlen(c->topic);
        c->number = strstr(c->topic, "########");
        c->sent_at = calloc(65536, sizeof(uint64_t));
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

// ---- load: the loop

static void make_room(Connection *c, int count) {
    if (c->out_length + count <= c->out_capacity) return;
    memmove(c->out, c->out + c->out_offset, c->out_length - c->out_offset);
    c->out_length -= c->out_offset;
    c->out_offset = 0;
    while (c->out_length + count > c->out_capacity) c->out_capacity = c->out_capacity ? c->out_capacity * 2 : 4096;
    c->out = realloc(c->out, c->out_capacity);
}

static void flush_out(Connection *c) {
    while (c->out_offset < c->out_length) {
        int put = transmit(c, c->out + c->out_offset, c->out_length - c->out_offset);
        if (put == 0) fail("write");
        if (put < 0) {
            if (!c->wants_write) watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            c->wants_write = 1;
            return;
        }
        c->out_offset += put;
    }
    c->out_offset = c->out_length = 0;
    if (c->wants_write) watch(c, EPOLL_CTL_MOD, EPOLLIN);
    c->wants_write = 0;
}

static void mark_ready(Connection *c) {
    if (!c->is_ready) ready[ready_count++] = c;
    c->is_ready = 1;
}

static void write_number(char *digits, uint64_t number) {
    for (int i = 7; i >= 0; i--, number /= 10) digits[i] = '0' + number % 10;
}

// The time and the publisher's number stand in the payload.
static void publish(Connection *c, uint64_t time) {
    int body = 2 + c->topic_length + (qos ? 2 : 0) + size;
    make_room(c, body + 6);
    static uint64_t published;  // by all of them: no broker can have seen the topic before
    if (c->number) write_number(c->number, published++);
    u8 *p = c->out + c->out_length;
    *p++ = 0x30 | (qos << 1);
    p += put_length(p, body);
    p = put_text(p, c->topic);
    if (qos) {
        if (++c->packet_id == 0) c->packet_id = 1;
        *p++ = c->packet_id >> 8;
        *p++ = c->packet_id;
        c->sent_at[c->packet_id] = time;
    }
    uint32_t index = c->index;
    memset(p, 'x', size);
    memcpy(p, &time, 8);
    memcpy(p + 8, &index, 4);
    c->out_length = p + size - c->out;
    c->sent++;
    if (measuring) measured_sent++;
}

// A message counts as in flight until it is acknowledged and all its copies have arrived.
static int room_in_window(Connection *c) {
    int64_t room = window, unacknowledged = c->sent - c->acknowledged, under_way = c->sent - c->received / fan;
    if (qos && window - unacknowledged < room) room = window - unacknowledged;
    if (subscribers && window - under_way < room) room = window - under_way;
    return room;
}

static void take_publish(Connection *c, u8 first, u8 *p, uint64_t time) {
    u8 *payload = p + 2 + (p[0] << 8 | p[1]);
    if (first >> 1 & 3) {
        make_room(c, 4);
        u8 answer[4] = {0x40, 2, payload[0], payload[1]};
        memcpy(c->out + c->out_length, answer, 4);
        c->out_length += 4;
        payload += 2;
    }
    uint64_t sent;
    uint32_t index;
    memcpy(&sent, payload, 8);
    memcpy(&index, payload + 8, 4);
    c->received++;
    if (index < (uint32_t)publishers) {
        all_publishers[index].received++;
        if (rate == 0) mark_ready(&all_publishers[index]);
    }
    if (measuring) measured_received++, record(&delays, time - sent);
}

static void take_puback(Connection *c, u8 *p, uint64_t time) {
    c->acknowledged++;
    if (measuring) measured_acknowledged++, record(&round_trips, time - c->sent_at[p[0] << 8 | p[1]]);
    if (rate == 0) mark_ready(c);
}

// Takes the packets that are complete; the rest moves to the front of the buffer.
static void take_packets(Connection *c) {
    uint64_t time = now();
    int at = 0;
    while (c->in_length - at >= 2) {
        uint32_t length = 0;
        int shift = 0, i = at + 1, complete = 0;
        while (i < c->in_length && !complete) {
            u8 byte = c->in[i++];
            length |= (byte & 127u) << shift;
            shift += 7;
            complete = !(byte & 128);
        }
        if (!complete || i + (int)length > c->in_length) break;
        if (c->in[at] >> 4 == 3) take_publish(c, c->in[at], c->in + i, time);
        if (c->in[at] >> 4 == 4) take_puback(c, c->in + i, time);
        at = i + length;
    }
    memmove(c->in, c->in + at, c->in_length - at);
    c->in_length -= at;
}

static void take_input(Connection *c) {
    for (int turn = 0; turn < 4; turn++) {
        int room = c->in_capacity - c->in_length, got = receive(c, c->in + c->in_length, room);
        if (got < 0) break;
        if (got == 0) {
            fprintf(stderr, "the broker closed %s %d\n", c->kind ? "subscriber" : "publisher", c->index);
            exit(4);
        }
        c->in_length += got;
        take_packets(c);
        if (!c->ssl && got < room) break;
    }
    if (c->out_length > c->out_offset && !c->wants_write) flush_out(c);
}

static void publish_what_fits(void) {
    for (int i = 0; i < ready_count; i++) {
        Connection *c = ready[i];
        c->is_ready = 0;
        int room = room_in_window(c);
        if (c->out_length - c->out_offset > 1 << 16) continue;
        uint64_t time = now();
        for (int k = 0; k < room && k < 256; k++) publish(c, time);
        if (!c->wants_write) flush_out(c);
    }
    ready_count = 0;
}

static uint64_t publish_what_is_due(uint64_t began, uint64_t done) {
    for (uint64_t due = (now() - began) / 1e9 * rate; done < due; done++) {
        Connection *c = &all_publishers[done % publishers];
        publish(c, now());
        if (!c->wants_write) flush_out(c);
    }
    return done;
}

static struct timespec until_due(uint64_t began, uint64_t done) {
    uint64_t due = began + (uint64_t)((done + 1) / rate * 1e9), time = now(), wait = due > time ? due - time : 0;
    return (struct timespec){0, wait > 1000000 ? 1000000 : wait};
}

static void poll_once(struct timespec wait) {
    struct epoll_event events[512];
    int count = epoll_pwait2(poller, events, 512, &wait, 0);
    for (int i = 0; i < count; i++) {
        Connection *c = events[i].data.ptr;
        if (events[i].events & EPOLLOUT) {
            flush_out(c);
            if (rate == 0 && c->kind == PUBLISHER) mark_ready(c);
        }
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) take_input(c);
    }
}

// How many copies are missing after a while without new messages.
static long drain(void) {
    long missing = 0;
    for (uint64_t end = now() + linger_seconds * 1e9; now() < end; poll_once((struct timespec){0, 10000000})) {
        uint64_t sent = 0, received = 0, acknowledged = 0;
        for (int i = 0; i < publishers; i++) {
            sent += all_publishers[i].sent;
            received += all_publishers[i].received;
            acknowledged += all_publishers[i].acknowledged;
        }
        missing = subscribers ? (long)(sent * fan - received) : qos ? (long)(sent - acknowledged) : 0;
        if (missing <= 0 && (!qos || acknowledged >= sent)) break;
    }
    return missing;
}

static int run_load(void) {
    all_publishers = calloc(publishers, sizeof(Connection));
    all_subscribers = calloc(subscribers + 1, sizeof(Connection));
    ready = calloc(publishers + 1, sizeof(Connection *));
    for (int i = 0; i < subscribers; i++) join(&all_subscribers[i], SUBSCRIBER, i);
    for (int i = 0; i < publishers; i++) join(&all_publishers[i], PUBLISHER, i);
    for (int i = 0; i < publishers && rate == 0; i++) mark_ready(&all_publishers[i]);
    uint64_t began = now(), measure_from = began + warm_up * 1e9, end = measure_from + seconds * 1e9, from = 0, done = 0;
    Usage before = {0};
    double own_before = 0;
    for (uint64_t time = began; time < end; time = now()) {
        if (!measuring && time >= measure_from) measuring = 1, from = time, before = usage_now(), own_before = own_cpu();
        if (rate > 0) done = publish_what_is_due(began, done);
        else publish_what_fits();
        poll_once(rate > 0 ? until_due(began, done) : (struct timespec){0, 1000000});
    }
    double took = (now() - from) / 1e9, own = (own_cpu() - own_before) / took;
    Usage after = usage_now();
    double cpu = (after.cpu - before.cpu) / took, other = (after.busy - before.busy) / took - cpu - own;
    double in = (qos ? measured_acknowledged : measured_sent) / took, out = measured_received / took;
    measuring = 0;
    long lost = drain();
    printf("{\"seconds\":%.2f,\"in_per_second\":%.0f,\"out_per_second\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f,"
           "\"ack_p50_us\":%.0f,\"ack_p99_us\":%.0f,\"broker_cpu\":%.3f,\"cpu_us\":%.2f,\"rss_kb\":%ld,"
           "\"own_cpu\":%.3f,\"other_cpu\":%.3f,\"lost\":%ld}\n",
           took, in, out, quantile_us(&delays, .5), quantile_us(&delays, .99), quantile_us(&round_trips, .5),
           quantile_us(&round_trips, .99), cpu, in ? cpu / in * 1e6 : 0, after.rss_kb, own, other, lost);
    return 0;
}

// ---- connect and hold: a little state machine each

static void start_client(Connection *c, int index) {
    memset(c, 0, sizeof *c);
    c->index = index;
    c->began = now();
    start_socket(c, SOCK_NONBLOCK);
    struct linger reset = {1, 0};  // no TIME_WAIT: the ports are needed again
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static void end_client(Connection *c) {
    if (c->ssl) {
        SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(c->ssl);
    }
    close(c->fd);
}

// 1 when the handshake is done, 0 while it goes on, -1 where it failed.
static int shake_hands(Connection *c) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) return -1;
    int result = c->ssl ? SSL_do_handshake(c->ssl) : 1;
    if (result == 1) return 1;
    int wants = SSL_get_error(c->ssl, result);
    if (wants != SSL_ERROR_WANT_READ && wants != SSL_ERROR_WANT_WRITE) return -1;
    watch(c, EPOLL_CTL_MOD, wants == SSL_ERROR_WANT_WRITE ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return 0;
}

// 1 when the client is admitted, 0 while that goes on, -1 where it failed.
static int advance(Connection *c) {
    if (c->state == OPENING) {
        int done = shake_hands(c);
        if (done != 1) return done;
        u8 packet[4096];
        int n = connect_packet(packet, c->index, PUBLISHER);
        if (transmit(c, packet, n) != n) return -1;
        c->state = WAITING;
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
    }
    u8 answer[64];
    int got = receive(c, answer, sizeof answer);
    if (got < 0) return 0;
    if (got < 4 || answer[0] != 0x20 || answer[3]) return -1;
    return 1;
}

typedef struct { int started, done, failed; } Progress;

static void start_next(Connection *clients, Progress *progress, Connection *free_slot) {
    if (progress->started >= connections) return;
    Connection *c = free_slot ? free_slot : &clients[progress->started];
    start_client(c, progress->started++);
}

static void advance_one(Connection *clients, Progress *progress, Connection *c, int keep) {
    if (c->state >= HELD) return;
    int result = advance(c);
    if (!result) return;
    if (result < 0) progress->failed++;
    else progress->done++, record(&round_trips, now() - c->began);
    if (keep && result > 0) {
        c->state = HELD;
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
        start_next(clients, progress, NULL);
        return;
    }
    u8 goodbye[2] = {0xe0, 0};
    if (result > 0) transmit(c, goodbye, 2);
    end_client(c);
    c->state = LOST;
    start_next(clients, progress, keep ? NULL : c);
}

static Progress connect_all(Connection *clients, int keep) {
    Progress progress = {0};
    int at_once = concurrency < connections ? concurrency : connections;
    for (int i = 0; i < at_once; i++) start_next(clients, &progress, NULL);
    struct epoll_event events[256];
    while (progress.done + progress.failed < connections) {
        int count = epoll_wait(poller, events, 256, 1000);
        for (int i = 0; i < count; i++) advance_one(clients, &progress, events[i].data.ptr, keep);
    }
    return progress;
}

static void take_pong(Connection *c, long *pongs, int *dropped) {
    u8 answer[64];
    int got = receive(c, answer, sizeof answer);
    if (got == 0) {
        epoll_ctl(poller, EPOLL_CTL_DEL, c->fd, NULL);
        c->state = LOST;
        ++*dropped;
    }
    if (got >= 2 && answer[0] == 0xd0) ++*pongs;
}

// Pings every client once in `keep_alive` seconds, for `seconds`.
static void hold_all(Connection *clients, long *pings, long *pongs, int *dropped) {
    double between = (double)keep_alive / connections;
    int next = 0;
    struct epoll_event events[256];
    for (uint64_t began = now(); now() - began < seconds * 1e9;) {
        for (; *pings < (now() - began) / 1e9 / between; ++*pings, next = (next + 1) % connections) {
            u8 ping[2] = {0xc0, 0};
            if (clients[next].state == HELD) transmit(&clients[next], ping, 2);
        }
        int count = epoll_wait(poller, events, 256, 1);
        for (int i = 0; i < count; i++) take_pong(events[i].data.ptr, pongs, dropped);
    }
}

static int run_connections(int keep) {
    Connection *clients = calloc(connections, sizeof(Connection));
    Usage before = usage_now();
    uint64_t began = now();
    Progress progress = connect_all(clients, keep);
    double took = (now() - began) / 1e9;
    Usage after = usage_now();
    long pings = 0, pongs = 0;
    int dropped = 0;
    if (keep) hold_all(clients, &pings, &pongs, &dropped);
    Usage held = usage_now();
    int count = progress.done ? progress.done : 1;
    printf("{\"connected\":%d,\"failed\":%d,\"per_second\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"cpu_us\":%.0f,"
           "\"rss_kb_before\":%ld,\"rss_kb\":%ld,\"kb_each\":%.2f,\"pings\":%ld,\"pongs\":%ld,\"dropped\":%d,"
           "\"held_cpu\":%.3f}\n",
           progress.done, progress.failed, progress.done / took, quantile_us(&round_trips, .5),
           quantile_us(&round_trips, .99), (after.cpu - before.cpu) / count * 1e6, before.rss_kb, held.rss_kb,
           (double)(held.rss_kb - before.rss_kb) / count, pings, pongs, dropped,
           keep ? (held.cpu - after.cpu) / seconds : 0);
    return progress.failed ? 5 : 0;
}

// ---- the command line

// One client a line: id, user name and password between tabs; publishers first.
static void read_credentials(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) fail(path);
    char line[1024];
    int capacity = 0;
    while (fgets(line, sizeof line, file)) {
        if (credential_count == capacity)
            credentials = realloc(credentials, (capacity = capacity ? capacity * 2 : 256) * sizeof(Credentials));
        Credentials *c = &credentials[credential_count++];
        memset(c, 0, sizeof *c);
        sscanf(line, "%159[^\t\n]\t%319[^\t\n]\t%511[^\t\n]", c->id, c->user, c->password);
    }
    fclose(file);
}

static void raise_limit(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static const struct option OPTIONS[] = {
    {"mode", 1, 0, 'm'},        {"host", 1, 0, 'H'},        {"port", 1, 0, 'p'},         {"publishers", 1, 0, 'P'},
    {"subscribers", 1, 0, 'S'}, {"qos", 1, 0, 'q'},         {"size", 1, 0, 's'},         {"window", 1, 0, 'w'},
    {"seconds", 1, 0, 'd'},     {"warm-up", 1, 0, 'u'},     {"rate", 1, 0, 'r'},         {"topic", 1, 0, 't'},
    {"filter", 1, 0, 'f'},      {"tls", 2, 0, 'T'},         {"credentials", 1, 0, 'c'},  {"pid", 1, 0, 'i'},
    {"fan", 1, 0, 'F'},         {"concurrency", 1, 0, 'K'}, {"connections", 1, 0, 'n'},  {"keep-alive", 1, 0, 'a'},
    {"sources", 1, 0, 'A'},     {"linger", 1, 0, 'L'},      {"client-prefix", 1, 0, 'x'}, {0, 0, 0, 0},
};

static int set_option(int option, char *value) {
    switch (option) {
        case 'm': mode = value; return 1;
        case 'H': host = value; return 1;
        case 'p': port = atoi(value); return 1;
        case 'P': publishers = atoi(value); return 1;
        case 'S': subscribers = atoi(value); return 1;
        case 'q': qos = atoi(value); return 1;
        case 's': size = atoi(value); return 1;
        case 'w': window = atoi(value); return 1;
        case 'd': seconds = atof(value); return 1;
        case 'u': warm_up = atof(value); return 1;
        case 'r': rate = atof(value); return 1;
        case 't': topic = value; return 1;
        case 'f': filter = value; return 1;
        case 'T': tls = value ? atoi(value) : 1; return 1;
        case 'c': read_credentials(value); return 1;
        case 'i': if (pid_count < 16) pids[pid_count++] = atoi(value); return 1;
        case 'F': fan = atoi(value); return 1;
        case 'K': concurrency = atoi(value); return 1;
        case 'n': connections = atoi(value); return 1;
        case 'a': keep_alive = atoi(value); return 1;
        case 'A': sources = atoi(value); return 1;
        case 'L': linger_seconds = atof(value); return 1;
        case 'x': prefix = value; return 1;
        default: return 0;
    }
}

int main(int count, char **values) {
    for (int option; (option = getopt_long(count, values, "", OPTIONS, 0)) != -1;)
        if (!set_option(option, optarg)) return 1;
    if (fan < 0) fan = subscribers ? subscribers : 1;
    if (strncmp(host, "127.", 4) || size < 12) {
        fprintf(stderr, "only loopback addresses, and at least 12 bytes\n");
        return 1;
    }
    raise_limit();
    if (tls) open_tls();
    poller = epoll_create1(0);
    if (!strcmp(mode, "load")) return run_load();
    if (!strcmp(mode, "connect")) return run_connections(0);
    if (!strcmp(mode, "hold")) return run_connections(1);
    return 1;
}
