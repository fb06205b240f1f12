/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/card/jpki_card.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/bytes.h"

enum {
    EF_TOKEN = 0x0006,
    EF_CERTIFICATE = 0x000A,
    EF_KEY = 0x0017,
    EF_PIN = 0x0018,
    SW_OK = 0x9000,
    TOKEN_MIN = 14, /* the shortest that we know; the card pads to 32 */
    READS_MAX = 64, /* a real certificate takes 7 or 8 */
};

typedef struct answer {
    uint8_t data[APDU_REPLY_MAX];
    size_t size; /* without the status word */
    unsigned sw;
} answer;

/* A card pulled in flight gives success with no bytes at all (vpcd) or an error (CCID). */
static problem_t exchange(const jpki_card_t *self, const uint8_t *command, size_t size, size_t expected, answer *out)
{
    size_t got = 0;
    PROBLEM_TRY(self->transmit(self->arg, command, size, out->data, sizeof out->data, &got));
    if (got == 0) return PROBLEM_CARD_REMOVED;
    if (got < 2 || got > expected + 2 || got > sizeof out->data) return PROBLEM_CARD_UNREADABLE;
    out->size = got - 2;
    out->sw = (unsigned)out->data[got - 2] << 8 | out->data[got - 1];
    return MK_OK;
}

static problem_t select_file(const jpki_card_t *self, unsigned file)
{
    const uint8_t command[] = {0x00, 0xA4, 0x02, 0x0C, 0x02, (uint8_t)(file >> 8), (uint8_t)file};
    answer reply;
    PROBLEM_TRY(exchange(self, command, sizeof command, 0, &reply));
    return reply.sw == SW_OK ? MK_OK : PROBLEM_CARD_UNREADABLE;
}

/* count: 1 … 256; fewer bytes may come, none is an error. */
static problem_t read_binary(const jpki_card_t *self, size_t offset, size_t count, answer *out)
{
    const uint8_t command[] = {0x00, 0xB0, (uint8_t)(offset >> 8), (uint8_t)offset, (uint8_t)count};
    PROBLEM_TRY(exchange(self, command, sizeof command, count, out));
    return out->sw == SW_OK && out->size > 0 ? MK_OK : PROBLEM_CARD_UNREADABLE;
}

/* ---- which card is this ---- */

static const struct {
    const char *token;
    problem_t problem;
} tokens[] = {
    {"JPKIAPICCTOKEN2", MK_OK},
    {"JPKIAPICCTOKEN", PROBLEM_CARD_OLD_JUKI},
    {"JPKIAPGPSETOKEN", PROBLEM_CARD_PHONE},
    {"JPKIAPIOSTOKEN", PROBLEM_CARD_PHONE},
};

static problem_t judge_token(const uint8_t *data, size_t size)
{
    while (size > 0 && (data[size - 1] == ' ' || data[size - 1] == 0)) size--;
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++)
        if (strlen(tokens[i].token) == size && memcmp(tokens[i].token, data, size) == 0) return tokens[i].problem;
    return PROBLEM_CARD_NOT_MYNUMBER;
}

static problem_t select_applet(const jpki_card_t *self)
{
    static const uint8_t command[] = {0x00, 0xA4, 0x04, 0x0C, 0x0A, 0xD3, 0x92, 0xF0,
                                      0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01};
    answer reply;
    PROBLEM_TRY(exchange(self, command, sizeof command, 0, &reply));
    /* Some cards answer the first command after power-on with 6F00. */
    if (reply.sw == 0x6F00) PROBLEM_TRY(exchange(self, command, sizeof command, 0, &reply));
    if (reply.sw == SW_OK) return MK_OK;
    bool absent = reply.sw == 0x6A82 || reply.sw == 0x6A81 || reply.sw == 0x6A86 || reply.sw == 0x6D00 ||
                  reply.sw == 0x6E00 || reply.sw == 0x6999;
    return absent ? PROBLEM_CARD_NOT_MYNUMBER : PROBLEM_CARD_UNREADABLE;
}

problem_t jpki_card_select(const jpki_card_t *self)
{
    answer reply;
    PROBLEM_TRY(select_applet(self));
    PROBLEM_TRY(select_file(self, EF_TOKEN));
    PROBLEM_TRY(read_binary(self, 0, 32, &reply));
    return reply.size < TOKEN_MIN ? PROBLEM_CARD_UNREADABLE : judge_token(reply.data, reply.size);
}

/* ---- certificate ---- */

