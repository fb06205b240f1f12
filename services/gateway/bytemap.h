/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table whose keys are 32 evenly spread bytes (a SHA-256, a nonce) inside the items. */
#ifndef MYKEY_GATEWAY_BYTEMAP_H
#define MYKEY_GATEWAY_BYTEMAP_H

#include <czmq.h>

enum { BYTEMAP_KEY_SIZE = 32 };

/* Items and keys stay the caller's; a key must live as long as its item is in the table. Free with zhashx_destroy. */
zhashx_t *bytemap_new(void);

#endif
