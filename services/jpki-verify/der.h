/* SPDX-License-Identifier: Apache-2.0 */
/* A strict reader of DER: definite and shortest lengths, low tag numbers, nothing copied. It accepts a part of what
 * OpenSSL accepts, never more. Functions take from the front of `in`; on false, `in` and results are undefined. */
#ifndef MYKEY_JPKI_DER_H
#define MYKEY_JPKI_DER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DER_CHECKED __attribute__((warn_unused_result))

typedef struct der {
    const uint8_t *data;
    size_t size;
} der_t;

enum {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BITS = 0x03,
    DER_OCTETS = 0x04,
    DER_NULL = 0x05,
    DER_OID = 0x06,
    DER_ENUMERATED = 0x0A,
    DER_UTF8 = 0x0C,
    DER_NUMERIC = 0x12,
    DER_PRINTABLE = 0x13,
    DER_T61 = 0x14,
    DER_IA5 = 0x16,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_VISIBLE = 0x1A,
    DER_UNIVERSAL = 0x1C,
    DER_BMP = 0x1E,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
};

#define DER_CONTEXT(n) (0x80 | (n))      /* [n] primitive */
#define DER_CONTEXT_LIST(n) (0xA0 | (n)) /* [n] constructed */

/* Told of each piece of something large that has been gone through: whoever maps a file lets go of its pages. */
typedef void der_passed_fn(const uint8_t *data, size_t size);

/* The bytes of a string literal without its NUL. */
#define DER_LITERAL(text) ((der_t){(const uint8_t *)(text), sizeof(text) - 1})

/* Any element. */
DER_CHECKED bool der_next(der_t *in, uint8_t *ret_tag, der_t *ret_content);

/* An element of this tag: its content, or the whole of it with its header. */
DER_CHECKED bool der_take(der_t *in, uint8_t tag, der_t *ret_content);
DER_CHECKED bool der_take_whole(der_t *in, uint8_t tag, der_t *ret_whole);

/* Does an element of this tag come next? */
bool der_is(der_t in, uint8_t tag);

/* INTEGER in its shortest form: the content octets. */
DER_CHECKED bool der_integer(der_t *in, der_t *ret_content);

/* INTEGER 0 … 2^32-1. */
DER_CHECKED bool der_small(der_t *in, uint32_t *ret_value);

/* OBJECT IDENTIFIER, well-formed. */
DER_CHECKED bool der_oid(der_t *in, der_t *ret_content);

/* BIT STRING of whole octets. */
DER_CHECKED bool der_bit_octets(der_t *in, der_t *ret_octets);

/* BOOLEAN TRUE if it is there, *ret_value = false if it is not; a written FALSE is not DER for a default. */
DER_CHECKED bool der_optional_true(der_t *in, bool *ret_value);

/* UTCTime until 2049, GeneralizedTime from 2050, both to the second in Z: seconds since the Unix epoch. */
DER_CHECKED bool der_time(der_t *in, int64_t *ret_seconds);

/* A sequence of well-formed elements of types that are known, at most eight levels deep. */
DER_CHECKED bool der_well_formed(der_t in);

/* Name: one attribute in each RDN; PrintableString, UTF8String or IA5String within their alphabets. */
DER_CHECKED bool der_name(der_t *in, der_t *ret_whole);

bool der_equal(der_t a, der_t b);

#endif
