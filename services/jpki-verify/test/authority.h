/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: the test certificate authority's folder (tools/testca), made when a program first asks for it. */
#ifndef MYKEY_JPKI_TEST_AUTHORITY_H
#define MYKEY_JPKI_TEST_AUTHORITY_H

#include "services/jpki-verify/list.h"

enum { AUTHORITY_FILE_MAX = 32768, AUTHORITY_ROWS_MAX = 256 };

/* Runs testca.py in the folder MYKEY_TESTCA_DIR. For cmocka's group setup. */
int authority_setup(void **state);

const char *authority_folder(void);

/* The file's bytes; fails the test if it isn't there. The caller frees. */
der_t authority_read(const char *format, ...) __attribute__((format(printf, 1, 2)));
void authority_free(der_t file);

/* A trust with the two roots, and with an index of their lists if with_lists. */
trust_t *authority_trust(bool with_lists);

/* What a reader of lists does with one, into memory: the index of one part (which stays for the rest of the program).
 */
list_fault authority_take(const trust_t *trust, der_t data, index_view *ret_index);

/* The signature of digest by the key of a PEM file; zeros for a key that is not RSA. */
void authority_sign(const char *key_path, const uint8_t digest[RSA_DIGEST_SIZE], uint8_t out[512], size_t *ret_size);

/* Lines of an index: up to three words each. */
typedef struct authority_row {
    char name[64], second[64], third[64];
} authority_row;

size_t authority_index(const char *path, authority_row rows[AUTHORITY_ROWS_MAX]);

int64_t authority_now(void);

#endif
