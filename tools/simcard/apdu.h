/* SPDX-License-Identifier: Apache-2.0 */
/* A command APDU taken apart, and the names by which people speak of commands. */
#ifndef MYKEY_SIMCARD_APDU_H
#define MYKEY_SIMCARD_APDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum apdu_kind {
    APDU_OTHER,
    APDU_SELECT,    /* an applet, by AID */
    APDU_SELECT_EF, /* a file, by its two-byte id */
    APDU_READ,
    APDU_TRIES, /* VERIFY without data: how many tries are left? */
    APDU_VERIFY,
    APDU_CHANGE,
    APDU_SIGN,
    APDU_POWER, /* no command: the reader powers the card */
    APDU_KIND_COUNT
} apdu_kind;

typedef struct apdu {
    uint8_t cla, ins, p1, p2;
    const uint8_t *data; /* points into the bytes that were parsed */
    size_t lc;
    size_t le; /* 1 … 256; 0 = no Le */
    apdu_kind kind;
} apdu;

/* Short APDUs only (cases 1 to 4). false: too short, lengths that don't fit, or extended. */
bool apdu_parse(const uint8_t *bytes, size_t size, apdu *ret_apdu);

/* "select", "select-ef", "read", "tries", "verify", "change", "sign", "power", "other". Static. */
const char *apdu_kind_name(apdu_kind kind);

/* The kind of that name; "any" answers APDU_KIND_COUNT. -1: no such name. */
int apdu_kind_find(const char *name);

#endif
