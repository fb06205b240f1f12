/* SPDX-License-Identifier: Apache-2.0 */
/* Secret keys in files: one line "VERSION HEX64" a key, newest last, mode 0400, owned by the reading user. */
#ifndef MYKEY_KEYFILE_KEYFILE_H
#define MYKEY_KEYFILE_KEYFILE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"

enum { KEYFILE_KEY_SIZE = 32, KEYFILE_KEYS_MAX = 8, KEYFILE_MAC_SIZE = 32 };

typedef struct keyring keyring_t;

/* Reads and checks the file. *ret_why (static text) says what is wrong: missing, mode, owner, form, order. */
mk_code keyring_load(const char *path, keyring_t **ret_keys, const char **ret_why) MK_CHECKED;

/* Wipes and frees. */
void keyring_destroy(keyring_t **self_p);

/* The newest version, and the next older than one (0: none). */
uint32_t keyring_newest(const keyring_t *self);
uint32_t keyring_older(const keyring_t *self, uint32_t version);

/* HMAC-SHA256 under a version's key. NOT_FOUND: not in the file. */
mk_code keyring_mac(const keyring_t *self, uint32_t version, const uint8_t *data, size_t size,
                    uint8_t out[KEYFILE_MAC_SIZE]) MK_CHECKED;

/* Makes a new file with one random key of version 1; CONFLICT if it exists. */
mk_code keyring_create(const char *path) MK_CHECKED;

#endif
