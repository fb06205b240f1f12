/* SPDX-License-Identifier: Apache-2.0 */
#include "common/keyfile/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/bytes.h"

typedef struct key {
    uint32_t version;
    EVP_MAC_CTX *mac; /* keyed once: OpenSSL 3 spends more on finding the algorithm than on the hash */
} ring_key;

struct keyring {
    unsigned count;
    ring_key keys[KEYFILE_KEYS_MAX];
};

enum { FILE_MAX = KEYFILE_KEYS_MAX * 80 };

static const char *file_fault(int fd)
{
    struct stat info;
    if (fd < 0) return errno == ENOENT ? "the key file is missing" : "the key file can't be opened";
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return "the key file is not a regular file";
    if ((info.st_mode & 07777) != 0400) return "the key file's mode is not 0400";
    if (info.st_uid != geteuid()) return "the key file belongs to another user";
    return NULL;
}

static EVP_MAC_CTX *make_mac(const uint8_t *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *made = EVP_MAC_CTX_new(hmac);
    if (made == NULL || EVP_MAC_init(made, key, KEYFILE_KEY_SIZE, params) != 1) abort();
    EVP_MAC_free(hmac);
    return made;
}

static const char *parse_line(char *line, keyring_t *ring)
{
    char *end;
    unsigned long version = strtoul(line, &end, 10);
    if (end == line || *end != ' ' || version == 0 || version > UINT32_MAX) return "a line is not 'VERSION HEX64'";
    if (ring->count == KEYFILE_KEYS_MAX) return "the key file holds more than 8 keys";
    if (ring->count > 0 && ring->keys[ring->count - 1].version >= version) return "key versions don't ascend";
    uint8_t key[KEYFILE_KEY_SIZE];
    if (bytes_from_hex(end + 1, key, sizeof key) != MK_OK) return "a line is not 'VERSION HEX64'";
    ring->keys[ring->count++] = (ring_key){(uint32_t)version, make_mac(key)};
    bytes_wipe(key, sizeof key);
    return NULL;
}

static const char *parse(char *text, keyring_t *ring)
{
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        const char *fault = parse_line(line, ring);
        if (fault != NULL) return fault;
    }
    return ring->count > 0 ? NULL : "the key file is empty";
}

mk_code keyring_load(const char *path, keyring_t **ret_keys, const char **ret_why)
{
    char text[FILE_MAX + 1] = {0};
    keyring_t *ring = calloc(1, sizeof *ring);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const char *fault = ring == NULL ? "out of memory" : file_fault(fd);
    if (fault == NULL) {
        ssize_t got = read(fd, text, FILE_MAX);
        fault = got < 0 ? "the key file can't be read" : parse(text, ring);
    }
    if (fd >= 0) close(fd);
    bytes_wipe(text, sizeof text);
    if (fault != NULL) {
        keyring_destroy(&ring);
        *ret_why = fault;
        return MK_UNAVAILABLE;
    }
    *ret_keys = ring;
    return MK_OK;
}

void keyring_destroy(keyring_t **self_p)
{
    if (*self_p == NULL) return;
    for (unsigned i = 0; i < (*self_p)->count; i++) EVP_MAC_CTX_free((*self_p)->keys[i].mac);
    bytes_wipe(*self_p, sizeof **self_p);
    free(*self_p);
    *self_p = NULL;
}

uint32_t keyring_newest(const keyring_t *self)
{
    return self->keys[self->count - 1].version;
}

uint32_t keyring_older(const keyring_t *self, uint32_t version)
{
    for (unsigned i = self->count; i > 0; i--) {
        if (self->keys[i - 1].version < version) return self->keys[i - 1].version;
    }
    return 0;
}

static const ring_key *find_key(const keyring_t *self, uint32_t version)
{
    for (unsigned i = 0; i < self->count; i++) {
        if (self->keys[i].version == version) return &self->keys[i];
    }
    return NULL;
}

mk_code keyring_mac(const keyring_t *self, uint32_t version, const uint8_t *data, size_t size,
                    uint8_t out[KEYFILE_MAC_SIZE])
{
    const ring_key *key = find_key(self, version);
    size_t made = 0;
    MK_ENSURE(key != NULL, MK_NOT_FOUND);
    bool ok = EVP_MAC_init(key->mac, NULL, 0, NULL) == 1 && EVP_MAC_update(key->mac, data, size) == 1 &&
              EVP_MAC_final(key->mac, out, &made, KEYFILE_MAC_SIZE) == 1;
    if (!ok || made != KEYFILE_MAC_SIZE) abort();
    return MK_OK;
}

mk_code keyring_create(const char *path)
{
    uint8_t key[KEYFILE_KEY_SIZE];
    char line[2 + 2 * KEYFILE_KEY_SIZE + 2] = "1 ";
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
    if (fd < 0) return errno == EEXIST ? MK_CONFLICT : MK_UNAVAILABLE;
    bytes_random(key, sizeof key);
    bytes_to_hex(key, sizeof key, line + 2);
    line[2 + 2 * KEYFILE_KEY_SIZE] = '\n';
    ssize_t size = 2 + 2 * KEYFILE_KEY_SIZE + 1;
    bool ok = write(fd, line, (size_t)size) == size && fchmod(fd, 0400) == 0 && fsync(fd) == 0;
    close(fd);
    bytes_wipe(key, sizeof key);
    bytes_wipe(line, sizeof line);
    if (!ok) unlink(path);
    return ok ? MK_OK : MK_UNAVAILABLE;
}
