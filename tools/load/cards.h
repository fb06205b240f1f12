/* SPDX-License-Identifier: Apache-2.0 */
/* The holders' cards: certificate, ready private key and the number that a tap must answer. */
#ifndef MYKEY_LOAD_CARDS_H
#define MYKEY_LOAD_CARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CARD_SIGNATURE_SIZE = 256 };

typedef struct card card_t;
typedef struct cards cards_t;

/* Lines of FILE: a card's directory (auth.der, auth.key), a tab, the expected customer number. NULL after saying on
 * stderr which line can't be used, or that there is none. */
cards_t *cards_load(const char *file);
void cards_destroy(cards_t **self_p);

size_t cards_count(const cards_t *self);
card_t *cards_at(const cards_t *self, size_t index);

/* DER; valid as long as the cards. */
const uint8_t *card_certificate(const card_t *self, size_t *ret_size);
const char *card_expected(const card_t *self);

/* RSA PKCS#1 v1.5 over this SHA-256; false if the library can't. */
bool card_sign(card_t *self, const uint8_t digest[32], uint8_t out[CARD_SIGNATURE_SIZE]);

#endif
