/* SPDX-License-Identifier: Apache-2.0 */
/* An authority: an EC P-256 root in a folder (authority.key 0400, authority.pem, authority.der) that no service holds.
 * The terminal authority signs terminals' certificates (clientAuth, 90 days) and, for development, an edge's
 * (serverAuth, 30 days). The inner authority, another folder, signs what edges and gateways on different hosts show
 * each other. */
#ifndef MYKEY_MYKEYCTL_AUTHORITY_H
#define MYKEY_MYKEYCTL_AUTHORITY_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/code.h"

typedef struct authority authority_t;

/* Makes the folder (0700; it may exist) and the files. CONFLICT: there is an authority already; UNAVAILABLE: can't be
 * written. */
mk_code authority_create(const char *dir, const char *common_name) MK_CHECKED;

/* *ret_why (static): missing, mode of the key, form, key and certificate don't belong together. */
mk_code authority_load(const char *dir, authority_t **ret_authority, const char **ret_why) MK_CHECKED;
void authority_destroy(authority_t **self_p);

/* The certificate; valid as long as the authority. */
const uint8_t *authority_der(const authority_t *self, size_t *ret_size);

/* Signs a terminal's request (PKCS#10, DER). Of the request only the key counts; it must be P-256 and have signed it.
 * BAD_REQUEST: *ret_why (static) says what is wrong. *ret_der is malloc'ed, the caller frees. */
mk_code authority_sign_terminal(const authority_t *self, const char *terminal_id, const char *operator_id,
                                const uint8_t *csr, size_t csr_size, uint8_t **ret_der, size_t *ret_size,
                                const char **ret_why) MK_CHECKED;

/* Writes DIR/server.pem (0400, replaced at once): certificate, authority and a new key. hosts: names or addresses. */
mk_code authority_issue_server(const authority_t *self, const char *dir, const char *const *hosts, size_t count,
                               const char **ret_why) MK_CHECKED;

/* Writes DIR/client.pem (0400, replaced at once): a certificate that can only be shown by a client (clientAuth, 30
 * days), authority and a new key. name: TEXT_ID, the subject's. */
mk_code authority_issue_client(const authority_t *self, const char *dir, const char *name,
                               const char **ret_why) MK_CHECKED;

/* SHA-256 of the certificate (PEM or DER) in a file. *ret_why (static) says what is wrong with it. */
mk_code authority_fingerprint(const char *path, uint8_t out[BYTES_SHA256_SIZE], const char **ret_why) MK_CHECKED;

#endif
