/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of a tap as rows of one table (checks.tbl.h). */
#ifndef MYKEY_JPKI_CHECK_H
#define MYKEY_JPKI_CHECK_H

#include "common/base/code.h"
#include "services/jpki-verify/checks.tbl.h"
#include "services/jpki-verify/trust.h"

#define CHECK_ENUM(id, code, demand, source) CHECK_##id,
typedef enum check_id {
    CHECK_PASSED,
    CHECK_REQUEST_TABLE(CHECK_ENUM) CHECK_CERTIFICATE_TABLE(CHECK_ENUM) CHECK_COUNT_
} check_id;
#undef CHECK_ENUM

typedef struct check_info {
    const char *id; /* "issuer_signature" */
    mk_code code;
    const char *demand, *source;
} check_info;

/* check_info.c: never NULL; a number that is no row is answered as INTERNAL "unknown". */
const check_info *check_find(unsigned id);

/* ---- the certificate's rows ---- */

typedef struct check_subject {
    const trust_t *trust;
    int64_t now_s; /* seconds since the Unix epoch */
    der_t certificate, signature;
    const uint8_t *digest; /* of the statement, RSA_DIGEST_SIZE */

    /* what earlier rows leave for later ones */
    certificate_t fields;
    const root_t *root;
    uint32_t serial;
    der_t modulus;
    const index_part *parts[2];
} check_subject;

typedef struct check_row {
    check_id id;
    bool (*holds)(check_subject *subject);
} check_row;

/* The rows in their order. */
const check_row *check_certificate_rows(size_t *ret_count);

/* Runs rows until one doesn't hold: its id, or CHECK_PASSED. After CHECK_PASSED subject->fields has issuer and serial.
 * Rows are a parameter so that a test can show that each is needed. */
check_id check_run(const check_row *rows, size_t count, check_subject *subject);

#endif
