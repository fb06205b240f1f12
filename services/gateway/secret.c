/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/secret.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/bytes.h"
#include "common/base/text.h"

enum { SECRETS_MAX = 2, SECRET_MIN = 32, SECRET_SIZE_MAX = 128, FILE_MAX = 512 };

/* Only hashes are kept and compared: equal lengths, and no secret in a core file. */
struct edge_secret {
    unsigned count;
    uint8_t sha256[SECRETS_MAX][BYTES_SHA256_SIZE];
};

static mk_code read_file(const char *path, char out[FILE_MAX], const char **ret_why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    *ret_why = "missing";
    MK_ENSURE(fd >= 0, MK_UNAVAILABLE);
    ssize_t size = fstat(fd, &st) == 0 ? read(fd, out, FILE_MAX - 1) : -1;
    close(fd);
    MK_ENSURE(size >= 0, MK_UNAVAILABLE);
    *ret_why = "mode";
    MK_ENSURE(S_ISREG(st.st_mode) && (st.st_mode & 0077) == 0, MK_UNAVAILABLE);
    *ret_why = "form";
    MK_ENSURE(size < FILE_MAX - 1, MK_UNAVAILABLE);
    out[size] = '\0';
    return MK_OK;
}

static mk_code add_line(edge_secret_t *self, const char *line)
{
    static const char key[] = "edge ";
    const char *secret = strncmp(line, key, sizeof key - 1) == 0 ? line + sizeof key - 1 : line;
    MK_ENSURE(text_is_made_of(secret, TEXT_ID, SECRET_MIN, SECRET_SIZE_MAX), MK_UNAVAILABLE);
    MK_ENSURE(self->count < SECRETS_MAX, MK_UNAVAILABLE);
    bytes_sha256((const uint8_t *)secret, strlen(secret), self->sha256[self->count++]);
    return MK_OK;
}

static mk_code parse(char *text, edge_secret_t *ret)
{
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        MK_TRY(add_line(ret, line));
    }
    return ret->count > 0 ? MK_OK : MK_UNAVAILABLE;
}

mk_code edge_secret_load(const char *path, edge_secret_t **ret_secret, const char **ret_why)
{
    char text[FILE_MAX] = "";
    edge_secret_t parsed = {0};
    MK_TRY(read_file(path, text, ret_why));
    mk_code code = parse(text, &parsed);
    bytes_wipe(text, sizeof text);
    MK_TRY(code);
    edge_secret_t *self = malloc(sizeof *self);
    if (self == NULL) abort();
    *self = parsed;
    *ret_secret = self;
    return MK_OK;
}

void edge_secret_destroy(edge_secret_t **self_p)
{
    if (*self_p == NULL) return;
    bytes_wipe(*self_p, sizeof **self_p);
    free(*self_p);
    *self_p = NULL;
}

bool edge_secret_matches(const edge_secret_t *self, const char *offered)
{
    uint8_t hash[BYTES_SHA256_SIZE];
    bool match = false;
    if (offered == NULL) return false;
    bytes_sha256((const uint8_t *)offered, strlen(offered), hash);
    for (unsigned i = 0; i < self->count; i++) match |= bytes_equal_secret(hash, self->sha256[i], sizeof hash);
    return match;
}
