/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf/conf.h"

static struct {
    char *name, *level, *color, *even;
    int64_t count, limit;
    bool loud;
} v;

static bool is_even(const char *text)
{
    return strlen(text) % 2 == 0;
}

static const conf_row rows[] = {
    CONF_ROW_TEXT("demo.name", v.name, NULL, "A name."),
    CONF_ROW_NUMBER("demo.count", v.count, "7", -5, 100, "How many."),
    CONF_ROW_FLAG("demo.loud", v.loud, "false", "Loud or not."),
    CONF_ROW_TEXT("plain", v.color, "red", "A setting without a section."),
};
static const conf_row live_rows[] = {
    {"log.level", CONF_TEXT, &v.level, "info", 0, 5, true, "Level.", "debug info warn error"},
    {"log.limit", CONF_NUMBER, &v.limit, "10", 0, INT64_MAX, true, "Limit in lines.", NULL},
    CONF_ROW_FORM("log.even", v.even, "ab", is_even, "a text of even length", "Text."),
};

typedef struct run {
    conf_t *conf;
    char path[64];
    char *out, *err;
    conf_verb verb;
} run;

static void write_file(const run *r, const void *data, size_t size)
{
    FILE *file = fopen(r->path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    run *r = calloc(1, sizeof *r);
    snprintf(r->path, sizeof r->path, "/tmp/test_conf_XXXXXX");
    int fd = mkstemp(r->path);
    if (fd < 0) return -1;
    close(fd);
    r->conf = conf_new("demo");
    conf_add(r->conf, rows, 4);
    conf_add(r->conf, live_rows, 3);
    *state = r;
    return 0;
}

static void forget_texts(run *r)
{
    free(r->out);
    free(r->err);
    r->out = r->err = NULL;
}

static int tear_down(void **state)
{
    run *r = *state;
    unlink(r->path);
    conf_destroy(&r->conf);
    assert_null(r->conf);
    conf_destroy(&r->conf);
    assert_null(v.name);
    forget_texts(r);
    free(r);
    return 0;
}

/* Loads with up to 4 arguments. */
static void load(run *r, const char *a, const char *b, const char *c, const char *d)
{
    char *argv[6] = {(char *)"demo", (char *)a, (char *)b, (char *)c, (char *)d, NULL};
    int argc = 1;
    size_t size;
    while (argv[argc] != NULL) argc++;
    forget_texts(r);
    FILE *out = open_memstream(&r->out, &size), *err = open_memstream(&r->err, &size);
    r->verb = conf_load(r->conf, argc, argv, out, err);
    fclose(out);
    fclose(err);
}

static void load_text(run *r, const char *text)
{
    write_file(r, text, strlen(text));
    load(r, "--config", r->path, "--set", "demo.name=x");
}

static mk_code reload(run *r)
{
    size_t size;
    forget_texts(r);
    FILE *err = open_memstream(&r->err, &size);
    mk_code code = conf_reload(r->conf, err);
    fclose(err);
    return code;
}

#define assert_has(text, part) \
    if (strstr((text), (part)) == NULL) fail_msg("\"%s\" lacks \"%s\"", (text), (part))

static void test_defaults(void **state)
{
    run *r = *state;
    load(r, "--set", "demo.name=x", NULL, NULL);
    assert_int_equal(r->verb, CONF_RUN);
    assert_string_equal(v.name, "x");
    assert_int_equal(v.count, 7);
    assert_false(v.loud);
    assert_string_equal(v.color, "red");
    assert_string_equal(r->err, "");
}

static void test_order_of_sources(void **state)
{
    run *r = *state;
    static const char text[] = "# a comment\n"
                               "plain = \"blue # not a comment\"\n"
                               "demo\n"
                               "    name = 'from file'  # comment\n"
                               "    count = 1\n"
                               "    loud = true\n"
                               "log\n";
    write_file(r, text, sizeof text - 1);
    setenv("MYKEY_DEMO_COUNT", "2", 1);
    setenv("MYKEY_DEMO_LOUD", "false", 1);
    load(r, "--config", r->path, "--set=demo.count=3", "--print-config");
    unsetenv("MYKEY_DEMO_COUNT");
    unsetenv("MYKEY_DEMO_LOUD");
    assert_string_equal(r->err, "");
    assert_int_equal(r->verb, CONF_DONE);
    assert_string_equal(v.name, "from file");
    assert_string_equal(v.color, "blue # not a comment");
    assert_int_equal(v.count, 3);
    assert_false(v.loud);
    assert_has(r->out, "demo.name = from file  # file /tmp/test_conf_");
    assert_has(r->out, "demo.count = 3  # command line\n");
    assert_has(r->out, "demo.loud = false  # environment MYKEY_DEMO_LOUD\n");
    assert_has(r->out, "log.level = info  # default\n");
}

static void test_missing(void **state)
{
    run *r = *state;
    load(r, NULL, NULL, NULL, NULL);
    assert_int_equal(r->verb, CONF_FAILED);
    assert_string_equal(r->err,
                        "demo: setting demo.name is missing: give it in the file, in MYKEY_DEMO_NAME or with --set\n");
    assert_null(v.name);
}

static void test_values_refused(void **state)
{
    run *r = *state;
    static const char *const bad[][2] = {
        {"demo.count=101", "a number -5 to 100"},
        {"demo.count=-6", "a number -5 to 100"},
        {"demo.count=", "a number -5 to 100"},
        {"demo.count= 1", "a number -5 to 100"},
        {"demo.count=+1", "a number -5 to 100"},
        {"demo.count=0x1", "a number -5 to 100"},
        {"demo.count=1e1", "a number -5 to 100"},
        {"demo.count=9223372036854775808", "a number -5 to 100"},
        {"demo.count=18446744073709551617", "a number -5 to 100"},
        {"demo.loud=yes", "true, false"},
        {"log.level=inf", "debug, info, warn, error"},
        {"log.level=info warn", "debug, info, warn, error"},
        {"log.level=", "debug, info, warn, error"},
        {"log.even=abc", "a text of even length"},
        {"log.even=\xff\xff", "a text of even length"},
        {"plain=a\nb", "text of 0 to 1024 bytes"},
        {"plain=\x1b[2J", "text of 0 to 1024 bytes"},
        {"plain=\xff", "text of 0 to 1024 bytes"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        load(r, "--set", bad[i][0], "--set", "demo.name=x");
        assert_int_equal(r->verb, CONF_FAILED);
        assert_has(r->err, "from command line: value not allowed; allowed: ");
        assert_has(r->err, bad[i][1]);
    }
    char large[1100] = "plain=";
    memset(large + 6, 'x', 1025);
    load(r, "--set", large, "--set", "demo.name=x");
    assert_int_equal(r->verb, CONF_FAILED);
    assert_null(v.name); /* nothing was written by any of them */
}

static void test_all_complaints_at_once(void **state)
{
    run *r = *state;
    load_text(r, "demo\n    count = 999\n    loud = maybe\n    colour = red\nlgo\n    level = info\n");
    assert_int_equal(r->verb, CONF_FAILED);
    assert_has(r->err, "setting demo.count from file /tmp/test_conf_");
    assert_has(r->err, "setting demo.loud from file");
    assert_has(r->err, "unknown setting demo.colour");
    assert_has(r->err, "unknown setting lgo.level");
}

static void test_unknown(void **state)
{
    run *r = *state;
    load(r, "--set", "demo.nmae=x", NULL, NULL);
    assert_int_equal(r->verb, CONF_FAILED);
    assert_has(r->err, "command line: unknown setting demo.nmae");
    setenv("MYKEY_DEMO_NMAE", "x", 1);
    setenv("MYKEY_TEST_X", "x", 1);
    setenv("MYKEY_BUILD", "x", 1);
    setenv("MYKEY_DEMO_SABOTAGE", "1", 1);
    load(r, "--set", "demo.name=x", NULL, NULL);
    assert_int_equal(r->verb, CONF_FAILED);
    assert_string_equal(r->err, "demo: environment: unknown setting MYKEY_DEMO_NMAE (see --list-settings)\n");
    unsetenv("MYKEY_DEMO_NMAE");
    load(r, "--set", "demo.name=x", NULL, NULL);
    assert_int_equal(r->verb, CONF_RUN);
    unsetenv("MYKEY_TEST_X");
    unsetenv("MYKEY_BUILD");
    unsetenv("MYKEY_DEMO_SABOTAGE");
}

static void test_command_line(void **state)
{
    run *r = *state;
    static const char *const bad[] = {"--confg", "-x", "stray", "--set", "--config", "--check-config=1", "--", "-"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        load(r, bad[i], strcmp(bad[i], "--") == 0 ? "stray" : NULL, NULL, NULL);
        assert_int_equal(r->verb, CONF_FAILED);
        assert_has(r->err, "(see --help)");
    }
    load(r, "--set", "demo.name", NULL, NULL);
    assert_has(r->err, "--set wants NAME=VALUE, not demo.name");
    load(r, "--version", NULL, NULL, NULL);
    assert_int_equal(r->verb, CONF_DONE);
    assert_string_equal(r->out, "demo " MYKEY_VERSION "\n");
    load(r, "--help", NULL, NULL, NULL);
    assert_has(r->out, "usage: demo [--config FILE] [--set NAME=VALUE]...");
    load(r, "--check-config", NULL, NULL, NULL);
    assert_int_equal(r->verb, CONF_FAILED);
    load(r, "--check-config", "--set", "demo.name=x", NULL);
    assert_int_equal(r->verb, CONF_DONE);
    assert_string_equal(r->out, "demo: settings are right\n");
}

static void test_list(void **state)
{
    run *r = *state;
    load(r, "--list-settings", NULL, NULL, NULL);
    assert_int_equal(r->verb, CONF_DONE);
    assert_has(r->out, "| `demo.name` | (required) | text of 0 to 1024 bytes | no | A name. |\n");
    assert_has(r->out, "| `demo.count` | 7 | a number -5 to 100 | no | How many. |\n");
    assert_has(r->out, "| `log.level` | info | debug, info, warn, error | yes | Level. |\n");
}

static void check_file_refused(run *r, const void *data, size_t size, const char *why)
{
    write_file(r, data, size);
    load(r, "--config", r->path, "--set", "demo.name=x");
    assert_int_equal(r->verb, CONF_FAILED);
    assert_has(r->err, why);
}

static void test_hostile_files(void **state)
{
    run *r = *state;
    static char large[70 * 1024];
    memset(large, '#', sizeof large);
    check_file_refused(r, large, sizeof large, "at most 65536 bytes");
    check_file_refused(r, large, 65536, "line 1: over 1000 bytes");
    check_file_refused(r, large, 1100, "line 1: over 1000 bytes");
    check_file_refused(r, "demo\n    count = 1\0\n", 20, "without NUL");
    check_file_refused(r, "demo\n    count = \xff\n", 19, "UTF-8");
    check_file_refused(r, "demo\n  count = 1\n", 17, "line 2: a section starts at column 1");
    check_file_refused(r, "demo\n\tcount = 1\n", 16, "line 2: a section starts at column 1");
    check_file_refused(r, "demo\n    x\n        count = 1\n", 29, "line 3: a section starts");
    check_file_refused(r, "    count = 1\n", 14, "not ZPL");
    check_file_refused(r, "plain = \"open\n", 14, "not ZPL");
    check_file_refused(r, "demo\n    count = 1\n    count = 2\n", 33, "demo.count is given twice");
    check_file_refused(r, "demo\n    count = 1\ndemo\n    count = 2\n", 38, "demo.count is given twice");
    check_file_refused(r, "demo = 1\n", 9, "unknown setting demo");
    check_file_refused(r, "stray\n", 6, "unknown setting stray");
    load(r, "--config", "/nonexistent/x.conf", NULL, NULL);
    assert_has(r->err, "file /nonexistent/x.conf: No such file or directory");
    load(r, "--config", "/tmp", NULL, NULL);
    assert_int_equal(r->verb, CONF_FAILED);
}

/* 20,000 short lines stay below the size limit. */
static void test_many_lines(void **state)
{
    run *r = *state;
    static char text[60000];
    for (size_t i = 0; i < sizeof text; i += 3) memcpy(text + i, "a=\n", 3);
    check_file_refused(r, text, sizeof text, "unknown setting a");
}

static void test_reload(void **state)
{
    run *r = *state;
    load_text(r, "log\n    level = warn\n    limit = 1\ndemo\n    count = 1\n");
    assert_int_equal(r->verb, CONF_RUN);
    write_file(r, "log\n    level = debug\ndemo\n    count = 2\n", 40);
    assert_int_equal(reload(r), MK_OK);
    assert_string_equal(v.level, "debug");
    assert_int_equal(v.limit, 10); /* no longer in the file: the default again */
    assert_int_equal(v.count, 1);  /* not reloadable */
    assert_string_equal(v.name, "x");
}

static void test_reload_refused(void **state)
{
    run *r = *state;
    load_text(r, "log\n    level = warn\n    limit = 1\n");
    write_file(r, "log\n    level = debug\n    limit = much\n", 39);
    assert_int_equal(reload(r), MK_BAD_REQUEST);
    assert_has(r->err, "setting log.limit from file");
    assert_string_equal(v.level, "warn");
    assert_int_equal(v.limit, 1);
    unlink(r->path);
    assert_int_equal(reload(r), MK_BAD_REQUEST);
    assert_string_equal(v.level, "warn");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_defaults),      CASE(test_order_of_sources),
        CASE(test_missing),       CASE(test_values_refused),
        CASE(test_unknown),       CASE(test_all_complaints_at_once),
        CASE(test_command_line),  CASE(test_list),
        CASE(test_hostile_files), CASE(test_many_lines),
        CASE(test_reload),        CASE(test_reload_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
