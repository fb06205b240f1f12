/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/metrics/metrics.h"

static char *text;

static int set_up(void **state)
{
    *state = metrics_new();
    return 0;
}

static int tear_down(void **state)
{
    metrics_destroy((metrics_t **)state);
    assert_null(*state);
    metrics_destroy((metrics_t **)state);
    free(text);
    text = NULL;
    return 0;
}

static const char *render(metrics_t *m)
{
    size_t size;
    free(text);
    text = metrics_render(m, &size);
    assert_int_equal(size, strlen(text));
    return text;
}

#define assert_has(part) \
    if (strstr(text, (part)) == NULL) fail_msg("lacks: %s\n%s", (part), text)

/* The value of a whole line's name, NAN if there is none. */
static double value_of(const char *name)
{
    size_t size = strlen(name);
    for (const char *p = text; p != NULL; p = strchr(p, '\n')) {
        if (*p == '\n') p++;
        if (strncmp(p, name, size) == 0 && p[size] == ' ') return strtod(p + size, NULL);
    }
    return NAN;
}

static void test_plain(void **state)
{
    metrics_t *m = *state;
    metric_t *hits = metrics_declare(m, METRIC_COUNTER, "mykey_hits_total", "Hits.", "");
    metric_t *depth = metrics_declare(m, METRIC_GAUGE, "mykey_depth", "Depth.", "");
    render(m);
    assert_has("# HELP mykey_hits_total Hits.\n# TYPE mykey_hits_total counter\nmykey_hits_total 0\n");
    metric_inc(hits);
    metric_add(hits, 2, NULL, NULL, NULL, NULL);
    metric_set(depth, -1.25, NULL, NULL, NULL, NULL);
    render(m);
    assert_has("\nmykey_hits_total 3\n");
    assert_has("# TYPE mykey_depth gauge\nmykey_depth -1.25\n");
    metric_set(depth, 12345678901234.0, NULL, NULL, NULL, NULL);
    render(m);
    assert_has("\nmykey_depth 12345678901234\n");
    metric_set(depth, INFINITY, NULL, NULL, NULL, NULL);
    render(m);
    assert_has("\nmykey_depth +Inf\n");
}

static void test_labels(void **state)
{
    metrics_t *m = *state;
    metric_t *calls = metrics_declare(m, METRIC_COUNTER, "mykey_calls_total", "Calls.", "service,method,code,by");
    metric_add(calls, 1, "registry", "Link", "OK", "a");
    metric_add(calls, 1, "registry", "Link", "OK", "a");
    metric_add(calls, 1, "registry", "Link", "BUSY", NULL);
    metric_add(calls, 1, "q\"b\\n\n", "", NULL, NULL);
    render(m);
    assert_has("mykey_calls_total{service=\"registry\",method=\"Link\",code=\"OK\",by=\"a\"} 2\n");
    assert_has("mykey_calls_total{service=\"registry\",method=\"Link\",code=\"BUSY\",by=\"\"} 1\n");
    assert_has("mykey_calls_total{service=\"q\\\"b\\\\n\\n\",method=\"\",code=\"\",by=\"\"} 1\n");
}

/* Label values are not confused by where one ends and the next begins. */
static void test_label_borders(void **state)
{
    metrics_t *m = *state;
    metric_t *metric = metrics_declare(m, METRIC_COUNTER, "mykey_pairs_total", "Pairs.", "a,b");
    metric_add(metric, 1, "ab", "c", NULL, NULL);
    metric_add(metric, 2, "a", "bc", NULL, NULL);
    render(m);
    assert_has("{a=\"ab\",b=\"c\"} 1\n");
    assert_has("{a=\"a\",b=\"bc\"} 2\n");
}

