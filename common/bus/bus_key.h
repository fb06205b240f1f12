/* SPDX-License-Identifier: Apache-2.0 */
/* CURVE key files of the bus: one pair a principal. Both are ZPL as czmq's zcert writes it,
 *
 *     curve
 *         public-key = "40 characters of Z85"
 *         secret-key = "40 characters of Z85"     (secret file only)
 *
 * The secret file (NAME.key) holds both lines, mode 0400, owned by the user that reads it; the public file (NAME.pub)
 * the first alone. */
#ifndef MYKEY_BUS_BUS_KEY_H
#define MYKEY_BUS_BUS_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"

enum { BUS_KEY_TEXT = 40 };

typedef struct bus_key {
    char public_text[BUS_KEY_TEXT + 1];
    char secret_text[BUS_KEY_TEXT + 1]; /* wipe with bus_key_wipe */
} bus_key;

/* Makes a new pair and writes both files (0400 and 0444). CONFLICT if either exists, UNAVAILABLE if one can't be
 * written; then neither is left behind. */
mk_code bus_key_create(const char *secret_path, const char *public_path) MK_CHECKED;

/* Reads a secret file. UNAVAILABLE with *ret_why (static text): missing, not a file, mode, owner, form. */
mk_code bus_key_load_secret(const char *path, bus_key *ret_key, const char **ret_why) MK_CHECKED;

/* Reads the public key out of a public (or secret) file. */
mk_code bus_key_load_public(const char *path, char ret_public[BUS_KEY_TEXT + 1], const char **ret_why) MK_CHECKED;

/* 40 characters of the Z85 alphabet that decode to 32 bytes? */
bool bus_key_text_valid(const char *text);

void bus_key_wipe(bus_key *key);

#endif
