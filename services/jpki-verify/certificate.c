/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/certificate.h"

#include <string.h>

/* Absent, NULL, an OID (curves) or a SEQUENCE (PSS): no algorithm has others. */
static bool read_parameters(der_t in)
{
    uint8_t tag;
    der_t content;
    if (in.size == 0) return true;
    if (der_is(in, DER_OID)) return der_oid(&in, &content) && in.size == 0;
    if (!der_next(&in, &tag, &content) || in.size != 0) return false;
    return (tag == DER_NULL && content.size == 0) || (tag == DER_SEQUENCE && der_well_formed(content));
}

bool certificate_algorithm(der_t *in, der_t *ret_whole)
{
    if (!der_take_whole(in, DER_SEQUENCE, ret_whole)) return false;
    der_t whole = *ret_whole, content, oid;
    return der_take(&whole, DER_SEQUENCE, &content) && der_oid(&content, &oid) && read_parameters(content);
}

bool certificate_extension(der_t *in, extension_t *ret_extension)
{
    der_t content;
    return der_take(in, DER_SEQUENCE, &content) && der_oid(&content, &ret_extension->oid) &&
           der_optional_true(&content, &ret_extension->critical) &&
           der_take(&content, DER_OCTETS, &ret_extension->value) && content.size == 0;
}

static bool read_version(der_t *in, unsigned *ret_version)
{
    der_t content;
    uint32_t value;
    *ret_version = 1;
    if (!der_is(*in, DER_CONTEXT_LIST(0))) return true;
    if (!der_take(in, DER_CONTEXT_LIST(0), &content) || !der_small(&content, &value) || content.size != 0) return false;
    *ret_version = value + 1;
    return value == 1 || value == 2; /* version 1 is the default, which DER doesn't write */
}

static bool read_validity(der_t *in, certificate_t *certificate)
{
    der_t content;
    return der_take(in, DER_SEQUENCE, &content) && der_time(&content, &certificate->not_before) &&
           der_time(&content, &certificate->not_after) && content.size == 0;
}

static bool read_key(der_t *in, certificate_t *certificate)
{
    der_t content;
    return der_take(in, DER_SEQUENCE, &content) && certificate_algorithm(&content, &certificate->key_algorithm) &&
           der_bit_octets(&content, &certificate->key) && content.size == 0;
}

/* Extensions are all that may follow the key: unique ids are forbidden by RFC 5280. */
static bool read_extensions(der_t *in, certificate_t *certificate)
{
    der_t outer, list;
    if (in->size == 0) return true;
    return certificate->version == 3 && der_take(in, DER_CONTEXT_LIST(3), &outer) && in->size == 0 &&
           der_take(&outer, DER_SEQUENCE, &list) && outer.size == 0 && list.size > 0 &&
           extensions_read(list, certificate);
}

static bool read_signed_part(der_t whole, certificate_t *certificate)
{
    der_t in;
    return der_take(&whole, DER_SEQUENCE, &in) && read_version(&in, &certificate->version) &&
           der_integer(&in, &certificate->serial) && certificate_algorithm(&in, &certificate->inner_algorithm) &&
           der_name(&in, &certificate->issuer) && read_validity(&in, certificate) &&
           der_name(&in, &certificate->subject) && read_key(&in, certificate) && read_extensions(&in, certificate);
}

bool certificate_read(der_t data, certificate_t *ret_certificate)
{
    der_t content;
    certificate_t found = {0};
    if (!der_take(&data, DER_SEQUENCE, &content)) return false;
    found.trailing = data.size;
    if (!der_take_whole(&content, DER_SEQUENCE, &found.signed_part) ||
        !certificate_algorithm(&content, &found.outer_algorithm) || !der_bit_octets(&content, &found.signature) ||
        content.size != 0 || !read_signed_part(found.signed_part, &found)) {
        return false;
    }
    *ret_certificate = found;
    return true;
}
