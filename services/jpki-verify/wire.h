/* SPDX-License-Identifier: Apache-2.0 */
/* Packets between the bus process and its parser, over a SOCK_SEQPACKET pair on one machine: host byte order.
 *
 *   bus process → parser   ROOT (pinned bytes) …, INDEX (its descriptor in SCM_RIGHTS), START, then VERIFY …
 *   parser → bus process   READY once, then one VERDICT for each VERIFY, in their order
 *
 * The parser enters its sandbox at START, before it reads a byte of the index or of a certificate. */
#ifndef MYKEY_JPKI_WIRE_H
#define MYKEY_JPKI_WIRE_H

#include <stdint.h>

#include "services/jpki-verify/check.h"

enum { WIRE_SOCKET_FD = 3 };

/* How a parser ends that can't go on. */
enum { WIRE_EXIT_PROTOCOL = 3, WIRE_EXIT_SANDBOX, WIRE_EXIT_ROOT };

typedef enum wire_kind { WIRE_ROOT = 1, WIRE_INDEX, WIRE_START, WIRE_VERIFY, WIRE_READY, WIRE_VERDICT } wire_kind;

/* To the parser. The payload is the certificate, then the signature. */
typedef struct wire_request {
    uint32_t kind;
    uint32_t certificate_size; /* or the root's */
    uint32_t signature_size;
    uint64_t id;
    uint8_t digest[RSA_DIGEST_SIZE];
    uint8_t payload[PROFILE_CERTIFICATE_MAX + PROFILE_SIGNATURE_MAX];
} wire_request;

#define WIRE_REQUEST_HEAD offsetof(wire_request, payload)

/* What is known of a root's certificates: over all its parts of the index, the oldest thisUpdate, the first and the
 * last nextUpdate. Times in seconds since the Unix epoch. */
typedef struct wire_root {
    uint64_t parts, revoked;
    int64_t this_update, first_next_update, last_next_update, not_after;
} wire_root;

typedef struct wire_ready {
    uint32_t kind;
    uint32_t sandboxed;
    uint32_t root_count; /* taken; fewer than were sent is a fault */
    uint32_t has_index;  /* one was sent and it is whole */
    wire_root roots[PROFILE_ROOTS_MAX];
    char version[32];
} wire_ready;

typedef struct wire_verdict {
    uint32_t kind;
    uint32_t check; /* check_id: CHECK_PASSED or the row that failed */
    uint64_t id;
    uint32_t issuer_size, serial_size; /* 0 unless CHECK_PASSED */
    uint8_t issuer[PROFILE_ISSUER_MAX];
    uint8_t serial[8];
} wire_verdict;

#endif
