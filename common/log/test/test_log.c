/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/log/log.h"

static int saved_stderr, reader;
static char caught[1 << 20];

/* stderr becomes a pipe that holds a megabyte. */
static int start_catching(void **state)
{
    int ends[2];
    (void)state;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0 || fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) < 0) return -1;
    saved_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    reader = ends[0];
    log_open("test", "test-1", LEVEL_DEBUG);
    return 0;
}

static int stop_catching(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(reader);
    return 0;
}

/* One read(2): what a line's write(2) put there. */
static const char *take(void)
{
    ssize_t size = read(reader, caught, sizeof caught - 1);
    caught[size < 0 ? 0 : size] = '\0';
    return caught;
}

static json_t *take_line(void)
{
    const char *text = take();
    size_t size = strlen(text);
    assert_true(size > 0 && text[size - 1] == '\n' && strcspn(text, "\n") == size - 1);
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(object);
    return object;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* The limit counts by the clock's second: begin a fresh one. */
static void await_next_second(void)
{
    uint64_t now = clock_mono_ms();
    usleep((useconds_t)(1000 - now % 1000) * 1000);
    log_error("tick");
    take();
}

static void test_line(void **state)
{
    (void)state;
    log_warn("call_failed", LOG_TEXT(CODE, "BUSY"), LOG_TEXT(PEER, NULL), LOG_NUMBER(COUNT, -3),
             LOG_NUMBER(DURATION_US, INT64_MAX));
    json_t *line = take_line();
    assert_string_equal(text_of(line, "level"), "warn");
    assert_string_equal(text_of(line, "svc"), "test");
    assert_string_equal(text_of(line, "inst"), "test-1");
    assert_string_equal(text_of(line, "event"), "call_failed");
    assert_string_equal(text_of(line, "code"), "BUSY");
    assert_int_equal(json_integer_value(json_object_get(line, "count")), -3);
    assert_true(json_integer_value(json_object_get(line, "dur_us")) == INT64_MAX);
    assert_int_equal(json_object_size(line), 8);
    assert_true(strncmp(caught, "{\"ts\":\"20", 9) == 0);
    json_decref(line);
}

static void test_timestamp(void **state)
{
    (void)state;
    char z = 0;
    int year, month, day, hour, minute, second, micros;
    log_info("now");
    json_t *line = take_line();
    const char *ts = text_of(line, "ts");
    assert_int_equal(strlen(ts), strlen("2026-01-02T03:04:05.678901Z"));
    assert_int_equal(
        sscanf(ts, "%4d-%2d-%2dT%2d:%2d:%2d.%6d%c", &year, &month, &day, &hour, &minute, &second, &micros, &z), 8);
    assert_int_equal(z, 'Z');
    long now = (long)(clock_wall_ms() / 1000 % 86400);
    assert_in_range((now - (hour * 3600 + minute * 60 + second) + 86400) % 86400, 0, 5);
    json_decref(line);
}

static void test_escapes(void **state)
{
    (void)state;
    log_info("odd", LOG_TEXT(DETAIL, "a\"b\\c\n\x1b[2J\x7f\xc2\x9b|\xff|\xe5\x88|利"));
    assert_non_null(strstr(take(), "\"a\\\"b\\\\c\\u000a\\u001b[2J\\u007f\\u009b|\\ufffd|\\ufffd\\ufffd|利\""));
}

static void test_long_value_is_cut(void **state)
{
    (void)state;
    char text[1000];
    for (size_t i = 0; i < 999; i += 3) memcpy(text + i, "利", 3);
    text[999] = '\0';
    log_info("long", LOG_TEXT(DETAIL, text));
    json_t *line = take_line();
    assert_int_equal(strlen(text_of(line, "detail")), 255); /* 85 whole characters */
    json_decref(line);
    text[256] = '\0';
    log_info("long", LOG_TEXT(DETAIL, text)); /* 256 bytes that end in a broken character */
    line = take_line();
    assert_int_equal(strlen(text_of(line, "detail")), 258);
    json_decref(line);
}

/* Fields that don't fit the buffer go whole; the line stays JSON. */
static void test_line_is_bounded(void **state)
{
    (void)state;
    char text[300];
    memset(text, 1, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_error("big", LOG_TEXT(DETAIL, text), LOG_TEXT(PEER, text), LOG_TEXT(FILE, text), LOG_TEXT(CODE, "BUSY"));
    json_t *line = take_line();
    assert_true(strlen(caught) <= 4096);
    assert_non_null(text_of(line, "peer"));
    assert_null(text_of(line, "file"));
    assert_string_equal(text_of(line, "code"), "BUSY");
    json_decref(line);
}

static void test_level(void **state)
{
    (void)state;
    log_set_level(LEVEL_WARN);
    log_info("no");
    log_debug("no");
    assert_string_equal(take(), "");
    log_set_level(LEVEL_DEBUG);
    log_debug("yes");
    json_decref(take_line());
}

static unsigned count_lines(const char *text)
{
    unsigned lines = 0;
    for (; *text != '\0'; text++) lines += *text == '\n';
    return lines;
}

static void test_limit(void **state)
{
    (void)state;
    await_next_second();
    uint64_t lines = log_lines_total(), dropped = log_dropped_total();
    for (unsigned i = 0; i < 250; i++) log_info("flood");
    assert_int_equal(count_lines(take()), 200);
    log_warn("other_level");
    for (unsigned i = 0; i < 250; i++) log_error("never_dropped");
    assert_int_equal(count_lines(take()), 251);
    assert_int_equal(log_lines_total() - lines, 451);
    assert_int_equal(log_dropped_total() - dropped, 50);
    usleep(1000000);
    log_debug("next");
    assert_non_null(strstr(take(), "\"event\":\"log_dropped\",\"count\":50}\n"));
    assert_int_equal(count_lines(caught), 2);
}

static void test_full_pipe_is_counted(void **state)
{
    (void)state;
    char filler[4096] = {0};
    while (write(STDERR_FILENO, filler, sizeof filler) > 0) {
    }
    uint64_t dropped = log_dropped_total();
    errno = ENOENT;
    log_error("lost");
    assert_int_equal(errno, ENOENT);
    assert_int_equal(log_dropped_total() - dropped, 1);
}

#define FIELD(id, name, kind, help) name,
static const char *const names[] = {LOG_FIELD_TABLE(FIELD)};
#undef FIELD

/* The allow-list itself: nothing that names a person. */
static void test_allow_list(void **state)
{
    (void)state;
    static const char *const forbidden[] = {"pin",    "cert",   "serial", "mykey",  "customer",   "number",
                                            "holder", "wallet", "pseudo", "amount", "credential", "name"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_true(text_is_made_of(names[i], TEXT_LOWER "_", 1, 32));
        for (size_t k = 0; k < sizeof forbidden / sizeof forbidden[0]; k++) {
            assert_null(strstr(names[i], forbidden[k]));
        }
    }
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, start_catching, stop_catching)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_line),
        CASE(test_timestamp),
        CASE(test_escapes),
        CASE(test_long_value_is_cut),
        CASE(test_line_is_bounded),
        CASE(test_level),
        CASE(test_limit),
        CASE(test_full_pipe_is_counted),
        cmocka_unit_test(test_allow_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
