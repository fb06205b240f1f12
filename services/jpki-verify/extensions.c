/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate extensions: one table of those that are understood. Others may be there once, not critical. */
#include "services/jpki-verify/certificate.h"

enum { EXTENSIONS_MAX = 32 };

/* ---- general names ---- */

static bool read_other_name(der_t content)
{
    der_t oid, value;
    return der_oid(&content, &oid) && der_take(&content, DER_CONTEXT_LIST(0), &value) && content.size == 0 &&
           value.size > 0 && der_well_formed(value);
}

static bool is_ascii(der_t text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == 0 || text.data[i] >= 0x80) return false;
    }
    return text.size > 0;
}

static bool read_general_name(der_t *in)
{
    uint8_t tag;
    der_t content, name;
    if (!der_next(in, &tag, &content)) return false;
    switch (tag) {
    case DER_CONTEXT_LIST(0): return read_other_name(content);
    case DER_CONTEXT(1):
    case DER_CONTEXT(2):
    case DER_CONTEXT(6): return is_ascii(content);
    case DER_CONTEXT_LIST(4): return der_name(&content, &name) && content.size == 0;
    case DER_CONTEXT(7): return content.size == 4 || content.size == 16;
    default: return false;
    }
}

bool certificate_is_one_name(der_t names)
{
    return read_general_name(&names) && names.size == 0;
}

static bool read_general_names(der_t list)
{
    if (list.size == 0) return false;
    while (list.size > 0) {
        if (!read_general_name(&list)) return false;
    }
    return true;
}

/* ---- one function for each extension that is understood ---- */

static bool read_alternative_name(der_t value, certificate_t *certificate)
{
    der_t list;
    (void)certificate;
    return der_take(&value, DER_SEQUENCE, &list) && value.size == 0 && read_general_names(list);
}

bool certificate_authority_key(der_t value, der_t *ret_key_id, der_t *ret_issuer, der_t *ret_serial)
{
    der_t in;
    if (!der_take(&value, DER_SEQUENCE, &in) || value.size != 0) return false;
    if (der_is(in, DER_CONTEXT(0)) && !der_take(&in, DER_CONTEXT(0), ret_key_id)) return false;
    if (in.size == 0) return true;
    return der_take(&in, DER_CONTEXT_LIST(1), ret_issuer) && read_general_names(*ret_issuer) &&
           der_take(&in, DER_CONTEXT(2), ret_serial) && ret_serial->size > 0 && in.size == 0;
}

static bool read_authority_key(der_t value, certificate_t *certificate)
{
    return certificate_authority_key(value, &certificate->authority_key_id, &certificate->authority_issuer,
                                     &certificate->authority_serial);
}

static bool read_subject_key(der_t value, certificate_t *certificate)
{
    return der_take(&value, DER_OCTETS, &certificate->subject_key_id) && value.size == 0;
}

/* A list of named bits: no unused bit set, no zero at the end. */
static bool read_key_usage(der_t value, certificate_t *certificate)
{
    der_t bits;
    if (!der_take(&value, DER_BITS, &bits) || value.size != 0 || bits.size < 2 || bits.size > 3) return false;
    uint8_t unused = bits.data[0], last = bits.data[bits.size - 1];
    if (unused > 7 || (last & ((1u << unused) - 1)) != 0 || (last >> unused & 1) == 0) return false;
    certificate->has_key_usage = true;
    certificate->key_usage = (uint16_t)(bits.data[1] << 8 | (bits.size == 3 ? bits.data[2] : 0));
    return true;
}

static bool read_basic_constraints(der_t value, certificate_t *certificate)
{
    der_t in;
    uint32_t length;
    if (!der_take(&value, DER_SEQUENCE, &in) || value.size != 0) return false;
    if (!der_optional_true(&in, &certificate->is_ca)) return false;
    certificate->has_path_length = in.size > 0;
    return in.size == 0 || (der_small(&in, &length) && in.size == 0);
}

static bool read_qualifier(der_t *in)
{
    static const der_t cps = {(const uint8_t *)"\x2b\x06\x01\x05\x05\x07\x02\x01", 8};
    der_t content, oid, text;
    if (!der_take(in, DER_SEQUENCE, &content) || !der_oid(&content, &oid)) return false;
    if (!der_equal(oid, cps)) return content.size > 0 && der_well_formed(content);
    return der_take(&content, DER_IA5, &text) && is_ascii(text) && content.size == 0;
}

static bool read_policy(der_t *in)
{
    der_t content, oid, qualifiers;
    if (!der_take(in, DER_SEQUENCE, &content) || !der_oid(&content, &oid)) return false;
    if (content.size == 0) return true;
    if (!der_take(&content, DER_SEQUENCE, &qualifiers) || qualifiers.size == 0 || content.size != 0) return false;
    while (qualifiers.size > 0) {
        if (!read_qualifier(&qualifiers)) return false;
    }
    return true;
}

