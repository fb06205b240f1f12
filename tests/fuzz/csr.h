/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of fuzz_csr.c: the authority's verbs are in a file of their own, which includes them. */
#ifndef MYKEY_TESTS_FUZZ_CSR_H
#define MYKEY_TESTS_FUZZ_CSR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does the authority sign it? */
bool csr_is_signed(const uint8_t *csr, size_t size);

/* The bytes as what the registry says waits for the authority. */
void csr_take_pending(const uint8_t *data, size_t size);

/* What must hold of a certificate that the authority made. */
void csr_check_signed(const uint8_t *csr, size_t csr_size, const char *terminal_id, const uint8_t *der, size_t size);

#endif
