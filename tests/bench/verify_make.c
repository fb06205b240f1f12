/* SPDX-License-Identifier: Apache-2.0 */
/* Makes many distinct good certificates for verify_rate: one card's certificate with other serials, signed anew.
 * Usage: verify_make OUT COUNT CA.key CARD.der CARD.key [CARD.der CARD.key …]
 * OUT: records of struct record (verify_record.h). */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/verify_record.h"

enum { CARDS_MAX = 16, FIRST_SERIAL = 0x01000000 };

typedef struct card {
    struct record record; /* with its challenge's signature */
    size_t signed_at, signed_size, serial_at, signature_at;
} card_t;

static void fail(const char *what)
{
    fprintf(stderr, "verify_make: %s\n", what);
    exit(1);
}

static EVP_PKEY *load_key(const char *path)
{
    FILE *file = fopen(path, "re");
    EVP_PKEY *key = file != NULL ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    if (key == NULL) fail(path);
    fclose(file);
    return key;
}

static void sign(EVP_PKEY *key, const uint8_t digest[32], uint8_t out[256])
{
    size_t size = 256;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    if (EVP_PKEY_sign_init(context) != 1 || EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) != 1 ||
        EVP_PKEY_sign(context, out, &size, digest, 32) != 1 || size != 256) {
        fail("signing");
    }
    EVP_PKEY_CTX_free(context);
}

static void load_card(card_t *card, const char *der_path, const char *key_path)
{
    certificate_t fields;
    struct record *record = &card->record;
    FILE *file = fopen(der_path, "re");
    if (file == NULL) fail(der_path);
    record->size = (uint32_t)fread(record->certificate, 1, sizeof record->certificate, file);
    fclose(file);
    if (!certificate_read((der_t){record->certificate, record->size}, &fields)) fail("not a certificate");
    if (fields.serial.size != 4 || fields.signature.size != 256) fail("an unusual certificate");
    card->signed_at = (size_t)(fields.signed_part.data - record->certificate);
    card->signed_size = fields.signed_part.size;
    card->serial_at = (size_t)(fields.serial.data - record->certificate);
    card->signature_at = (size_t)(fields.signature.data - record->certificate);
    memset(record->digest, 0x5a, sizeof record->digest);
    EVP_PKEY *key = load_key(key_path);
    sign(key, record->digest, record->signature);
    EVP_PKEY_free(key);
}

static void issue(card_t *card, EVP_PKEY *authority, uint32_t serial)
{
    uint8_t digest[32], *certificate = card->record.certificate;
    for (int i = 0; i < 4; i++) certificate[card->serial_at + (size_t)i] = (uint8_t)(serial >> (24 - 8 * i));
    if (!rsa_digest((der_t){certificate + card->signed_at, card->signed_size}, NULL, digest)) fail("hashing");
    sign(authority, digest, certificate + card->signature_at);
}

int main(int argc, char **argv)
{
    static card_t cards[CARDS_MAX];
    if (argc < 6 || argc % 2 != 0 || argc > 4 + 2 * CARDS_MAX)
        fail("usage: verify_make OUT COUNT CA.key CARD.der CARD.key …");
    size_t card_count = (size_t)(argc - 4) / 2;
    unsigned long count = strtoul(argv[2], NULL, 10);
    EVP_PKEY *authority = load_key(argv[3]);
    for (size_t i = 0; i < card_count; i++) load_card(&cards[i], argv[4 + 2 * i], argv[5 + 2 * i]);
    FILE *out = fopen(argv[1], "we");
    if (out == NULL) fail(argv[1]);
    for (unsigned long i = 0; i < count; i++) {
        card_t *card = &cards[i % card_count];
        issue(card, authority, FIRST_SERIAL + (uint32_t)i);
        if (fwrite(&card->record, sizeof card->record, 1, out) != 1) fail("writing");
    }
    if (fclose(out) != 0) fail("writing");
    EVP_PKEY_free(authority);
    return 0;
}