static bool read_policies(der_t value, certificate_t *certificate)
{
    if (!der_take(&value, DER_SEQUENCE, &certificate->policies) || value.size != 0) return false;
    der_t list = certificate->policies;
    if (list.size == 0) return false;
    while (list.size > 0) {
        if (!read_policy(&list)) return false;
    }
    return true;
}

static bool read_extended_usage(der_t value, certificate_t *certificate)
{
    der_t oid;
    if (!der_take(&value, DER_SEQUENCE, &certificate->extended_usage) || value.size != 0) return false;
    der_t list = certificate->extended_usage;
    if (list.size == 0) return false;
    while (list.size > 0) {
        if (!der_oid(&list, &oid)) return false;
    }
    return true;
}

/* Full names only, for all reasons and by the certificate's own issuer. */
static bool read_distribution_point(der_t *in, der_t *ret_names)
{
    der_t content, choice;
    if (!der_take(in, DER_SEQUENCE, &content) || !der_take(&content, DER_CONTEXT_LIST(0), &choice)) return false;
    return content.size == 0 && der_take(&choice, DER_CONTEXT_LIST(0), ret_names) && choice.size == 0 &&
           read_general_names(*ret_names);
}

static bool read_distribution_points(der_t value, certificate_t *certificate)
{
    der_t list, others;
    if (!der_take(&value, DER_SEQUENCE, &list) || value.size != 0) return false;
    if (!read_distribution_point(&list, &certificate->point_names)) return false;
    certificate->has_more_points = list.size > 0;
    while (list.size > 0) {
        if (!read_distribution_point(&list, &others)) return false;
    }
    return true;
}

static bool read_ca_extension(der_t value, certificate_t *certificate)
{
    (void)value;
    certificate->has_ca_extension = true;
    return true;
}

/* ---- the table ---- */

#define CE(n)                            \
    {                                    \
        (const uint8_t *)"\x55\x1d" n, 3 \
    } /* 2.5.29.n */
#define PE(n)                                                \
    {                                                        \
        (const uint8_t *)"\x2b\x06\x01\x05\x05\x07\x01" n, 8 \
    } /* 1.3.6.1.5.5.7.1.n */

static const struct row {
    der_t oid;
    bool may_be_critical;
    bool (*read)(der_t value, certificate_t *certificate);
} rows[] = {
    {CE("\x0f"), true, read_key_usage},
    {CE("\x20"), true, read_policies},
    {CE("\x12"), false, read_alternative_name}, /* the issuer's */
    {CE("\x11"), true, read_alternative_name},  /* the subject's */
    {CE("\x1f"), true, read_distribution_points},
    {CE("\x23"), false, read_authority_key},
    {CE("\x0e"), false, read_subject_key},
    {CE("\x13"), true, read_basic_constraints},
    {CE("\x25"), true, read_extended_usage},
    {CE("\x1e"), true, read_ca_extension},                                                   /* nameConstraints */
    {CE("\x21"), true, read_ca_extension},                                                   /* policyMappings */
    {CE("\x24"), true, read_ca_extension},                                                   /* policyConstraints */
    {CE("\x36"), true, read_ca_extension},                                                   /* inhibitAnyPolicy */
    {PE("\x0e"), true, read_ca_extension},                                                   /* proxyCertInfo */
    {PE("\x07"), true, read_ca_extension},                                                   /* IP address blocks */
    {PE("\x08"), true, read_ca_extension},                                                   /* AS numbers */
    {{(const uint8_t *)"\x60\x86\x48\x01\x86\xf8\x42\x01\x01", 9}, true, read_ca_extension}, /* Netscape's type */
};

static const struct row *find_row(der_t oid)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (der_equal(oid, rows[i].oid)) return &rows[i];
    }
    return NULL;
}

static bool seen_before(const der_t *oids, size_t count, der_t oid)
{
    for (size_t i = 0; i < count; i++) {
        if (der_equal(oids[i], oid)) return true;
    }
    return false;
}

bool extensions_read(der_t list, certificate_t *certificate)
{
    der_t oids[EXTENSIONS_MAX];
    size_t count = 0;
    while (list.size > 0) {
        extension_t extension;
        if (count == EXTENSIONS_MAX || !certificate_extension(&list, &extension)) return false;
        if (seen_before(oids, count, extension.oid)) certificate->has_duplicate = true;
        oids[count++] = extension.oid;
        const struct row *row = find_row(extension.oid);
        if (extension.critical && (row == NULL || !row->may_be_critical)) certificate->has_critical = true;
        if (row != NULL && !row->read(extension.value, certificate)) return false;
    }
    return true;
}
