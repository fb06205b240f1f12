/* SPDX-License-Identifier: Apache-2.0 */
/* A child process serves with a real loop; the tests talk to it over its sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/ops/http_loop.h"
#include "common/ops/ops.h"
#include "common/ops/test/http_client.h"

enum { HTTP_LIMIT = 8, RESUME_MS = 30, WAITERS_MAX = 64 };

static char dir[32], ops_listen[64], http_listen[64];
static pid_t server;
static char answer[1 << 16];

/* ---- the server ---- */

static http_loop_t *http;
static struct MHD_Connection *waiters[WAITERS_MAX];
static unsigned waiter_count;

static int resume_all(zloop_t *loop, int timer, void *arg)
{
    (void)loop;
    (void)timer;
    (void)arg;
    for (unsigned i = 0; i < waiter_count; i++) MHD_resume_connection(waiters[i]);
    waiter_count = 0;
    http_loop_kick(http);
    return 0;
}

static enum MHD_Result reply(struct MHD_Connection *connection, const char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result queued = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return queued;
}

/* /slow is suspended until a timer resumes it, as the gateway does while it waits for the bus. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **state)
{
    static char waiting, done;
    (void)method;
    (void)version;
    (void)upload;
    if (*state == NULL) {
        *state = &waiting;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    if (strcmp(url, "/quiesce") == 0) http_loop_quiesce(http);
    if (strcmp(url, "/slow") != 0 || *state == &done) return reply(connection, "here\n");
    *state = &done;
    if (waiter_count == 0) zloop_timer(arg, RESUME_MS, 1, resume_all, NULL);
    waiters[waiter_count++] = connection;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static int answer_ready(void *arg, char **ret_json)
{
    (void)arg;
    *ret_json = strdup("{\"ready\":false}\n");
    return 503;
}

static _Noreturn void serve(int started)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    zloop_t *loop = zloop_new();
    metrics_t *metrics = metrics_new();
    ops_t *ops = NULL;
    ops_options options = {.listen = ops_listen, .program = "tiny", .metrics = metrics, .ready = answer_ready};
    http_loop_options http_options = {
        .listen = "127.0.0.1:0", .handler = on_request, .arg = loop, .connection_limit = HTTP_LIMIT, .timeout_s = 1};
    unsigned port = 0;
    if (ops_new(loop, &options, &ops) == MK_OK && http_loop_new(loop, &http_options, &http) == MK_OK) {
        port = http_loop_port(http);
    }
    if (write(started, &port, sizeof port) == (ssize_t)sizeof port && port != 0) zloop_start(loop);
    _exit(1);
}

static int start_server(void **state)
{
    int ends[2];
    unsigned port = 0;
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test_ops_XXXXXX");
    if (mkdtemp(dir) == NULL || pipe2(ends, O_CLOEXEC) != 0) return -1;
    snprintf(ops_listen, sizeof ops_listen, "unix:%s/ops", dir);
    server = fork();
    if (server == 0) serve(ends[1]);
    close(ends[1]);
    bool ok = read(ends[0], &port, sizeof port) == (ssize_t)sizeof port && port != 0;
    close(ends[0]);
    snprintf(http_listen, sizeof http_listen, "127.0.0.1:%u", port);
    return ok ? 0 : -1;
}

static int stop_server(void **state)
{
    int status;
    (void)state;
    kill(server, SIGKILL);
    waitpid(server, &status, 0);
    if (*ops_listen != '\0') unlink(ops_listen + 5);
    rmdir(dir);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : -1; /* it was alive until now */
}

static int get(const char *path)
{
    return http_client_get(ops_listen, "GET", path, answer, sizeof answer);
}

static void send_bytes(int fd, const void *data, size_t size)
{
    ssize_t sent = send(fd, data, size, MSG_NOSIGNAL); /* the peer may have closed: that's an answer, too */
    (void)sent;
}

static void send_text(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

/* ---- pages ---- */

static void test_pages(void **state)
{
    (void)state;
    assert_int_equal(get("/livez"), 200);
    assert_int_equal(get("/version"), 200);
    assert_non_null(strstr(answer, "{\"program\":\"tiny\",\"version\":\"" MYKEY_VERSION "\""));
    assert_int_equal(get("/metrics"), 200);
    assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_non_null(strstr(answer, "\nprocess_open_fds "));
    assert_int_equal(get("/readyz"), 503);
    assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\n{\"ready\":false}\n"));
}

static void test_other_paths_and_methods(void **state)
{
    (void)state;
    static const char *const paths[] = {"/", "/livez/", "/LIVEZ", "/metricsx", "/../metrics", "/%2e/livez", "*"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) assert_int_equal(get(paths[i]), 404);
    static const char *const methods[] = {"POST", "HEAD", "DELETE", "OPTIONS", "get", "X"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        assert_int_equal(http_client_get(ops_listen, methods[i], "/livez", answer, sizeof answer), 405);
        assert_non_null(strstr(answer, "Allow: GET\r\n"));
    }
}

