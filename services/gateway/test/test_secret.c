/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OLD "0123456789abcdef0123456789abcdef"
#define NEW "fedcba9876543210fedcba9876543210"

static mk_code load(const char *text, mode_t mode, edge_secret_t **ret_secret, const char **ret_why)
{
    char path[] = "/tmp/mykey-edge-secret-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    mk_code code = edge_secret_load(path, ret_secret, ret_why);
    unlink(path);
    return code;
}

static void matches_whole_secrets_only(void **state)
{
    (void)state;
    edge_secret_t *secret = NULL;
    const char *why = "";
    assert_int_equal(load("edge " NEW "\nedge " OLD "\n", 0400, &secret, &why), MK_OK);
    assert_true(edge_secret_matches(secret, OLD));
    assert_true(edge_secret_matches(secret, NEW));
    assert_false(edge_secret_matches(secret, NULL));
    assert_false(edge_secret_matches(secret, ""));
    assert_false(edge_secret_matches(secret, OLD "0"));
    assert_false(edge_secret_matches(secret, "0123456789abcdef0123456789abcde"));
    assert_false(edge_secret_matches(secret, "edge " OLD));
    edge_secret_destroy(&secret);
    assert_null(secret);
    assert_int_equal(load(OLD, 0400, &secret, &why), MK_OK);
    assert_true(edge_secret_matches(secret, OLD));
    edge_secret_destroy(&secret);
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        mode_t mode;
        const char *why;
    } rows[] = {
        {"edge " OLD "\n", 0440, "mode"},
        {"edge " OLD "\n", 0604, "mode"},
        {"", 0400, "form"},
        {"other " OLD "\n", 0400, "form"},
        {"edge short\n", 0400, "form"},
        {"edge " OLD " x\n", 0400, "form"},
        {"edge " OLD "\nedge " NEW "\nedge " OLD "\n", 0400, "form"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        edge_secret_t *secret = NULL;
        const char *why = "";
        assert_int_equal(load(rows[i].text, rows[i].mode, &secret, &why), MK_UNAVAILABLE);
        assert_string_equal(why, rows[i].why);
        assert_null(secret);
    }
    edge_secret_t *none = NULL;
    const char *why = "";
    assert_int_equal(edge_secret_load("/nonexistent/edge", &none, &why), MK_UNAVAILABLE);
    assert_string_equal(why, "missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_whole_secrets_only),
        cmocka_unit_test(bad_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