static EVP_PKEY *key_of(const uint8_t *certificate, size_t size)
{
    const uint8_t *cursor = certificate;
    X509 *x509 = d2i_X509(NULL, &cursor, (long)size);
    EVP_PKEY *key = x509 && cursor == certificate + size ? X509_get_pubkey(x509) : NULL;
    X509_free(x509);
    if (key && (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || EVP_PKEY_get_bits(key) != 2048)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

/* Total length out of "30 82 LL LL"; 0 if it is anything else or too large. */
static size_t der_length(const uint8_t *data, size_t size)
{
    if (size < 4 || data[0] != 0x30 || data[1] != 0x82) return 0;
    size_t total = 4 + ((size_t)data[2] << 8 | data[3]);
    return total >= 256 && total <= JPKI_CERT_MAX ? total : 0;
}

static problem_t read_certificate(const jpki_card_t *self, uint8_t *out, size_t *ret_size)
{
    answer reply;
    PROBLEM_TRY(read_binary(self, 0, 256, &reply));
    size_t total = der_length(reply.data, reply.size);
    if (total == 0) return PROBLEM_CARD_UNREADABLE;
    size_t have = reply.size;
    memcpy(out, reply.data, have);
    for (unsigned reads = 1; have < total; reads++) {
        if (reads == READS_MAX) return PROBLEM_CARD_UNREADABLE;
        size_t want = total - have < 256 ? total - have : 256;
        PROBLEM_TRY(read_binary(self, have, want, &reply));
        memcpy(out + have, reply.data, reply.size);
        have += reply.size;
    }
    *ret_size = total;
    return MK_OK;
}

problem_t jpki_card_certificate(const jpki_card_t *self, uint8_t out[JPKI_CERT_MAX], size_t *ret_size)
{
    uint8_t buffer[JPKI_CERT_MAX];
    size_t size = 0;
    PROBLEM_TRY(select_file(self, EF_CERTIFICATE));
    PROBLEM_TRY(read_certificate(self, buffer, &size));
    EVP_PKEY *key = key_of(buffer, size);
    if (!key) return PROBLEM_CARD_UNREADABLE;
    EVP_PKEY_free(key);
    memcpy(out, buffer, size);
    *ret_size = size;
    return MK_OK;
}

/* ---- PIN ---- */

static bool says_tries(unsigned sw, unsigned *tries)
{
    *tries = (sw & 0xFFF0) == 0x63C0 ? sw & 0xF : 0;
    return (sw & 0xFFF0) == 0x63C0 || sw == 0x6983 || sw == 0x6984;
}

problem_t jpki_card_tries(const jpki_card_t *self, unsigned *ret_tries)
{
    static const uint8_t query[] = {0x00, 0x20, 0x00, 0x80};
    answer reply;
    unsigned tries = 0;
    PROBLEM_TRY(select_file(self, EF_PIN));
    PROBLEM_TRY(exchange(self, query, sizeof query, 0, &reply));
    if (!says_tries(reply.sw, &tries)) return PROBLEM_CARD_UNREADABLE;
    *ret_tries = tries;
    return MK_OK;
}

static problem_t verify(const jpki_card_t *self, pin_t *pin, unsigned *ret_tries)
{
    const uint8_t *command = pin_verify_apdu(pin);
    answer reply;
    unsigned tries = 0;
    if (!command) return MK_BAD_REQUEST;
    PROBLEM_TRY(exchange(self, command, PIN_APDU_SIZE, 0, &reply));
    if (reply.sw == SW_OK) return MK_OK;
    if (!says_tries(reply.sw, &tries)) return PROBLEM_CARD_UNREADABLE;
    *ret_tries = tries;
    return tries > 0 ? PROBLEM_PIN_WRONG : PROBLEM_PIN_BLOCKED;
}

problem_t jpki_card_verify(const jpki_card_t *self, pin_t *pin, unsigned *ret_tries)
{
    problem_t problem = select_file(self, EF_PIN);
    if (!problem) problem = verify(self, pin, ret_tries);
    pin_wipe(pin);
    return problem;
}

/* ---- signature ---- */

static bool signature_matches(const uint8_t *digest, const uint8_t *signature, const uint8_t *certificate, size_t size)
{
    EVP_PKEY *key = key_of(certificate, size);
    EVP_PKEY_CTX *ctx = key ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    bool good = ctx && EVP_PKEY_verify_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
                EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
                EVP_PKEY_verify(ctx, signature, JPKI_SIGNATURE_SIZE, digest, BYTES_SHA256_SIZE) == 1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return good;
}

static problem_t sign_digest(const jpki_card_t *self, const uint8_t *digest, answer *out)
{
    uint8_t command[5 + 19 + BYTES_SHA256_SIZE + 1] = {0x80, 0x2A, 0x00, 0x80, 0x33, /* command, length 51 */
                                                       0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60,
                                                       0x86, 0x48, 0x01, 0x65, 0x03, /* DigestInfo of SHA-256 */
                                                       0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    memcpy(command + 5 + 19, digest, BYTES_SHA256_SIZE);
    PROBLEM_TRY(select_file(self, EF_KEY));
    PROBLEM_TRY(exchange(self, command, sizeof command, JPKI_SIGNATURE_SIZE, out));
    /* 6982: the card lost the PIN status, so it was away in between. */
    if (out->sw == 0x6982) return PROBLEM_CARD_REMOVED;
    return out->sw == SW_OK && out->size == JPKI_SIGNATURE_SIZE ? MK_OK : PROBLEM_CARD_UNREADABLE;
}

problem_t jpki_card_sign(const jpki_card_t *self, const uint8_t *statement, size_t size, const uint8_t *certificate,
                         size_t certificate_size, uint8_t out[JPKI_SIGNATURE_SIZE])
{
    static const char prefix[] = "MYKEY-TAP-1"; /* with its NUL */
    uint8_t digest[BYTES_SHA256_SIZE];
    answer reply;
    if (size <= sizeof prefix || size > JPKI_STATEMENT_MAX || memcmp(statement, prefix, sizeof prefix) != 0)
        return MK_BAD_REQUEST;
    bytes_sha256(statement, size, digest);
    PROBLEM_TRY(sign_digest(self, digest, &reply));
    if (!signature_matches(digest, reply.data, certificate, certificate_size)) return PROBLEM_CARD_UNREADABLE;
    memcpy(out, reply.data, JPKI_SIGNATURE_SIZE);
    return MK_OK;
}
