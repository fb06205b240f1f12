/* SPDX-License-Identifier: Apache-2.0 */
/* Reads one HTTP/1.1 answer as the platform writes it: a status line, headers with exactly one Content-Length, that
 * many bytes. Whatever else a peer sends is bad, and never asserts. */
#ifndef MYKEY_LOAD_ANSWER_H
#define MYKEY_LOAD_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ANSWER_HEAD_MAX = 8192, ANSWER_BODY_MAX = 64 * 1024, ANSWER_MAX = ANSWER_HEAD_MAX + ANSWER_BODY_MAX };

typedef enum answer_state { ANSWER_PARTIAL, ANSWER_WHOLE, ANSWER_BAD } answer_state;

typedef struct answer {
    int status;
    bool close;          /* the peer ends the connection after it */
    const char *gateway; /* X-Mykey-Gateway in the bytes read, not terminated; NULL if absent */
    size_t gateway_size;
    const uint8_t *body; /* in the bytes read */
    size_t body_size;
} answer_t;

/* The bytes that came so far, from the beginning. *ret_answer is set for ANSWER_WHOLE only and lives as long as data.
 * Bytes after the body are bad: nothing was asked that they could answer. */
answer_state answer_read(const uint8_t *data, size_t size, answer_t *ret_answer);

#endif
