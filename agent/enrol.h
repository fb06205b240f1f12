/* SPDX-License-Identifier: Apache-2.0 */
/* Getting a certificate: the first one with an invite, later ones over the old certificate at two thirds of its life.
 */
#ifndef MYKEY_AGENT_ENROL_H
#define MYKEY_AGENT_ENROL_H

#include <czmq.h>

#include "agent/profile.h"
#include "agent/uplink.h"

enum { INVITE_CODE_SIZE = 26, INVITE_TEXT_MAX = 128 };

/* "<26 base32 characters>.<64 hex digits: SHA-256 of the terminal authority's certificate>"; '-' for '.' and white
 * space at the end are taken too. */
typedef struct invite {
    char code[INVITE_CODE_SIZE + 1];
    uint8_t authority_sha256[BYTES_SHA256_SIZE];
} invite;

mk_code invite_parse(const char *text, invite *ret_invite) MK_CHECKED;

/* From a file of mode 0600 or 0400, or from standard input (path NULL). INVITE_INVALID: missing, readable by others,
 * not an invite. */
mk_code invite_read(const char *path, invite *ret_invite) MK_CHECKED;

typedef struct enrol enrol_t;

/* MK_OK: terminal.pem is new. Else why it failed for good (INVITE_INVALID, CERT_UNTRUSTED …); trouble on the network is
 * waited out. */
typedef void enrol_done_fn(problem_t problem, void *arg);

enrol_t *enrol_new(zloop_t *loop, uplink_t *uplink, profile_t *profile, enrol_done_fn *fn, void *arg);
void enrol_destroy(enrol_t **self_p);

/* Begins, or goes on with what a restart interrupted (then the invite is not used). */
void enrol_start(enrol_t *self, const invite *with);

/* Over the present certificate; nothing happens if one is under way. */
void enrol_renew(enrol_t *self);

/* When a certificate of this life should be renewed: Unix time in seconds. */
int64_t enrol_renew_at(const profile_identity *identity);

#endif
