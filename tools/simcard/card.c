/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/simcard/card.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/bytes.h"
#include "common/base/text.h"

enum { PIN_MAX = 16, PATH_SIZE = 1024, CERT_EF_SIZE = 2048, CERT_MAX = 16384, TOKEN_SIZE = 160, TOKEN_TEXT_SIZE = 32 };

/* Contactless type B, as real cards answer through most readers. */
static const uint8_t default_atr[] = {0x3B, 0x88, 0x80, 0x01, 0x00, 0x00, 0x05, 0xE0, 0xB3, 0x81, 0xA1, 0x00, 0x7F};

static const struct pin_row {
    size_t min, max;
    unsigned tries;
    const char *key, *tries_key; /* in card.json and state.json */
} pin_rows[CARD_KEYS] = {
    [CARD_AUTH] = {4, 4, 3, "pin", "tries"},
    [CARD_SIGN] = {6, PIN_MAX, 5, "sign_pin", "sign_tries"},
};

/* `source` is the file in the card's directory. */
static const struct file_row {
    uint16_t id;
    const char *name;
    card_file_kind kind;
    card_use use;
    bool needs_pin;
    const char *source;
} file_rows[] = {
    {0x0001, "sign-cert", CARD_FILE_CERT, CARD_SIGN, true, "sign.der"},
    {0x0002, "sign-ca-cert", CARD_FILE_CERT, CARD_SIGN, false, "sign-ca.der"},
    {0x0006, "token", CARD_FILE_DATA, CARD_AUTH, false, NULL},
    {0x0008, "presence", CARD_FILE_DATA, CARD_AUTH, false, NULL},
    {0x000A, "auth-cert", CARD_FILE_CERT, CARD_AUTH, false, "auth.der"},
    {0x000B, "auth-ca-cert", CARD_FILE_CERT, CARD_AUTH, false, "auth-ca.der"},
    {0x0017, "auth-key", CARD_FILE_KEY, CARD_AUTH, false, NULL},
    {0x0018, "auth-pin", CARD_FILE_PIN, CARD_AUTH, false, NULL},
    {0x001A, "sign-key", CARD_FILE_KEY, CARD_SIGN, false, NULL},
    {0x001B, "sign-pin", CARD_FILE_PIN, CARD_SIGN, false, NULL},
    {CARD_FACE + 1, "face-number", CARD_FILE_DATA, CARD_AUTH, false, "face-number.bin"},
    {CARD_FACE + 2, "face-person", CARD_FILE_DATA, CARD_AUTH, false, "face-person.bin"},
};
enum { FILE_COUNT = sizeof file_rows / sizeof file_rows[0] };

struct card {
    char name[CARD_NAME_MAX + 1];
    char path[PATH_SIZE]; /* DIR/NAME */
    uint8_t atr[CARD_ATR_MAX];
    size_t atr_size;
    char pins[CARD_KEYS][PIN_MAX + 1];
    unsigned tries[CARD_KEYS];
    EVP_PKEY *keys[CARD_KEYS];
    card_file files[FILE_COUNT];
    uint8_t *contents[FILE_COUNT];
    uint8_t token[TOKEN_SIZE];
};

bool card_name_valid(const char *name)
{
    return text_is_made_of(name, TEXT_ID "_.", 1, CARD_NAME_MAX) && name[0] != '.';
}

static bool path_of(const card_t *self, const char *file, char out[PATH_SIZE])
{
    int size = snprintf(out, PATH_SIZE, "%s/%s", self->path, file);
    return size > 0 && size < PATH_SIZE;
}

/* ---- loading ---- */

/* The whole EF: a certificate's DER, say, and then FF up to the file's size, as on a real card. */
static mk_code load_source(card_t *self, size_t index, char *why)
{
    char path[PATH_SIZE];
    MK_ENSURE(path_of(self, file_rows[index].source, path), MK_TOO_LARGE);
    FILE *file = fopen(path, "rb");
    if (file == NULL) return MK_NOT_FOUND;
    uint8_t *data = malloc(CERT_MAX);
    if (data == NULL) abort();
    memset(data, 0xFF, CERT_MAX);
    size_t size = fread(data, 1, CERT_MAX, file);
    fclose(file);
    if (size < 4 || size == CERT_MAX) {
        free(data);
        snprintf(why, CARD_WHY_MAX, "%s is not a certificate", file_rows[index].source);
        return MK_CERT_MALFORMED;
    }
    self->contents[index] = data;
    self->files[index].data = data;
    self->files[index].size = size < CERT_EF_SIZE ? CERT_EF_SIZE : size;
    return MK_OK;
}

