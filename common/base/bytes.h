/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes with a length, hex, random ids, secret comparison, wiped memory. */
#ifndef MYKEY_BASE_BYTES_H
#define MYKEY_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"

#define BYTES_ID_SIZE 16
#define BYTES_SHA256_SIZE 32

/* Writes 2*size lower-case hex digits and a NUL to out (capacity >= 2*size+1). */
void bytes_to_hex(const uint8_t *data, size_t size, char *out);

/* Reads exactly 2*size hex digits of either case; BAD_REQUEST on any other text. out untouched on failure. */
mk_code bytes_from_hex(const char *text, uint8_t *out, size_t size) MK_CHECKED;

/* Fills out with random bytes from the kernel. Ends the process if the kernel has none (never seen). */
void bytes_random(uint8_t *out, size_t size);

/* A uniform number in 0..bound-1 from the kernel's random bytes, without modulo bias. bound >= 1. */
uint32_t bytes_random_below(uint32_t bound);

/* Equality in a time that does not depend on the contents. */
bool bytes_equal_secret(const uint8_t *a, const uint8_t *b, size_t size);

/* Overwrites in a way that the compiler may not remove. */
void bytes_wipe(void *data, size_t size);

/* SHA-256 of data into out[32]. */
void bytes_sha256(const uint8_t *data, size_t size, uint8_t out[BYTES_SHA256_SIZE]);

#endif