static void test_series_are_bounded(void **state)
{
    metrics_t *m = *state;
    metric_t *metric = metrics_declare(m, METRIC_COUNTER, "mykey_many_total", "Many.", "a,b");
    char label[16];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2000; i++) {
            snprintf(label, sizeof label, "v%d", i);
            metric_add(metric, 1, label, "x", NULL, NULL);
        }
    }
    unsigned series = 0;
    for (const char *p = render(m); (p = strstr(p, "\nmykey_many_total{")) != NULL; p++) series++;
    assert_int_equal(series, 512);
    assert_int_equal(value_of("mykey_many_total{a=\"v0\",b=\"x\"}"), 2);
    assert_int_equal(value_of("mykey_many_total{a=\"v510\",b=\"x\"}"), 2);
    assert_int_equal(value_of("mykey_many_total{a=\"other\",b=\"other\"}"), 2 * (2000 - 511));
}

static void test_histogram(void **state)
{
    metrics_t *m = *state;
    metric_t *metric = metrics_declare(m, METRIC_HISTOGRAM, "mykey_took_seconds", "Took.", "method");
    metric_observe(metric, 0, "Link", NULL, NULL, NULL);
    metric_observe(metric, 0.0005, "Link", NULL, NULL, NULL); /* a bound belongs to its bucket */
    metric_observe(metric, 0.3, "Link", NULL, NULL, NULL);
    metric_observe(metric, 99, "Link", NULL, NULL, NULL);
    render(m);
    assert_has("# TYPE mykey_took_seconds histogram\n");
    assert_int_equal(value_of("mykey_took_seconds_bucket{method=\"Link\",le=\"0.0005\"}"), 2);
    assert_int_equal(value_of("mykey_took_seconds_bucket{method=\"Link\",le=\"0.25\"}"), 2);
    assert_int_equal(value_of("mykey_took_seconds_bucket{method=\"Link\",le=\"0.5\"}"), 3);
    assert_int_equal(value_of("mykey_took_seconds_bucket{method=\"Link\",le=\"10\"}"), 3);
    assert_int_equal(value_of("mykey_took_seconds_bucket{method=\"Link\",le=\"+Inf\"}"), 4);
    assert_int_equal(value_of("mykey_took_seconds_count{method=\"Link\"}"), 4);
    assert_true(fabs(value_of("mykey_took_seconds_sum{method=\"Link\"}") - 99.3005) < 1e-9);
}

static void test_plain_histogram(void **state)
{
    metrics_t *m = *state;
    metrics_declare(m, METRIC_HISTOGRAM, "mykey_idle_seconds", "Idle.", "");
    render(m);
    assert_has("\nmykey_idle_seconds_bucket{le=\"0.0005\"} 0\n");
    assert_has("\nmykey_idle_seconds_count 0\n");
}

static void test_process(void **state)
{
    metrics_t *m = *state;
    render(m);
    double fds = value_of("process_open_fds");
    assert_true(value_of("process_cpu_seconds_total") >= 0);
    assert_true(value_of("process_resident_memory_bytes") > 100000);
    assert_true(value_of("process_start_time_seconds") > 1.7e9);
    assert_true(value_of("process_max_fds") >= fds);
    assert_has("mykey_build_info{version=\"" MYKEY_VERSION "\"} 1\n");
    int extra = dup(STDIN_FILENO);
    render(m);
    assert_int_equal(value_of("process_open_fds"), fds + 1);
    close(extra);
}

static void add_one(void *arg)
{
    metric_inc((metric_t *)arg);
}

static void test_refresh(void **state)
{
    metrics_t *m = *state;
    metric_t *metric = metrics_declare(m, METRIC_GAUGE, "mykey_fresh", "Fresh.", "");
    metrics_on_render(m, add_one, metric);
    render(m);
    render(m);
    assert_int_equal(value_of("mykey_fresh"), 2);
}

static void test_twice_aborts(void **state)
{
    metrics_t *m = *state;
    metrics_declare(m, METRIC_GAUGE, "mykey_one", "One.", "");
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        metrics_declare(m, METRIC_GAUGE, "mykey_one", "One.", "");
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_plain),        CASE(test_labels),          CASE(test_label_borders), CASE(test_series_are_bounded),
        CASE(test_histogram),    CASE(test_plain_histogram), CASE(test_process),       CASE(test_refresh),
        CASE(test_twice_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
