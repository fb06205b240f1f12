/* SPDX-License-Identifier: Apache-2.0 */
#include "services/registry/deletion_log.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/mykey-deletions-XXXXXX";
static char path[64];

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL) return -1;
    snprintf(path, sizeof path, "%s/deleted", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void append(unsigned char first)
{
    deletion_log_t *log;
    uint8_t holder[16] = {first, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255};
    assert_int_equal(deletion_log_open(path, &log), MK_OK);
    assert_int_equal(deletion_log_append(log, holder), MK_OK);
    deletion_log_close(&log);
    assert_null(log);
}

static size_t read_all(size_t *ret_malformed, uint8_t firsts[8])
{
    deletion_log_t *log;
    deletion_reader_t *reader;
    uint8_t holder[16];
    size_t count = 0;
    assert_int_equal(deletion_log_open(path, &log), MK_OK);
    assert_int_equal(deletion_reader_open(log, &reader), MK_OK);
    while (deletion_reader_next(reader, holder)) firsts[count++] = holder[0];
    *ret_malformed = deletion_reader_malformed(reader);
    deletion_reader_close(&reader);
    deletion_log_close(&log);
    return count;
}

static void keeps_what_was_appended(void **state)
{
    uint8_t firsts[8];
    size_t malformed;
    struct stat info;
    (void)state;
    append(1);
    append(2);
    assert_int_equal(read_all(&malformed, firsts), 2);
    assert_int_equal(malformed, 0);
    assert_true(firsts[0] == 1 && firsts[1] == 2);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(info.st_size, 2 * 44); /* day, blank, 32 digits, line end: nothing else is kept */
}

static void add_raw(const char *text)
{
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

static void survives_a_torn_line(void **state)
{
    uint8_t firsts[8];
    size_t malformed;
    (void)state;
    append(1);
    add_raw("2026-01-01 0102");
    append(3);
    assert_int_equal(read_all(&malformed, firsts), 2);
    assert_int_equal(malformed, 1);
    assert_true(firsts[0] == 1 && firsts[1] == 3);
}

static void passes_over_garbage(void **state)
{
    uint8_t firsts[8];
    size_t malformed;
    (void)state;
    add_raw("garbage\n");
    add_raw("2026-01-01 zz02030405060708090a0b0c0d0e0fff\n\n");
    for (int i = 0; i < 100; i++) add_raw("0123456789");
    append(4);
    assert_int_equal(read_all(&malformed, firsts), 1);
    assert_true(firsts[0] == 4 && malformed >= 3);
}

static void refuses_what_it_cannot_write(void **state)
{
    deletion_log_t *log = NULL;
    (void)state;
    assert_int_equal(deletion_log_open("/tmp/no/such/folder/deleted", &log), MK_UNAVAILABLE);
    assert_int_equal(deletion_log_open(directory, &log), MK_UNAVAILABLE);
    assert_int_equal(deletion_log_open("/dev/full", &log), MK_UNAVAILABLE);
    assert_int_equal(deletion_log_open("/dev/zero", &log), MK_UNAVAILABLE);
    assert_null(log);
}

/* The file may not grow any more: what was not written is told, and what follows is not glued to its rest. */
static void a_full_disk_is_told(void **state)
{
    deletion_log_t *log;
    uint8_t firsts[8], holder[16] = {7};
    size_t malformed;
    struct rlimit old, tight;
    (void)state;
    append(1);
    assert_int_equal(deletion_log_open(path, &log), MK_OK);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    tight = (struct rlimit){44 + 20, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &tight);
    mk_code code = deletion_log_append(log, holder);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(code, MK_UNAVAILABLE);
    holder[0] = 8;
    assert_int_equal(deletion_log_append(log, holder), MK_OK);
    deletion_log_close(&log);
    assert_int_equal(read_all(&malformed, firsts), 2);
    assert_true(firsts[0] == 1 && firsts[1] == 8 && malformed == 1);
}

/* An administrator cuts the log: what is deleted afterwards stands in the file that has its name. */
static void follows_a_file_put_in_its_place(void **state)
{
    deletion_log_t *log;
    uint8_t firsts[8], holder[16] = {7};
    size_t malformed;
    char older[80];
    (void)state;
    append(1);
    assert_int_equal(deletion_log_open(path, &log), MK_OK);
    snprintf(older, sizeof older, "%s.older", path);
    assert_int_equal(rename(path, older), 0);
    add_raw("2026-01-01 0902030405060708090a0b0c0d0e0fff\n");
    assert_int_equal(deletion_log_append(log, holder), MK_OK);
    deletion_log_close(&log);
    assert_int_equal(read_all(&malformed, firsts), 2);
    assert_true(firsts[0] == 9 && firsts[1] == 7);
    unlink(older);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(keeps_what_was_appended, remove_file),
        cmocka_unit_test_teardown(survives_a_torn_line, remove_file),
        cmocka_unit_test_teardown(passes_over_garbage, remove_file),
        cmocka_unit_test_teardown(a_full_disk_is_told, remove_file),
        cmocka_unit_test_teardown(follows_a_file_put_in_its_place, remove_file),
        cmocka_unit_test(refuses_what_it_cannot_write),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
