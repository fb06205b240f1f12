/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/terminals.h"

#include <dirent.h>
#include <limits.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/bytes.h"

struct terminals {
    terminal_t *rows;
    size_t count;
};

static BIO *open_in(const char *folder, const char *name)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) return NULL;
    BIO *file = BIO_new_file(path, "r");
    if (!file) (void)fprintf(stderr, "mykey-load: %s: can't be read\n", path);
    return file;
}

static bool read_names(terminal_t *row)
{
    uint8_t *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(row->certificate), &der);
    if (size <= 0) return false;
    bytes_sha256(der, (size_t)size, row->key_sha256);
    OPENSSL_free(der);
    return X509_NAME_get_text_by_NID(X509_get_subject_name(row->certificate), NID_commonName, row->id, sizeof row->id) >
           0;
}

static bool load_row(terminal_t *row, const char *folder)
{
    BIO *certificate = open_in(folder, "terminal.pem"), *key = open_in(folder, "terminal.key");
    if (certificate) row->certificate = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
    if (key) row->key = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
    (void)BIO_free(certificate);
    (void)BIO_free(key);
    return row->certificate && row->key && X509_check_private_key(row->certificate, row->key) == 1 && read_names(row);
}

static int is_terminal(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool load_entry(terminals_t *self, const char *directory, const char *name)
{
    char folder[PATH_MAX];
    struct stat info;
    if (snprintf(folder, sizeof folder, "%s/%s", directory, name) >= (int)sizeof folder) return false;
    if (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode)) return true;
    if (load_row(&self->rows[self->count++], folder)) return true;
    (void)fprintf(stderr, "mykey-load: %s: not a terminal\n", folder);
    return false;
}

static bool load_all(terminals_t *self, const char *directory, struct dirent **entries, int count)
{
    self->rows = calloc((size_t)count + 1, sizeof *self->rows);
    if (!self->rows) abort();
    for (int i = 0; i < count; i++)
        if (!load_entry(self, directory, entries[i]->d_name)) return false;
    if (self->count == 0) (void)fprintf(stderr, "mykey-load: %s: no terminal\n", directory);
    return self->count > 0;
}

terminals_t *terminals_load(const char *directory)
{
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_terminal, alphasort);
    terminals_t *self = calloc(1, sizeof *self);
    if (!self) abort();
    if (!load_all(self, directory, entries, count < 0 ? 0 : count)) terminals_destroy(&self);
    for (int i = 0; i < count; i++) free(entries[i]);
    free(entries);
    return self;
}

void terminals_destroy(terminals_t **self_p)
{
    terminals_t *self = *self_p;
    if (!self) return;
    for (size_t i = 0; i < self->count; i++) {
        X509_free(self->rows[i].certificate);
        EVP_PKEY_free(self->rows[i].key);
    }
    free(self->rows);
    free(self);
    *self_p = NULL;
}

size_t terminals_count(const terminals_t *self)
{
    return self->count;
}

const terminal_t *terminals_at(const terminals_t *self, size_t index)
{
    return &self->rows[index];
}