/* ---- the loop ---- */

static void test_pipelined(void **state)
{
    static const char one[] = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    char all[5 * sizeof one] = "";
    (void)state;
    for (int i = 0; i < 5; i++) strncat(all, one, sizeof all - strlen(all) - 1);
    uint64_t start = clock_mono_ms();
    int fd = http_client_connect(ops_listen);
    send_text(fd, all);
    assert_int_equal(http_client_read(fd, "\r\n\r\nok\n", 5, answer, sizeof answer), 5);
    assert_true(clock_mono_ms() - start < 2000);
    send_text(fd, one); /* and the connection is still good */
    assert_int_equal(http_client_read(fd, "\r\n\r\nok\n", 1, answer, sizeof answer), 1);
    close(fd);
}

static void test_suspended(void **state)
{
    int fds[HTTP_LIMIT];
    (void)state;
    for (int round = 0; round < 3; round++) {
        uint64_t start = clock_mono_ms();
        for (int i = 0; i < HTTP_LIMIT; i++) {
            fds[i] = http_client_connect(http_listen);
            assert_true(fds[i] >= 0);
            send_text(fds[i], "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        for (int i = 0; i < HTTP_LIMIT; i++) {
            assert_int_equal(http_client_read(fds[i], "here\n", 1, answer, sizeof answer), 1);
        }
        assert_in_range(clock_mono_ms() - start, RESUME_MS - 1, 900); /* by the kick, not by the idle timeout */
        for (int i = 0; i < HTTP_LIMIT; i++) close(fds[i]);
        usleep(20000);
    }
}

static void test_body_is_swallowed(void **state)
{
    static char body[50000];
    (void)state;
    memset(body, 'x', sizeof body);
    int fd = http_client_connect(http_listen);
    send_text(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n");
    send_bytes(fd, body, sizeof body);
    assert_int_equal(http_client_read(fd, "here\n", 1, answer, sizeof answer), 1);
    close(fd);
}

static void test_connection_limit(void **state)
{
    int fds[HTTP_LIMIT + 3];
    (void)state;
    for (int i = 0; i < HTTP_LIMIT + 3; i++) fds[i] = http_client_connect(http_listen);
    for (int i = 0; i < HTTP_LIMIT; i++) {
        send_text(fds[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_int_equal(http_client_read(fds[i], "here\n", 1, answer, sizeof answer), 1);
    }
    for (int i = 0; i < HTTP_LIMIT + 3; i++) close(fds[i]);
    usleep(20000);
    assert_int_equal(http_client_get(http_listen, "GET", "/", answer, sizeof answer), 200);
}

static void test_idle_connection_is_closed(void **state)
{
    (void)state;
    uint64_t start = clock_mono_ms();
    int fd = http_client_connect(http_listen);
    send_text(fd, "GET / HT"); /* slow loris */
    ssize_t got = read(fd, answer, sizeof answer);
    assert_true(got >= 0); /* closed, perhaps with a 408, not our own 5 s */
    assert_in_range(clock_mono_ms() - start, 900, 4000);
    close(fd);
}

/* ---- hostile bytes ---- */

static void test_oversized_header(void **state)
{
    static char filler[100000];
    (void)state;
    memset(filler, 'a', sizeof filler);
    static const char *const starts[] = {"GET /livez HTTP/1.1\r\nHost: x\r\nX-Big: ", "GET /", ""};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        int fd = http_client_connect(ops_listen);
        send_text(fd, starts[i]);
        send_bytes(fd, filler, sizeof filler);
        send_text(fd, "\r\n\r\n");
        http_client_read(fd, "\x01", 1, answer, sizeof answer);
        assert_null(strstr(answer, "HTTP/1.1 200"));
        close(fd);
    }
    assert_int_equal(get("/livez"), 200);
}

static void test_malformed_requests(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "GET\r\n\r\n",
        "GET /livez\r\n\r\n",
        "GET /livez HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET /livez HTTP/1.1\r\n\r\n", /* no Host */
        "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int fd = http_client_connect(ops_listen);
        send_text(fd, bad[i]);
        shutdown(fd, SHUT_WR);
        http_client_read(fd, "\x01", 1, answer, sizeof answer);
        if (strstr(answer, "HTTP/1.1 200") != NULL) fail_msg("taken: %s", bad[i]);
        close(fd);
    }
    assert_int_equal(get("/livez"), 200);
}

static void test_garbage(void **state)
{
    uint8_t noise[2000];
    (void)state;
    for (int i = 0; i < 200; i++) {
        int fd = http_client_connect(ops_listen);
        assert_true(fd >= 0);
        assert_true(getrandom(noise, sizeof noise, 0) == (ssize_t)sizeof noise);
        if (i % 2 == 0) send_text(fd, "GET /livez HTTP/1.1\r\n");
        send_bytes(fd, noise, (size_t)i * 10);
        close(fd);
    }
    assert_int_equal(get("/livez"), 200);
}

/* ---- listening ---- */

static mk_code try_listen(zloop_t *loop, const char *listen, http_loop_t **ret_http)
{
    http_loop_options options = {.listen = listen, .handler = on_request, .arg = loop};
    return http_loop_new(loop, &options, ret_http);
}

static void test_what_nobody_outside_reaches(void **state)
{
    static const char *const local[] = {"unix:/run/x", "127.0.0.1:80", "127.9.8.7:80", "[::1]:80"};
    static const char *const open[] = {
        "unix:",           "0.0.0.0:80",    "[::]:80",    "10.0.0.5:80",   "128.0.0.1:80",
        "localhost:80",    "127.0.0.1",     "127.0.0.1:", ":80",           "[::2]:80",
        "127.0.0.1:65536", "[127.0.0.1:80", "",           "127.0.0.1.5:80"};
    (void)state;
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) assert_true(http_loop_is_local(local[i]));
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
        if (http_loop_is_local(open[i])) fail_msg("taken for local: %s", open[i]);
    }
}

