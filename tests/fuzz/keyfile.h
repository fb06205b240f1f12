/* SPDX-License-Identifier: Apache-2.0 */
/* The parsers of fuzz_keyfile.c; a file each, for each includes the parser's own. */
#ifndef MYKEY_TESTS_FUZZ_KEYFILE_H
#define MYKEY_TESTS_FUZZ_KEYFILE_H

#include <stddef.h>
#include <stdint.h>

typedef void fuzz_fn(const uint8_t *data, size_t size);

fuzz_fn fuzz_edge, fuzz_log, fuzz_pins;

#endif