static mk_code load_key(card_t *self, card_use use, const char *source, char *why)
{
    char path[PATH_SIZE];
    MK_ENSURE(path_of(self, source, path), MK_TOO_LARGE);
    FILE *file = fopen(path, "r");
    if (file == NULL) return MK_NOT_FOUND;
    self->keys[use] = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    if (self->keys[use] != NULL && EVP_PKEY_get_size(self->keys[use]) == CARD_SIGNATURE_SIZE) return MK_OK;
    ERR_clear_error();
    snprintf(why, CARD_WHY_MAX, "%s is not an RSA-2048 key in PEM", source);
    return MK_BAD_REQUEST;
}

static void set_file(card_t *self, uint16_t id, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < FILE_COUNT; i++) {
        if (file_rows[i].id != id) continue;
        self->files[i].data = data;
        self->files[i].size = size;
    }
}

static void fill_files(card_t *self)
{
    for (size_t i = 0; i < FILE_COUNT; i++) {
        const struct file_row *row = &file_rows[i];
        self->files[i] = (card_file){row->id, row->name, row->kind, row->use, row->needs_pin, NULL, 0};
    }
}

static mk_code load_files(card_t *self, char *why)
{
    static const uint8_t both[] = {0x8F, 0x8F, 0x00};
    static const uint8_t auth_only[] = {0x8F, 0x00, 0x00};
    fill_files(self);
    for (size_t i = 0; i < FILE_COUNT; i++) {
        if (file_rows[i].source == NULL) continue;
        mk_code code = load_source(self, i, why);
        bool optional = file_rows[i].id != 0x000A;
        if (code == MK_NOT_FOUND && optional) continue;
        if (code == MK_NOT_FOUND) snprintf(why, CARD_WHY_MAX, "%s: auth.der is missing", self->name);
        MK_TRY(code);
    }
    mk_code code = load_key(self, CARD_AUTH, "auth.key", why);
    if (code == MK_NOT_FOUND) snprintf(why, CARD_WHY_MAX, "%s: auth.key is missing", self->name);
    MK_TRY(code);
    code = load_key(self, CARD_SIGN, "sign.key", why);
    if (code != MK_NOT_FOUND) MK_TRY(code);
    bool has_sign = self->keys[CARD_SIGN] != NULL;
    set_file(self, 0x0008, has_sign ? both : auth_only, sizeof both);
    set_file(self, 0x0006, self->token, TOKEN_SIZE);
    return MK_OK;
}

static mk_code take_pin(card_t *self, card_use use, const json_t *object, char *why)
{
    const char *pin = json_string_value(json_object_get(object, pin_rows[use].key));
    if (pin == NULL) return MK_OK;
    if (!card_pin_size_valid(use, strlen(pin))) {
        snprintf(why, CARD_WHY_MAX, "card.json: \"%s\" has the wrong length", pin_rows[use].key);
        return MK_BAD_REQUEST;
    }
    memcpy(self->pins[use], pin, strlen(pin) + 1);
    return MK_OK;
}

static void take_token(card_t *self, const char *token)
{
    size_t size = strlen(token);
    memset(self->token, 0, sizeof self->token);
    memset(self->token, ' ', TOKEN_TEXT_SIZE);
    memcpy(self->token, token, size < TOKEN_TEXT_SIZE ? size : TOKEN_TEXT_SIZE);
}

static mk_code take_atr(card_t *self, const char *hex, char *why)
{
    memcpy(self->atr, default_atr, sizeof default_atr);
    self->atr_size = sizeof default_atr;
    if (hex == NULL) return MK_OK;
    size_t size = strlen(hex) / 2;
    if (size >= 2 && size <= CARD_ATR_MAX && bytes_from_hex(hex, self->atr, size) == MK_OK) {
        self->atr_size = size;
        return MK_OK;
    }
    snprintf(why, CARD_WHY_MAX, "card.json: \"atr\" is not 2 to 33 bytes in hex");
    return MK_BAD_REQUEST;
}

