/* SPDX-License-Identifier: Apache-2.0 */
/* The JPKI applet of a My Number Card, as APDUs over a transmit function. The only commands that this file can compose
 * are: SELECT of the JPKI applet and of EF 0006, 000A, 0017, 0018; READ BINARY of the first two; VERIFY (empty or with
 * the authentication PIN); and a signature over a tap statement. Every answer is taken for hostile. */
#ifndef MYKEY_AGENT_CARD_JPKI_CARD_H
#define MYKEY_AGENT_CARD_JPKI_CARD_H

#include <stddef.h>
#include <stdint.h>

#include "agent/pin.h"
#include "agent/problem.h"

enum { JPKI_CERT_MAX = 8192, JPKI_SIGNATURE_SIZE = 256, APDU_REPLY_MAX = 258, JPKI_STATEMENT_MAX = 1024 };

/* Sends one command, writes the answer (at most cap bytes; its length may be anything up to that). Transport failures
 * come back as CARD_REMOVED, CARD_UNREADABLE, READER_…. */
typedef problem_t apdu_transmit_fn(void *arg, const uint8_t *command, size_t size, uint8_t *reply, size_t cap,
                                   size_t *ret_size);

typedef struct jpki_card {
    apdu_transmit_fn *transmit;
    void *arg;
} jpki_card_t;

/* Selects the applet (a first 6F00 is tolerated once) and looks at the token: CARD_NOT_MYNUMBER, CARD_OLD_JUKI,
 * CARD_PHONE, CARD_UNREADABLE. */
problem_t jpki_card_select(const jpki_card_t *self);

/* Reads the authentication certificate: DER of exactly the length its header says, RSA-2048. */
problem_t jpki_card_certificate(const jpki_card_t *self, uint8_t out[JPKI_CERT_MAX], size_t *ret_size);

/* PIN tries left, without using one; 0 = blocked. */
problem_t jpki_card_tries(const jpki_card_t *self, unsigned *ret_tries);

/* One VERIFY with the gathered PIN, which is wiped whatever happens. PIN_WRONG (with *ret_tries), PIN_BLOCKED. */
problem_t jpki_card_verify(const jpki_card_t *self, pin_t *pin, unsigned *ret_tries);

/* Signs the SHA-256 of a tap statement's canonical bytes (refused without their prefix: the card pads and signs
 * whatever it gets, so nothing else may pass) and checks the signature against the certificate of this session. */
problem_t jpki_card_sign(const jpki_card_t *self, const uint8_t *statement, size_t size, const uint8_t *certificate,
                         size_t certificate_size, uint8_t out[JPKI_SIGNATURE_SIZE]);

#endif
