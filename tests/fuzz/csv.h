/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of fuzz_csv.c: the verb's are in a file of their own, which includes it. */
#ifndef MYKEY_TESTS_FUZZ_CSV_H
#define MYKEY_TESTS_FUZZ_CSV_H

#include <stddef.h>
#include <stdint.h>

/* The bytes as the file of mykeyctl terminal invite --csv. */
void csv_want_invites(const uint8_t *data, size_t size);

/* Is `again` what csv_print makes of the field, read? */
void csv_check_field(const char *field, const char *again);

#endif