static mk_code take_profile(card_t *self, const json_t *profile, char *why)
{
    MK_TRY(take_pin(self, CARD_AUTH, profile, why));
    MK_TRY(take_pin(self, CARD_SIGN, profile, why));
    if (self->pins[CARD_AUTH][0] == 0) {
        snprintf(why, CARD_WHY_MAX, "card.json: \"pin\" is missing");
        return MK_BAD_REQUEST;
    }
    const char *token = json_string_value(json_object_get(profile, "token"));
    take_token(self, token == NULL ? "JPKIAPICCTOKEN2" : token);
    return take_atr(self, json_string_value(json_object_get(profile, "atr")), why);
}

static json_t *read_json(const card_t *self, const char *file)
{
    char path[PATH_SIZE];
    if (!path_of(self, file, path)) return NULL;
    return json_load_file(path, 0, NULL);
}

static mk_code load_profile(card_t *self, char *why)
{
    json_t *profile = read_json(self, "card.json");
    if (profile == NULL) {
        snprintf(why, CARD_WHY_MAX, "%s: card.json is missing or not JSON", self->name);
        return MK_NOT_FOUND;
    }
    mk_code code = take_profile(self, profile, why);
    json_decref(profile);
    return code;
}

/* A state file that can't be read counts as none: a new card. */
static void load_state(card_t *self)
{
    char ignored[CARD_WHY_MAX];
    json_t *state = read_json(self, "state.json");
    for (int use = 0; use < CARD_KEYS; use++) {
        const json_t *tries = json_object_get(state, pin_rows[use].tries_key);
        self->tries[use] = pin_rows[use].tries;
        if (json_is_integer(tries)) self->tries[use] = (unsigned)json_integer_value(tries) & 0x0F;
        if (take_pin(self, (card_use)use, state, ignored) != MK_OK) continue;
    }
    json_decref(state);
}

mk_code card_load(const char *dir, const char *name, card_t **ret_card, char *why)
{
    if (!card_name_valid(name)) {
        snprintf(why, CARD_WHY_MAX, "not a card's name");
        return MK_BAD_REQUEST;
    }
    card_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    snprintf(self->name, sizeof self->name, "%s", name);
    int size = snprintf(self->path, sizeof self->path, "%s/%s", dir, name);
    mk_code code = size < PATH_SIZE ? load_profile(self, why) : MK_TOO_LARGE;
    if (code == MK_OK) code = load_files(self, why);
    if (code != MK_OK) {
        card_destroy(&self);
        return code;
    }
    load_state(self);
    *ret_card = self;
    return MK_OK;
}

void card_destroy(card_t **self_p)
{
    card_t *self = *self_p;
    if (self == NULL) return;
    for (size_t i = 0; i < FILE_COUNT; i++) free(self->contents[i]);
    for (int use = 0; use < CARD_KEYS; use++) EVP_PKEY_free(self->keys[use]);
    bytes_wipe(self, sizeof *self);
    free(self);
    *self_p = NULL;
}

/* ---- what it holds ---- */

const char *card_name(const card_t *self)
{
    return self->name;
}

const uint8_t *card_atr(const card_t *self, size_t *ret_size)
{
    *ret_size = self->atr_size;
    return self->atr;
}

static bool file_exists(const card_t *self, const card_file *file)
{
    if (file->kind == CARD_FILE_KEY) return card_has_key(self, file->use);
    if (file->kind == CARD_FILE_PIN) return self->pins[file->use][0] != 0;
    return file->data != NULL;
}

const card_file *card_find_file(const card_t *self, uint16_t id)
{
    for (size_t i = 0; i < FILE_COUNT; i++) {
        if (self->files[i].id == id && file_exists(self, &self->files[i])) return &self->files[i];
    }
    return NULL;
}

/* ---- PINs ---- */

/* Written aside and renamed: a crash leaves the old state or the new one. A tool's file: errors are told, not fatal. */
static void save_state(const card_t *self)
{
    char path[PATH_SIZE], aside[PATH_SIZE];
    if (!path_of(self, "state.json", path) || !path_of(self, "state.json.new", aside)) return;
    json_t *state = json_object();
    for (int use = 0; use < CARD_KEYS; use++) {
        json_object_set_new(state, pin_rows[use].tries_key, json_integer(self->tries[use]));
        if (self->pins[use][0] != 0) json_object_set_new(state, pin_rows[use].key, json_string(self->pins[use]));
    }
    if (json_dump_file(state, aside, JSON_COMPACT) != 0 || rename(aside, path) != 0) {
        fprintf(stderr, "mykey-simcard: can't write %s: %s\n", path, strerror(errno));
    }
    json_decref(state);
}

