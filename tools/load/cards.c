/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/cards.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CERTIFICATE_MAX = 8192, FIRST_CAPACITY = 64 };

struct card {
    EVP_PKEY_CTX *signer;
    uint8_t *certificate;
    size_t size;
    char *expected;
};

struct cards {
    card_t *rows;
    size_t count, capacity;
};

/* ---- one card ---- */

static bool load_certificate(card_t *self, const char *path)
{
    uint8_t buffer[CERTIFICATE_MAX];
    FILE *file = fopen(path, "rbe");
    if (!file) return false;
    self->size = fread(buffer, 1, sizeof buffer, file);
    (void)fclose(file);
    if (self->size == 0 || self->size == sizeof buffer) return false;
    self->certificate = malloc(self->size);
    if (!self->certificate) abort();
    memcpy(self->certificate, buffer, self->size);
    return true;
}

static EVP_PKEY_CTX *make_signer(EVP_PKEY *key)
{
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || EVP_PKEY_get_size(key) != CARD_SIGNATURE_SIZE) return NULL;
    EVP_PKEY_CTX *signer = EVP_PKEY_CTX_new(key, NULL);
    if (signer && EVP_PKEY_sign_init(signer) == 1 && EVP_PKEY_CTX_set_rsa_padding(signer, RSA_PKCS1_PADDING) == 1 &&
        EVP_PKEY_CTX_set_signature_md(signer, EVP_sha256()) == 1)
        return signer;
    EVP_PKEY_CTX_free(signer);
    return NULL;
}

static bool load_key(card_t *self, const char *path)
{
    BIO *file = BIO_new_file(path, "r");
    EVP_PKEY *key = file ? PEM_read_bio_PrivateKey(file, NULL, NULL, NULL) : NULL;
    if (key) self->signer = make_signer(key);
    EVP_PKEY_free(key);
    (void)BIO_free(file);
    return self->signer != NULL;
}

static bool load_card(card_t *self, const char *directory, const char *expected)
{
    char certificate[PATH_MAX], key[PATH_MAX];
    if (snprintf(certificate, sizeof certificate, "%s/auth.der", directory) >= (int)sizeof certificate) return false;
    if (snprintf(key, sizeof key, "%s/auth.key", directory) >= (int)sizeof key) return false;
    self->expected = strdup(expected);
    if (!self->expected) abort();
    return load_certificate(self, certificate) && load_key(self, key);
}

/* ---- all of them ---- */

static card_t *add_row(cards_t *self)
{
    if (self->count == self->capacity) {
        self->capacity = self->capacity > 0 ? 2 * self->capacity : FIRST_CAPACITY;
        self->rows = reallocarray(self->rows, self->capacity, sizeof *self->rows);
        if (!self->rows) abort();
    }
    card_t *row = &self->rows[self->count++];
    *row = (card_t){0};
    return row;
}

static bool load_line(cards_t *self, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *tab = strchr(line, '\t');
    if (!tab || tab[1] == '\0') return false;
    *tab = '\0';
    return load_card(add_row(self), line, tab + 1);
}

static bool load_lines(cards_t *self, FILE *file, const char *name)
{
    char *line = NULL;
    size_t capacity = 0, number = 0;
    bool good = true;
    while (good && getline(&line, &capacity, file) > 0) {
        number++;
        good = load_line(self, line);
    }
    free(line);
    if (!good) (void)fprintf(stderr, "mykey-load: %s:%zu: not a card and a number\n", name, number);
    if (number == 0) (void)fprintf(stderr, "mykey-load: %s: no card\n", name);
    return good && number > 0;
}

cards_t *cards_load(const char *name)
{
    FILE *file = fopen(name, "re");
    if (!file) {
        (void)fprintf(stderr, "mykey-load: %s: can't be read\n", name);
        return NULL;
    }
    cards_t *self = calloc(1, sizeof *self);
    if (!self) abort();
    if (!load_lines(self, file, name)) cards_destroy(&self);
    (void)fclose(file);
    return self;
}

void cards_destroy(cards_t **self_p)
{
    cards_t *self = *self_p;
    if (!self) return;
    for (size_t i = 0; i < self->count; i++) {
        EVP_PKEY_CTX_free(self->rows[i].signer);
        free(self->rows[i].certificate);
        free(self->rows[i].expected);
    }
    free(self->rows);
    free(self);
    *self_p = NULL;
}

size_t cards_count(const cards_t *self)
{
    return self->count;
}

card_t *cards_at(const cards_t *self, size_t index)
{
    return &self->rows[index];
}

const uint8_t *card_certificate(const card_t *self, size_t *ret_size)
{
    *ret_size = self->size;
    return self->certificate;
}

const char *card_expected(const card_t *self)
{
    return self->expected;
}

bool card_sign(card_t *self, const uint8_t digest[32], uint8_t out[CARD_SIGNATURE_SIZE])
{
    size_t size = CARD_SIGNATURE_SIZE;
    return EVP_PKEY_sign(self->signer, out, &size, digest, 32) == 1 && size == CARD_SIGNATURE_SIZE;
}
