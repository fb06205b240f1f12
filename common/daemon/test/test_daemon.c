/* SPDX-License-Identifier: Apache-2.0 */
/* Starts the tiny daemon (MYKEY_TEST_TINY) as a process of its own and treats it as a supervisor would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/ops/test/http_client.h"

enum { PATIENCE_MS = 10000, ARGS_MAX = 12 };

typedef struct tiny {
    pid_t pid; /* 0: ended */
    int output;
    char dir[32], conf[64], listen[64], set_listen[80];
    char log[1 << 16]; /* stdout and stderr so far */
    size_t log_size;
    char answer[1 << 15];
} tiny;

static void write_conf(const tiny *t, const char *text)
{
    FILE *file = fopen(t->conf, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    tiny *t = calloc(1, sizeof *t);
    snprintf(t->dir, sizeof t->dir, "/tmp/test_daemon_XXXXXX");
    if (mkdtemp(t->dir) == NULL) return -1;
    snprintf(t->conf, sizeof t->conf, "%s/tiny.conf", t->dir);
    snprintf(t->listen, sizeof t->listen, "unix:%s/ops", t->dir);
    snprintf(t->set_listen, sizeof t->set_listen, "ops.listen=%s", t->listen);
    write_conf(t, "tiny\n    word = one\n");
    t->output = -1;
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    tiny *t = *state;
    if (t->pid > 0) {
        kill(t->pid, SIGKILL);
        waitpid(t->pid, NULL, 0);
    }
    if (t->output >= 0) close(t->output);
    unlink(t->conf);
    unlink(t->listen + 5);
    int rc = rmdir(t->dir); /* nothing else was left there */
    free(t);
    return rc;
}

static _Noreturn void run_tiny(tiny *t, int output, const char *const *extra)
{
    const char *argv[ARGS_MAX] = {"mykey-tiny", "--config", t->conf, "--set", t->set_listen};
    int argc = 5;
    for (; *extra != NULL && argc < ARGS_MAX - 1; extra++) argv[argc++] = *extra;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execv(getenv("MYKEY_TEST_TINY"), (char **)(uintptr_t)argv);
    _exit(99);
}

static void start(tiny *t, const char *const *extra)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    t->pid = fork();
    if (t->pid == 0) run_tiny(t, ends[1], extra);
    close(ends[1]);
    t->output = ends[0];
}

#define START(t, ...) start((t), (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* Reads more output; false at its end or when patience is over. */
static bool read_more(tiny *t, uint64_t until_ms)
{
    struct pollfd item = {.fd = t->output, .events = POLLIN};
    uint64_t now = clock_mono_ms();
    if (now >= until_ms || poll(&item, 1, (int)(until_ms - now)) <= 0) return false;
    ssize_t got = read(t->output, t->log + t->log_size, sizeof t->log - 1 - t->log_size);
    if (got <= 0) return false;
    t->log_size += (size_t)got;
    t->log[t->log_size] = '\0';
    return true;
}

static void await(tiny *t, const char *text)
{
    uint64_t until = clock_mono_ms() + PATIENCE_MS;
    while (strstr(t->log, text) == NULL) {
        if (!read_more(t, until)) fail_msg("\"%s\" not seen in:\n%s", text, t->log);
    }
}