unsigned card_tries(const card_t *self, card_use use)
{
    return self->tries[use];
}

void card_set_tries(card_t *self, card_use use, unsigned tries)
{
    self->tries[use] = tries;
    save_state(self);
}

void card_unblock(card_t *self)
{
    for (int use = 0; use < CARD_KEYS; use++) self->tries[use] = pin_rows[use].tries;
    save_state(self);
}

bool card_pin_size_valid(card_use use, size_t size)
{
    return size >= pin_rows[use].min && size <= pin_rows[use].max;
}

bool card_check_pin(card_t *self, card_use use, const uint8_t *pin, size_t size)
{
    if (self->tries[use] == 0) return false;
    bool right = size == strlen(self->pins[use]) && memcmp(pin, self->pins[use], size) == 0;
    card_set_tries(self, use, right ? pin_rows[use].tries : self->tries[use] - 1);
    return right;
}

void card_change_pin(card_t *self, card_use use, const uint8_t *pin, size_t size)
{
    memcpy(self->pins[use], pin, size);
    self->pins[use][size] = 0;
    save_state(self);
}

/* ---- signing ---- */

bool card_has_key(const card_t *self, card_use use)
{
    return self->keys[use] != NULL;
}

static bool sign_with(EVP_PKEY_CTX *context, int padding, const EVP_MD *digest, const uint8_t *data, size_t size,
                      uint8_t *out)
{
    size_t out_size = CARD_SIGNATURE_SIZE;
    return EVP_PKEY_sign_init(context) == 1 && EVP_PKEY_CTX_set_rsa_padding(context, padding) == 1 &&
           (digest == NULL || EVP_PKEY_CTX_set_signature_md(context, digest) == 1) &&
           (padding != RSA_PKCS1_PSS_PADDING ||
            EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1) &&
           EVP_PKEY_sign(context, out, &out_size, data, size) == 1 && out_size == CARD_SIGNATURE_SIZE;
}

static const struct padding_row {
    bool hashes, takes_hash, with_digest; /* hashes itself; wants exactly 32 bytes; knows which digest it is */
    int padding;
} padding_rows[CARD_PAD_COUNT] = {
    [CARD_PAD_RAW] = {false, false, false, RSA_PKCS1_PADDING},
    [CARD_PAD_BARE_HASH] = {false, true, false, RSA_PKCS1_PADDING},
    [CARD_PAD_DIGEST_INFO] = {false, true, true, RSA_PKCS1_PADDING},
    [CARD_PAD_HASHING] = {true, false, true, RSA_PKCS1_PADDING},
    [CARD_PAD_PSS] = {false, true, true, RSA_PKCS1_PSS_PADDING},
    [CARD_PAD_PSS_HASHING] = {true, false, true, RSA_PKCS1_PSS_PADDING},
};

mk_code card_sign(const card_t *self, card_use use, card_padding padding, const uint8_t *data, size_t size,
                  uint8_t out[CARD_SIGNATURE_SIZE])
{
    const struct padding_row *row = &padding_rows[padding];
    uint8_t hash[SHA256_DIGEST_LENGTH];
    MK_ENSURE(!row->takes_hash || size == sizeof hash, MK_BAD_REQUEST);
    if (row->hashes) {
        bytes_sha256(data, size, hash);
        data = hash;
        size = sizeof hash;
    }
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(self->keys[use], NULL);
    if (context == NULL) abort();
    bool done = sign_with(context, row->padding, row->with_digest ? EVP_sha256() : NULL, data, size, out);
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return done ? MK_OK : MK_INTERNAL;
}

mk_code card_modulus(const card_t *self, card_use use, uint8_t out[CARD_SIGNATURE_SIZE])
{
    BIGNUM *n = NULL;
    MK_ENSURE(EVP_PKEY_get_bn_param(self->keys[use], OSSL_PKEY_PARAM_RSA_N, &n) == 1, MK_INTERNAL);
    int size = BN_bn2binpad(n, out, CARD_SIGNATURE_SIZE);
    BN_free(n);
    return size == CARD_SIGNATURE_SIZE ? MK_OK : MK_INTERNAL;
}
