/* SPDX-License-Identifier: Apache-2.0 */
/* The comparator of bench "bus": DEALER → zmq_proxy (ROUTER/DEALER) → DEALER worker, CURVE on both legs, each in a
 * process of its own. bus_proxy FRONT BACK IN_FLIGHT BODY_SIZE MILLISECONDS prints requests/s. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/clock.h"

enum { KEY = 41, BODY_MAX = 65536, WARM_UP = 1000 };

typedef struct pair {
    char public[KEY], secret[KEY];
} pair;

static pair server, client;

static void check(int good, const char *what)
{
    if (good) return;
    perror(what);
    exit(1);
}

static void *open_server(void *context, int type, const char *endpoint)
{
    void *socket = zmq_socket(context, type);
    int one = 1;
    zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &one, sizeof one);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, server.secret, KEY - 1);
    check(zmq_bind(socket, endpoint) == 0, endpoint);
    return socket;
}

static void *open_client(void *context, const char *endpoint)
{
    void *socket = zmq_socket(context, ZMQ_DEALER);
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server.public, KEY - 1);
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, client.public, KEY - 1);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, client.secret, KEY - 1);
    check(zmq_connect(socket, endpoint) == 0, endpoint);
    return socket;
}

static void proxy(const char *front, const char *back)
{
    void *context = zmq_ctx_new();
    zmq_proxy(open_server(context, ZMQ_ROUTER, front), open_server(context, ZMQ_DEALER, back), NULL);
}

/* Sends every frame back as it came: the caller's id, then the body. */
static void worker(const char *back)
{
    void *socket = open_client(zmq_ctx_new(), back);
    for (;;) {
        zmq_msg_t msg;
        zmq_msg_init(&msg);
        check(zmq_msg_recv(&msg, socket, 0) >= 0, "recv");
        int more = zmq_msg_more(&msg);
        check(zmq_msg_send(&msg, socket, more ? ZMQ_SNDMORE : 0) >= 0, "send");
    }
}

static double now(void)
{
    return (double)clock_mono_us() / 1e6;
}

static double call(const char *front, unsigned long in_flight, size_t size, double seconds)
{
    static char body[BODY_MAX];
    void *socket = open_client(zmq_ctx_new(), front);
    long done = 0;
    double start = 0, end = 0;
    for (unsigned long i = 0; i < in_flight; i++) check(zmq_send(socket, body, size, 0) >= 0, "send");
    for (; start == 0 || end - start < seconds; done++) {
        check(zmq_recv(socket, body, sizeof body, 0) == (int)size, "recv");
        check(zmq_send(socket, body, size, 0) >= 0, "send");
        end = now();
        if (done == WARM_UP) start = end;
    }
    return (double)(done - WARM_UP) / (end - start);
}

static pid_t child(void (*run)(const char *, const char *), const char *a, const char *b)
{
    pid_t pid = fork();
    check(pid >= 0, "fork");
    if (pid) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run(a, b);
    _exit(1);
}

static void worker_child(const char *back, const char *unused)
{
    (void)unused;
    worker(back);
}

int main(int argc, char **argv)
{
    if (argc != 6) return 2;
    unsigned long in_flight = strtoul(argv[3], NULL, 10), size = strtoul(argv[4], NULL, 10);
    double seconds = strtod(argv[5], NULL) / 1e3;
    if (!in_flight || size > BODY_MAX) return 2;
    zmq_curve_keypair(server.public, server.secret);
    zmq_curve_keypair(client.public, client.secret);
    pid_t proxy_pid = child(proxy, argv[1], argv[2]);
    pid_t worker_pid = child(worker_child, argv[2], NULL);
    printf("%.1f\n", call(argv[1], in_flight, size, seconds));
    kill(worker_pid, SIGKILL);
    kill(proxy_pid, SIGKILL);
    return 0;
}
