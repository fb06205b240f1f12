/* SPDX-License-Identifier: Apache-2.0 */
#include "common/bus/bus_key.h"

#include <czmq.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/bytes.h"
#include "common/conf/zpl.h"

enum { KEY_FILE_MAX = 4096 };

static const char *file_fault(int fd, bool secret)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return "can't be examined";
    if (!S_ISREG(st.st_mode)) return "is not a file";
    if (st.st_size > KEY_FILE_MAX) return "is too long for a key file";
    if (secret && (st.st_mode & 07777) != 0400) return "must have mode 0400";
    if (secret && st.st_uid != geteuid()) return "must belong to the user that reads it";
    return NULL;
}

/* Reads the whole file into text (NUL-terminated); the mode is checked on the descriptor that is read. */
static mk_code file_read(const char *path, bool secret, char text[KEY_FILE_MAX + 1], const char **ret_why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        *ret_why = "can't be opened";
        return MK_UNAVAILABLE;
    }
    const char *fault = file_fault(fd, secret);
    ssize_t size = fault ? 0 : read(fd, text, KEY_FILE_MAX);
    close(fd);
    if (!fault && size < 0) fault = "can't be read";
    if (fault) {
        *ret_why = fault;
        return MK_UNAVAILABLE;
    }
    text[size] = '\0';
    return MK_OK;
}

static bool take_text(zconfig_t *root, const char *name, char out[BUS_KEY_TEXT + 1])
{
    const char *text = zconfig_get(root, name, "");
    if (!bus_key_text_valid(text)) return false;
    memcpy(out, text, BUS_KEY_TEXT + 1);
    return true;
}

static bool pair_matches(const bus_key *key)
{
    char derived[BUS_KEY_TEXT + 1];
    if (zmq_curve_public(derived, key->secret_text) != 0) return false;
    return memcmp(derived, key->public_text, BUS_KEY_TEXT) == 0;
}

static mk_code form_fault(const char **ret_why)
{
    *ret_why = "is not a key file";
    return MK_UNAVAILABLE;
}

mk_code bus_key_load_secret(const char *path, bus_key *ret_key, const char **ret_why)
{
    char text[KEY_FILE_MAX + 1];
    MK_TRY(file_read(path, true, text, ret_why));
    zconfig_t *root = zpl_parse(text, 1, zpl_keep_reason, ret_why);
    bus_key key;
    bool good = root && take_text(root, "/curve/public-key", &key.public_text[0]) &&
                take_text(root, "/curve/secret-key", &key.secret_text[0]) && pair_matches(&key);
    if (root) zconfig_destroy(&root);
    bytes_wipe(text, sizeof text);
    if (good) *ret_key = key;
    bus_key_wipe(&key);
    return good ? MK_OK : form_fault(ret_why);
}

mk_code bus_key_load_public(const char *path, char ret_public[BUS_KEY_TEXT + 1], const char **ret_why)
{
    char text[KEY_FILE_MAX + 1];
    MK_TRY(file_read(path, false, text, ret_why));
    zconfig_t *root = zpl_parse(text, 1, zpl_keep_reason, ret_why);
    bool good = root && take_text(root, "/curve/public-key", ret_public);
    if (root) zconfig_destroy(&root);
    bytes_wipe(text, sizeof text);
    return good ? MK_OK : form_fault(ret_why);
}

bool bus_key_text_valid(const char *text)
{
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   ".-:+=^!/*?&<>()[]{}@%$#";
    uint8_t bytes[BYTES_SHA256_SIZE];
    if (strlen(text) != BUS_KEY_TEXT || strspn(text, alphabet) != BUS_KEY_TEXT) return false;
    return zmq_z85_decode(bytes, text) != NULL;
}

static mk_code file_write(const char *path, mode_t mode, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return errno == EEXIST ? MK_CONFLICT : MK_UNAVAILABLE;
    size_t size = strlen(text);
    bool good = write(fd, text, size) == (ssize_t)size && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    good = close(fd) == 0 && good;
    if (good) return MK_OK;
    unlink(path);
    return MK_UNAVAILABLE;
}

mk_code bus_key_create(const char *secret_path, const char *public_path)
{
    bus_key key;
    MK_ENSURE(zmq_curve_keypair(key.public_text, key.secret_text) == 0, MK_INTERNAL);
    char text[256];
    snprintf(text, sizeof text, "curve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n", key.public_text,
             key.secret_text);
    mk_code code = file_write(secret_path, 0400, text);
    snprintf(text, sizeof text, "curve\n    public-key = \"%s\"\n", key.public_text);
    if (code == MK_OK) {
        code = file_write(public_path, 0444, text);
        if (code != MK_OK) unlink(secret_path);
    }
    bytes_wipe(text, sizeof text);
    bus_key_wipe(&key);
    return code;
}

void bus_key_wipe(bus_key *key)
{
    bytes_wipe(key, sizeof *key);
}
