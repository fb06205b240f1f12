/* SPDX-License-Identifier: Apache-2.0 */
/* Tap tickets: sealed by jpki-verify with the consumer's key, opened by that consumer alone. */
#ifndef MYKEY_TICKET_TICKET_H
#define MYKEY_TICKET_TICKET_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"
#include "common/keyfile/keyfile.h"
#include "proto/tap.pb-c.h"

enum { TICKET_LIFE_MS = 10000, TICKET_MAX = 1024 };

/* Packs and seals with the newest key of the ring. *ret_data is malloc'ed, the caller frees. */
mk_code ticket_seal(const keyring_t *keys, const Mykey__TapTicket *ticket, uint8_t **ret_data,
                    size_t *ret_size) MK_CHECKED;

/* Checks form, key version, MAC (constant time), consumer and expiry (now_ms: wall clock; a ticket that expires more
 * than TICKET_LIFE_MS + 2 s ahead is refused too). TICKET_INVALID, TICKET_CONSUMER, TICKET_EXPIRED. Free with pb_free.
 */
mk_code ticket_open(const keyring_t *keys, const char *consumer, const uint8_t *data, size_t size, uint64_t now_ms,
                    Mykey__TapTicket **ret_ticket) MK_CHECKED;

#endif
