/* SPDX-License-Identifier: Apache-2.0 */
/* Which terminal a client certificate belongs to. The registry knows; an answer, good or bad, is remembered for at most
 * TERMINAL_MEMORY_MS from when it was asked for, so that a revocation is felt in that time on open connections too.
 * Look-ups of one certificate at the same time are one question. */
#ifndef MYKEY_GATEWAY_TERMINAL_H
#define MYKEY_GATEWAY_TERMINAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"
#include "proto/registry.pb-c.h"

/* Two seconds are promised, the time of an answer included. */
enum { TERMINAL_MEMORY_MS = 1800, TERMINAL_SHA256_SIZE = 32 };

/* What the registry said of one terminal; shared by count. Complete: ids, key and operator are present. */
typedef struct terminal terminal_t;

terminal_t *terminal_ref(terminal_t *self);
void terminal_unref(terminal_t **self_p);
const char *terminal_id(const terminal_t *self);
const char *terminal_operator_id(const terminal_t *self);
const uint8_t *terminal_key_sha256(const terminal_t *self); /* 32 */
const Mykey__Registry__Operator *terminal_operator(const terminal_t *self);

typedef struct terminal_table terminal_table_t;
typedef struct terminal_question terminal_question_t;

/* Asks the registry; the answer comes by terminal_table_answer, later or from inside, exactly once. */
typedef void terminal_ask_fn(terminal_question_t *question, const uint8_t sha256[TERMINAL_SHA256_SIZE], void *arg);

/* OK with a terminal (borrowed: take a ref to keep it), or why not: TERMINAL_UNKNOWN, TERMINAL_REVOKED, or what kept
 * the registry from answering (BUSY, UNAVAILABLE, DEADLINE_EXCEEDED, INTERNAL), with a time to come back (0: none). */
typedef void terminal_found_fn(mk_code code, terminal_t *terminal, uint32_t retry_after_ms, void *arg);

/* max: certificates remembered; the oldest goes first. */
terminal_table_t *terminal_table_new(size_t max, terminal_ask_fn *ask, void *arg);

/* Those still waiting are not called. */
void terminal_table_destroy(terminal_table_t **self_p);

/* Calls fn exactly once, from inside if it is remembered. now_ms: monotonic. */
void terminal_table_find(terminal_table_t *self, const uint8_t sha256[TERMINAL_SHA256_SIZE], uint64_t now_ms,
                         terminal_found_fn *fn, void *arg);

/* The registry's answer: its code and, if OK, its reply (taken over, freed with pb_free). */
void terminal_table_answer(terminal_question_t *question, mk_code code, uint32_t retry_after_ms,
                           Mykey__Registry__FindTerminalReply *reply);

size_t terminal_table_size(const terminal_table_t *self);

#endif
