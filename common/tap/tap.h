/* SPDX-License-Identifier: Apache-2.0 */
/* What the card signs (docs/tap.md): SHA-256 over a fixed prefix and the canonical form of the typed fields. The agent
 * composes it from what it displays, jpki-verify from what the gateway recorded; no side signs or checks bytes that it
 * was sent. */
#ifndef MYKEY_TAP_TAP_H
#define MYKEY_TAP_TAP_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"
#include "proto/tap.pb-c.h"

enum { TAP_CANONICAL_MAX = 1024, TAP_DIGEST_SIZE = 32, TAP_VERSION = 1, TAP_CHALLENGE_LIFE_MS = 15000 };

/* Every field present and within its range; *ret_detail (may be NULL) names the first that is not. */
mk_code tap_statement_check(const Mykey__TapStatement *statement, const char **ret_detail) MK_CHECKED;

/* Writes the canonical bytes (prefix included). Checks first. */
mk_code tap_statement_canonical(const Mykey__TapStatement *statement, uint8_t out[TAP_CANONICAL_MAX],
                                size_t *ret_size) MK_CHECKED;

/* SHA-256 of the canonical bytes. */
mk_code tap_statement_digest(const Mykey__TapStatement *statement, uint8_t out[TAP_DIGEST_SIZE]) MK_CHECKED;

/* Equal in every field; *ret_detail (may be NULL) names the first that differs. */
mk_code tap_statement_same(const Mykey__TapStatement *a, const Mykey__TapStatement *b,
                           const char **ret_detail) MK_CHECKED;

/* The terminal's own statement takes from the gateway's what only the gateway can give: nonce and times. Both then
 * share the nonce's bytes. */
void tap_statement_take_given(Mykey__TapStatement *own, const Mykey__TapStatement *theirs);

/* `object` for linking: what number, under which terms, at which operator. number must be normalised. */
void tap_object_link(const char *operator_id, const char *number, const char *terms_version, uint8_t out[32]);

/* `object` for creating an ID: the platform's terms. */
void tap_object_terms(const char *terms_version, uint8_t out[32]);

/* "resolve", "create_id" … for logs and metrics; "unknown" else. Static. */
const char *tap_purpose_name(uint32_t purpose);

#endif