/* Waits for the end; the exit status, 1000 + the signal that killed it. */
static int await_end(tiny *t)
{
    int status = 0;
    uint64_t until = clock_mono_ms() + PATIENCE_MS;
    while (read_more(t, until)) {
    }
    if (clock_mono_ms() >= until) fail_msg("still running; log:\n%s", t->log);
    assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
    t->pid = 0;
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int get(tiny *t, const char *path)
{
    return http_client_get(t->listen, "GET", path, t->answer, sizeof t->answer);
}

#define assert_has(text, part) \
    if (strstr((text), (part)) == NULL) fail_msg("\"%s\" lacks \"%s\"", (text), (part))

/* ---- start and settings ---- */

static void test_ready_and_metrics(void **state)
{
    tiny *t = *state;
    START(t);
    await(t, "\"event\":\"ready_changed\",\"detail\":\"database\",\"state\":\"ready\"");
    assert_int_equal(get(t, "/readyz"), 200);
    assert_has(t->answer, "{\"ready\":true,\"reasons\":[]}");
    assert_int_equal(get(t, "/livez"), 200);
    assert_int_equal(get(t, "/metrics"), 200);
    assert_has(t->answer, "\nmykey_ready{reason=\"database\"} 1\n");
    assert_has(t->answer, "\nmykey_log_lines_total ");
    assert_int_equal(get(t, "/version"), 200);
    assert_has(t->answer, "\"program\":\"mykey-tiny\"");
    assert_has(t->log, "\"svc\":\"tiny\",\"inst\":\"tiny-");
    kill(t->pid, SIGTERM);
    assert_int_equal(await_end(t), 0);
}

static void test_not_ready(void **state)
{
    tiny *t = *state;
    START(t, "--set", "tiny.start=wait");
    await(t, "\"event\":\"started\"");
    assert_int_equal(get(t, "/readyz"), 503);
    assert_has(t->answer, "{\"ready\":false,\"reasons\":[\"database\"]}");
    assert_int_equal(get(t, "/livez"), 200);
}

static void test_print_config(void **state)
{
    tiny *t = *state;
    START(t, "--print-config");
    assert_int_equal(await_end(t), 0);
    assert_has(t->log, "log.level = info  # default\n");
    assert_has(t->log, "drain.limit_s = 25  # default\n");
    assert_has(t->log, "tiny.word = one  # file ");
}

static void test_wrong_settings(void **state)
{
    tiny *t = *state;
    START(t, "--set", "drain.limit_s=0");
    assert_int_equal(await_end(t), 2);
    assert_has(t->log, "setting drain.limit_s from command line: value not allowed; allowed: a number 1 to 3600");
}

static void test_ops_port_taken(void **state)
{
    tiny *t = *state;
    START(t, "--set", "ops.listen=unix:/nonexistent/ops");
    assert_int_equal(await_end(t), 2);
    assert_has(t->log, "\"event\":\"ops_listen_failed\",\"setting\":\"ops.listen\",\"code\":\"UNAVAILABLE\"");
    assert_has(t->log, "\"detail\":\"No such file or directory\"");
}

static void test_no_ops_port(void **state)
{
    tiny *t = *state;
    START(t, "--set", "ops.listen=");
    await(t, "\"event\":\"started\"");
    assert_int_equal(access(t->listen + 5, F_OK), -1);
    kill(t->pid, SIGINT);
    assert_int_equal(await_end(t), 0);
}

/* Another process of the same user may neither read its memory nor find a core of it. */
static void test_locked_down(void **state)
{
    tiny *t = *state;
    struct stat status;
    char path[64], limits[4096] = "";
    START(t);
    await(t, "\"event\":\"started\"");
    assert_int_equal(stat(t->listen + 5, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0660);
    snprintf(path, sizeof path, "/proc/%d/limits", (int)t->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, limits, sizeof limits - 1) > 0);
    close(fd);
    assert_has(limits, "Max core file size        0                    0 ");
    if (geteuid() != 0) {
        snprintf(path, sizeof path, "/proc/%d/mem", (int)t->pid);
        assert_int_equal(open(path, O_RDONLY | O_CLOEXEC), -1);
    }
}

/* ---- the loop ---- */

static void test_interrupted_poll(void **state)
{
    tiny *t = *state;
    START(t);
    await(t, "\"event\":\"ready_changed\",\"detail\":\"database\",\"state\":\"ready\"");
    for (int i = 0; i < 20; i++) {
        kill(t->pid, SIGUSR1);
        usleep(5000);
        assert_int_equal(get(t, "/livez"), 200);
    }
    kill(t->pid, SIGTERM);
    assert_int_equal(await_end(t), 0);
}

static void test_fail(void **state)
{
    tiny *t = *state;
    START(t, "--set", "tiny.start=fail");
    assert_int_equal(await_end(t), 7);
    assert_int_equal(access(t->listen + 5, F_OK), -1);
}

static void test_cancelled_loop(void **state)
{
    tiny *t = *state;
    START(t, "--set", "tiny.start=cancel");
    assert_int_equal(await_end(t), 1);
}

/* ---- drain ---- */

static void test_drain_waits_for_holds(void **state)
{
    tiny *t = *state;
    START(t, "--set", "tiny.drain=hold", "--set", "tiny.release_ms=300");
    await(t, "\"state\":\"ready\"}\n");
    uint64_t before = clock_mono_ms();
    kill(t->pid, SIGTERM);
    await(t, "\"event\":\"drain_started\",\"state\":\"SIGTERM\"");
    assert_int_equal(get(t, "/readyz"), 503);
    assert_has(t->answer, "\"draining\"]");
    assert_int_equal(get(t, "/livez"), 200);
    assert_int_equal(await_end(t), 0);
    assert_in_range(clock_mono_ms() - before, 290, 3000);
    assert_int_equal(access(t->listen + 5, F_OK), -1);
}

static void test_drain_limit(void **state)
{
    tiny *t = *state;
    START(t, "--set", "tiny.drain=hold", "--set", "tiny.release_ms=60000", "--set", "drain.limit_s=1");
    await(t, "\"event\":\"started\"");
    uint64_t before = clock_mono_ms();
    kill(t->pid, SIGTERM);
    assert_int_equal(await_end(t), 1);
    assert_has(t->log, "\"event\":\"drain_limit\",\"count\":1");
    assert_in_range(clock_mono_ms() - before, 990, 2900);
}

static void test_hung_drain_is_killed(void **state)
{
    tiny *t = *state;
    START(t, "--set", "tiny.drain=hang", "--set", "drain.limit_s=1");
    await(t, "\"event\":\"started\"");
    uint64_t before = clock_mono_ms();
    kill(t->pid, SIGTERM);
    assert_int_equal(await_end(t), 124);
    assert_has(t->log, "\"event\":\"drain_hung\"");
    assert_in_range(clock_mono_ms() - before, 2900, 6000);
}

static void test_second_signal(void **state)
{
    tiny *t = *state;
    START(t, "--set", "tiny.drain=hold", "--set", "tiny.release_ms=60000");
    await(t, "\"event\":\"started\"");
    kill(t->pid, SIGTERM);
    await(t, "\"event\":\"drain_started\"");
    kill(t->pid, SIGHUP); /* no reload while draining */
    kill(t->pid, SIGINT);
    assert_int_equal(await_end(t), 128 + SIGINT);
    assert_has(t->log, "\"event\":\"ended_at_once\",\"state\":\"SIGINT\"");
}

static void test_second_signal_while_hung(void **state)
{
    tiny *t = *state;
    START(t, "--set", "tiny.drain=hang");
    await(t, "\"event\":\"started\"");
    kill(t->pid, SIGTERM);
    await(t, "\"event\":\"drain_started\"");
    usleep(50000); /* the loop is stuck in the callback by now */
    kill(t->pid, SIGTERM);
    assert_int_equal(await_end(t), 128 + SIGTERM);
}

/* ---- reload ---- */

static void test_reload(void **state)
{
    tiny *t = *state;
    START(t);
    await(t, "\"event\":\"started\"");
    write_conf(t, "tiny\n    word = two\n");
    kill(t->pid, SIGHUP);
    await(t, "\"event\":\"word\",\"detail\":\"two\"");
    write_conf(t, "tiny\n    word = three\nlog\n    level = warn\n");
    kill(t->pid, SIGHUP);
    usleep(200000);
    assert_int_equal(get(t, "/livez"), 200);
    kill(t->pid, SIGTERM);
    assert_int_equal(await_end(t), 0);
    assert_null(strstr(t->log, "three")); /* below the new level */
}

static void test_bad_reload_keeps_values(void **state)
{
    tiny *t = *state;
    START(t);
    await(t, "\"event\":\"ready_changed\",\"detail\":\"database\",\"state\":\"ready\"");
    write_conf(t, "tiny\n    word = overlong-word\nlog\n    level = error\n");
    kill(t->pid, SIGHUP);
    await(t, "\"event\":\"reload_refused\",\"detail\":\"mykey-tiny: setting tiny.word from file ");
    write_conf(t, "tiny\n    word = good\n    wrod = x\n");
    kill(t->pid, SIGHUP);
    await(t, "unknown setting tiny.wrod");
    assert_null(strstr(t->log, "\"event\":\"word\""));
    write_conf(t, "tiny\n    word = good\n");
    kill(t->pid, SIGHUP);
    await(t, "\"event\":\"word\",\"detail\":\"good\"");
    assert_int_equal(get(t, "/readyz"), 200);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_ready_and_metrics),
        CASE(test_not_ready),
        CASE(test_print_config),
        CASE(test_wrong_settings),
        CASE(test_ops_port_taken),
        CASE(test_no_ops_port),
        CASE(test_locked_down),
        CASE(test_interrupted_poll),
        CASE(test_fail),
        CASE(test_cancelled_loop),
        CASE(test_drain_waits_for_holds),
        CASE(test_drain_limit),
        CASE(test_hung_drain_is_killed),
        CASE(test_second_signal),
        CASE(test_second_signal_while_hung),
        CASE(test_reload),
        CASE(test_bad_reload_keeps_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
