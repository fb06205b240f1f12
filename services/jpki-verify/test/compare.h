/* SPDX-License-Identifier: Apache-2.0 */
/* The strict reader against OpenSSL: what the reader accepts, OpenSSL must accept and read alike. */
#ifndef MYKEY_JPKI_TEST_COMPARE_H
#define MYKEY_JPKI_TEST_COMPARE_H

#include "services/jpki-verify/certificate.h"

/* NULL, or what OpenSSL sees otherwise. fields: what certificate_read made of data. Static text. */
const char *compare_with_openssl(der_t data, const certificate_t *fields);

#endif