static void test_listen_refused(void **state)
{
    char long_path[200] = "unix:/tmp/";
    (void)state;
    memset(long_path + 10, 'x', sizeof long_path - 11);
    const char *const bad[] = {"",           "unix:", "localhost:1",    "127.0.0.1",
                               "127.0.0.1:", ":80",   "127.0.0.1:http", "127.0.0.1:99999",
                               "[::1:80",    "[]:80", long_path};
    zloop_t *loop = zloop_new();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        http_loop_t *none = NULL;
        if (try_listen(loop, bad[i], &none) != MK_BAD_REQUEST) fail_msg("not refused: %s", bad[i]);
        assert_null(none);
    }
    http_loop_t *none = NULL;
    assert_int_equal(try_listen(loop, http_listen, &none), MK_UNAVAILABLE);    /* in use */
    assert_int_equal(try_listen(loop, "192.0.2.1:80", &none), MK_UNAVAILABLE); /* not ours */
    assert_int_equal(try_listen(loop, ops_listen, &none), MK_UNAVAILABLE);     /* a live socket */
    assert_int_equal(try_listen(loop, "unix:/nonexistent/x", &none), MK_UNAVAILABLE);
    assert_int_equal(get("/livez"), 200); /* its socket is still there */
    zloop_destroy(&loop);
}

static void test_unix_socket(void **state)
{
    char path[64], listen[80];
    struct stat status;
    (void)state;
    snprintf(path, sizeof path, "%s/own", dir);
    snprintf(listen, sizeof listen, "unix:%s", path);
    zloop_t *loop = zloop_new();
    http_loop_t *own = NULL;
    assert_int_equal(try_listen(loop, listen, &own), MK_OK);
    assert_int_equal(http_loop_port(own), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0660);
    http_loop_destroy(&own);
    assert_null(own);
    assert_int_equal(stat(path, &status), -1);
    zloop_destroy(&loop);
}

static void test_stale_socket_is_replaced(void **state)
{
    char path[64], listen[80];
    (void)state;
    snprintf(path, sizeof path, "%s/stale", dir);
    snprintf(listen, sizeof listen, "unix:%s", path);
    zloop_t *loop = zloop_new();
    http_loop_t *own = NULL;
    pid_t child = fork(); /* leaves its socket behind, as after a kill -9 */
    if (child == 0) _exit(try_listen(loop, listen, &own) == MK_OK ? 0 : 1);
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(try_listen(loop, listen, &own), MK_OK);
    http_loop_destroy(&own);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)); /* a file isn't ours to remove */
    assert_int_equal(try_listen(loop, listen, &own), MK_UNAVAILABLE);
    assert_int_equal(unlink(path), 0);
    zloop_destroy(&loop);
}

/* Last: the server doesn't accept afterwards. */
static void test_quiesce(void **state)
{
    (void)state;
    int fd = http_client_connect(http_listen);
    send_text(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(http_client_read(fd, "here\n", 1, answer, sizeof answer), 1);
    assert_int_equal(http_client_get(http_listen, "GET", "/quiesce", answer, sizeof answer), 200);
    assert_int_equal(http_client_connect(http_listen), -1);
    send_text(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(http_client_read(fd, "here\n", 1, answer, sizeof answer), 1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_other_paths_and_methods),
        cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_suspended),
        cmocka_unit_test(test_body_is_swallowed),
        cmocka_unit_test(test_connection_limit),
        cmocka_unit_test(test_idle_connection_is_closed),
        cmocka_unit_test(test_oversized_header),
        cmocka_unit_test(test_malformed_requests),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_what_nobody_outside_reaches),
        cmocka_unit_test(test_listen_refused),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_stale_socket_is_replaced),
        cmocka_unit_test(test_quiesce),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
