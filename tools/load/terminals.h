/* SPDX-License-Identifier: Apache-2.0 */
/* Enrolled terminals: sub-directories with terminal.pem and terminal.key. */
#ifndef MYKEY_LOAD_TERMINALS_H
#define MYKEY_LOAD_TERMINALS_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

enum { TERMINAL_ID_SIZE = 33 };

typedef struct terminal {
    X509 *certificate;
    EVP_PKEY *key;
    char id[TERMINAL_ID_SIZE]; /* the certificate's common name */
    uint8_t key_sha256[32];    /* of its SubjectPublicKeyInfo */
} terminal_t;

typedef struct terminals terminals_t;

/* In the order of their names. NULL after saying on stderr which file can't be used, or that there is none. */
terminals_t *terminals_load(const char *directory);
void terminals_destroy(terminals_t **self_p);

size_t terminals_count(const terminals_t *self);
const terminal_t *terminals_at(const terminals_t *self, size_t index);

#endif
