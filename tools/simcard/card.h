/* SPDX-License-Identifier: Apache-2.0 */
/* One card: what is printed into its memory (files, keys, PINs) and what it remembers without power (tries left).
 *
 * A card is a directory DIR/NAME: auth.der, auth.key, auth-ca.der, sign.der, sign.key, sign-ca.der and
 * card.json {"pin":"1234","sign_pin":"ABC123","token":"JPKIAPICCTOKEN2","atr":"3b88…"} (all but pin may be absent; so
 * may sign.* of a child's card). face-number.bin and face-person.bin: what is printed on the card, which a real one
 * gives out for another PIN, and this one to whoever asks. state.json holds what changes: tries left and changed PINs;
 * it is written before the card answers, as a real card does. */
#ifndef MYKEY_SIMCARD_CARD_H
#define MYKEY_SIMCARD_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"

/* Ids of the files of the other applet (what is printed on the card) begin here. */
enum { CARD_FACE = 0x8000 };

enum { CARD_NAME_MAX = 64, CARD_WHY_MAX = 256, CARD_SIGNATURE_SIZE = 256, CARD_ATR_MAX = 33, CARD_KEYS = 2 };

/* Which of the two certificates, keys and PINs. */
typedef enum card_use { CARD_AUTH, CARD_SIGN } card_use;

typedef enum card_file_kind { CARD_FILE_DATA, CARD_FILE_CERT, CARD_FILE_KEY, CARD_FILE_PIN } card_file_kind;

typedef struct card_file {
    uint16_t id;      /* 0x000A; CARD_FACE + … of the other applet */
    const char *name; /* "auth-cert" */
    card_file_kind kind;
    card_use use;
    bool needs_pin;      /* to read */
    const uint8_t *data; /* NULL for keys and PINs */
    size_t size;
} card_file;

typedef struct card card_t;

/* Reads DIR/NAME. name: letters, digits, '-', '_', '.', not beginning with '.'. why (CARD_WHY_MAX bytes) says what is
 * missing or wrong. */
mk_code card_load(const char *dir, const char *name, card_t **ret_card, char *why) MK_CHECKED;
void card_destroy(card_t **self_p);

bool card_name_valid(const char *name);
const char *card_name(const card_t *self);
const uint8_t *card_atr(const card_t *self, size_t *ret_size);

/* NULL: no such file on this card. */
const card_file *card_find_file(const card_t *self, uint16_t id);

/* Tries left, 0 = blocked. */
unsigned card_tries(const card_t *self, card_use use);
void card_set_tries(card_t *self, card_use use, unsigned tries);
void card_unblock(card_t *self);

/* Compares; counts down or back to full, and writes the state file first. false when wrong or blocked. */
bool card_check_pin(card_t *self, card_use use, const uint8_t *pin, size_t size);

/* Is this a possible PIN: 4 for authentication, 6 to 16 for signing? */
bool card_pin_size_valid(card_use use, size_t size);
void card_change_pin(card_t *self, card_use use, const uint8_t *pin, size_t size);

/* How the card pads what it is given, by P1 of the command. */
typedef enum card_padding {
    CARD_PAD_RAW,         /* PKCS#1 v1.5 type 1 around the caller's bytes, 1 … 245 */
    CARD_PAD_BARE_HASH,   /* the same around exactly 32 bytes */
    CARD_PAD_DIGEST_INFO, /* 32 bytes of hash; the card adds the DigestInfo */
    CARD_PAD_HASHING,     /* the card hashes and adds the DigestInfo */
    CARD_PAD_PSS,         /* 32 bytes of hash */
    CARD_PAD_PSS_HASHING,
    CARD_PAD_COUNT
} card_padding;

bool card_has_key(const card_t *self, card_use use);
mk_code card_sign(const card_t *self, card_use use, card_padding padding, const uint8_t *data, size_t size,
                  uint8_t out[CARD_SIGNATURE_SIZE]) MK_CHECKED;

/* The key's modulus, big-endian. */
mk_code card_modulus(const card_t *self, card_use use, uint8_t out[CARD_SIGNATURE_SIZE]) MK_CHECKED;

#endif
