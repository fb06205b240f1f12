/* SPDX-License-Identifier: Apache-2.0 */
#include "common/keyfile/keyfile.h"

#include <fcntl.h>
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/bytes.h"

static char dir[] = "/tmp/mykey-keyfile-XXXXXX";
static char path[64];

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static const char *why_of(const char *text, mode_t mode)
{
    keyring_t *ring = NULL;
    const char *why = NULL;
    unlink(path);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    chmod(path, mode);
    mk_code code = keyring_load(path, &ring, &why);
    assert_true((code == MK_OK) == (ring != NULL));
    keyring_destroy(&ring);
    return why;
}

static void a_made_file_loads(void **state)
{
    (void)state;
    keyring_t *ring = NULL;
    const char *why = NULL;
    struct stat info;
    unlink(path);
    assert_int_equal(keyring_create(path), MK_OK);
    assert_int_equal(keyring_create(path), MK_CONFLICT);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0400);
    assert_int_equal(keyring_load(path, &ring, &why), MK_OK);
    assert_int_equal(keyring_newest(ring), 1);
    assert_int_equal(keyring_older(ring, 1), 0);
    keyring_destroy(&ring);
    assert_null(ring);
}

/* As OpenSSL makes them from the key's bytes, for every version, in any order, and again. */
static void macs_are_those_of_their_keys(void **state)
{
    (void)state;
    keyring_t *ring = NULL;
    const char *why = NULL;
    static const uint32_t versions[] = {3, 1, 3, 3, 1};
    uint8_t made[KEYFILE_MAC_SIZE], plain[KEYFILE_MAC_SIZE], data[200] = {7};
    static const uint8_t keys[4][KEYFILE_KEY_SIZE] = {[3] = {1}};
    unlink(path);
    FILE *file = fopen(path, "w");
    fputs("1 " ZEROS "\n3 01", file);
    fputs(&ZEROS[2], file);
    fclose(file);
    chmod(path, 0400);
    assert_int_equal(keyring_load(path, &ring, &why), MK_OK);
    for (size_t i = 0; i < 5; i++) {
        size_t size = 50 * i;
        assert_int_equal(keyring_mac(ring, versions[i], data, size, made), MK_OK);
        HMAC(EVP_sha256(), keys[versions[i]], KEYFILE_KEY_SIZE, data, size, plain, NULL);
        assert_memory_equal(made, plain, sizeof plain);
    }
    assert_int_equal(keyring_mac(ring, 2, data, 1, made), MK_NOT_FOUND);
    assert_int_equal(keyring_older(ring, 3), 1);
    assert_int_equal(keyring_older(ring, 1), 0);
    keyring_destroy(&ring);
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    assert_null(why_of("1 " ZEROS "\n3 " ZEROS "\n", 0400));
    assert_string_equal(why_of("1 " ZEROS "\n", 0600), "the key file's mode is not 0400");
    assert_string_equal(why_of("1 " ZEROS "\n", 0440), "the key file's mode is not 0400");
    assert_string_equal(why_of("", 0400), "the key file is empty");
    assert_string_equal(why_of("1 12\n", 0400), "a line is not 'VERSION HEX64'");
    assert_string_equal(why_of("0 " ZEROS "\n", 0400), "a line is not 'VERSION HEX64'");
    assert_string_equal(why_of("2 " ZEROS "\n1 " ZEROS "\n", 0400), "key versions don't ascend");
    unlink(path);
    keyring_t *ring = NULL;
    const char *why = NULL;
    assert_int_equal(keyring_load(path, &ring, &why), MK_UNAVAILABLE);
    assert_string_equal(why, "the key file is missing");
    assert_int_equal(symlink("/etc/hostname", path), 0);
    assert_int_equal(keyring_load(path, &ring, &why), MK_UNAVAILABLE);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) return -1;
    snprintf(path, sizeof path, "%s/k", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_made_file_loads), cmocka_unit_test(says_what_is_wrong),
                                       cmocka_unit_test(macs_are_those_of_their_keys)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
