/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 checks and the normalising of customer numbers. */
#ifndef MYKEY_BASE_TEXT_H
#define MYKEY_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/code.h"

/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms) without NUL. */
bool text_is_utf8(const char *data, size_t size);

/* Only characters of `allowed`, length min..max. */
bool text_is_made_of(const char *text, const char *allowed, size_t min, size_t max);

#define TEXT_DIGITS "0123456789"
#define TEXT_UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define TEXT_LOWER "abcdefghijklmnopqrstuvwxyz"
#define TEXT_ID TEXT_UPPER TEXT_LOWER TEXT_DIGITS "-"

/* Full-width ASCII forms (U+FF01..FF5E) become half-width, the ideographic space and spaces at both ends go;
 * leading zeros stay (S-044's table: 086). BAD_REQUEST if the text is not UTF-8; TOO_LARGE if the result does
 * not fit cap with its NUL. out untouched on failure. */
mk_code text_normalise_number(const char *text, char *out, size_t cap) MK_CHECKED;

#endif
