/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal's identity on disk: one directory (0700) with
 *   terminal.pem   private key and certificate, together so that they are swapped together (0400)
 *   next.pem       key (and, once it came, certificate) of an enrolment or renewal under way (0400)
 *   next.id        its enrolment id and the fingerprint that the authority must have (0600)
 *   authority.der  the terminal authority (0400)
 *   launch         address and token of the counter page (0600), see loopback.h */
#ifndef MYKEY_AGENT_PROFILE_H
#define MYKEY_AGENT_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/code.h"

enum { PROFILE_ID_MAX = 32, PROFILE_ENROLMENT_MAX = 64, PROFILE_CSR_MAX = 2048 };

typedef struct profile profile_t;

typedef struct profile_identity {
    char terminal_id[PROFILE_ID_MAX + 1];  /* CN of the certificate */
    char operator_id[PROFILE_ID_MAX + 1];  /* OU */
    uint8_t key_sha256[BYTES_SHA256_SIZE]; /* of the SubjectPublicKeyInfo */
    int64_t not_before_s, not_after_s;     /* Unix time */
} profile_identity;

typedef struct profile_pending {
    uint8_t id[PROFILE_ENROLMENT_MAX];
    size_t id_size;
    uint8_t authority_sha256[BYTES_SHA256_SIZE];
} profile_pending;

/* Makes the directory if it is missing. UNAVAILABLE: can't, or others may read it. */
mk_code profile_open(const char *directory, profile_t **ret_profile) MK_CHECKED;
void profile_destroy(profile_t **self_p);

/* terminal.pem: NOT_FOUND if there is none, UNAVAILABLE if its mode is wider than the owner's, BAD_REQUEST if key and
 * certificate are not a pair or its subject is not a terminal's. */
mk_code profile_load(profile_t *self, profile_identity *ret_identity) MK_CHECKED;

/* Paths for the TLS library; owned by the profile. */
const char *profile_identity_path(const profile_t *self);
const char *profile_next_path(const profile_t *self);
const char *profile_launch_path(const profile_t *self);

/* Makes a new key in next.pem and a request for it (DER). */
mk_code profile_new_key(profile_t *self, uint8_t out[PROFILE_CSR_MAX], size_t *ret_size) MK_CHECKED;

/* What is under way, so that a restart doesn't lose an invite that is used up. NOT_FOUND if nothing is. */
mk_code profile_set_pending(profile_t *self, const profile_pending *pending) MK_CHECKED;
mk_code profile_pending_load(profile_t *self, profile_pending *ret_pending) MK_CHECKED;

/* The fingerprint of the authority that we have; NOT_FOUND before the first enrolment. */
mk_code profile_authority(profile_t *self, uint8_t out[BYTES_SHA256_SIZE]) MK_CHECKED;

/* Takes an issued certificate (DER) into next.pem if it is for next.pem's key, of a terminal, and signed by the
 * authority whose fingerprint is expected; else CERT_UNTRUSTED and nothing changes. */
mk_code profile_accept(profile_t *self, const uint8_t *certificate, size_t certificate_size, const uint8_t *authority,
                       size_t authority_size, const uint8_t expected[BYTES_SHA256_SIZE]) MK_CHECKED;

/* next.pem becomes terminal.pem. */
mk_code profile_commit(profile_t *self) MK_CHECKED;

/* Forgets what is under way. */
void profile_abandon(profile_t *self);

/* Writes a file under the profile's directory at once or not at all. */
mk_code profile_write(const char *path, const void *data, size_t size, unsigned mode) MK_CHECKED;

#endif
