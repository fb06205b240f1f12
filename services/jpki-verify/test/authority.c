/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/test/authority.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"

const char *authority_folder(void)
{
    return getenv("MYKEY_TESTCA_DIR");
}

int authority_setup(void **state)
{
    (void)state;
    char *argv[] = {"/usr/bin/python3", getenv("MYKEY_TESTCA"), getenv("MYKEY_TESTCA_DIR"), "variants", NULL};
    pid_t pid;
    int status;
    if (argv[1] == NULL || argv[2] == NULL || posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0) return -1;
    return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

der_t authority_read(const char *format, ...)
{
    char name[256], path[512];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    snprintf(path, sizeof path, "%s/%s", authority_folder(), name);
    uint8_t *data = malloc(AUTHORITY_FILE_MAX);
    FILE *file = fopen(path, "re");
    if (file == NULL || data == NULL) fail_msg("%s can't be read", path);
    size_t size = fread(data, 1, AUTHORITY_FILE_MAX, file);
    fclose(file);
    return (der_t){data, size};
}

void authority_free(der_t file)
{
    free((void *)file.data);
}

static void *map_fd(int fd)
{
    void *data = mmap(NULL, (size_t)lseek(fd, 0, SEEK_END), PROT_READ, MAP_SHARED, fd, 0);
    assert_true(data != MAP_FAILED);
    return data;
}

list_fault authority_take(const trust_t *trust, der_t data, index_view *ret_index)
{
    list_t list;
    const root_t *root;
    list_fault fault = list_read(data, trust->profile, &list);
    if (fault == LIST_TAKEN) fault = list_check(&list, trust, authority_now(), NULL, &root);
    if (fault != LIST_TAKEN) return fault;
    int fd = memfd_create("part", MFD_CLOEXEC);
    index_part part = list_part(&list, root);
    fault = list_write(&list, &part, fd, NULL);
    if (fault == LIST_TAKEN) assert_true(index_open(ret_index, map_fd(fd), (size_t)lseek(fd, 0, SEEK_END)));
    close(fd);
    return fault;
}

static void add_lists(trust_t *trust)
{
    static index_view parts[2];
    static const index_view *const both[] = {&parts[0], &parts[1]};
    for (int i = 0; i < 2; i++) {
        der_t list = authority_read("crl/auth-%d.crl", i + 1);
        assert_int_equal(authority_take(trust, list, &parts[i]), LIST_TAKEN);
        authority_free(list);
    }
    size_t size = index_union_size(both, 2);
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(data != MAP_FAILED && index_union(data, both, 2) && index_open(&trust->index, data, size));
}

trust_t *authority_trust(bool with_lists)
{
    trust_t *trust = trust_new(profile_auth());
    for (int i = 1; i <= 2; i++) {
        der_t root = authority_read("roots/auth-%d.der", i);
        assert_true(trust_add_root(trust, root));
        authority_free(root);
    }
    if (with_lists) add_lists(trust);
    return trust;
}

void authority_sign(const char *key_path, const uint8_t digest[RSA_DIGEST_SIZE], uint8_t out[512], size_t *ret_size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", authority_folder(), key_path);
    FILE *file = fopen(path, "re");
    EVP_PKEY *key = file != NULL ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    if (file != NULL) fclose(file);
    assert_non_null(key);
    memset(out, 0, 512);
    *ret_size = 512;
    if (EVP_PKEY_is_a(key, "RSA")) {
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
        assert_int_equal(EVP_PKEY_sign_init(context), 1);
        assert_int_equal(EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()), 1);
        assert_int_equal(EVP_PKEY_sign(context, out, ret_size, digest, RSA_DIGEST_SIZE), 1);
        EVP_PKEY_CTX_free(context);
    }
    EVP_PKEY_free(key);
}

size_t authority_index(const char *name, authority_row rows[AUTHORITY_ROWS_MAX])
{
    char path[512];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/%s", authority_folder(), name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    char line[256];
    while (count < AUTHORITY_ROWS_MAX && fgets(line, sizeof line, file) != NULL) {
        authority_row *row = &rows[count++];
        *row = (authority_row){0};
        assert_true(sscanf(line, "%63s %63s %63s", row->name, row->second, row->third) >= 2);
    }
    fclose(file);
    return count;
}

int64_t authority_now(void)
{
    return (int64_t)(clock_wall_ms() / 1000);
}
