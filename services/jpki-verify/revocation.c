/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/revocation.h"

#include <stdlib.h>

#include "services/jpki-verify/certificate.h"

struct revocation {
    int64_t this_update, next_update;
    size_t count;
    uint32_t serials[]; /* ascending */
};

const char *crl_fault_name(unsigned fault)
{
#define ROW(id, name, demand) [CRL_FAULT_##id] = name,
    static const char *const names[] = {[CRL_TAKEN] = "taken", CRL_FAULT_TABLE(ROW)};
#undef ROW
    return fault < CRL_FAULT_COUNT_ ? names[fault] : "unknown";
}

/* ---- the list's frame ---- */

static crl_fault read_crl_extension(extension_t extension, crl_t *crl)
{
    static const der_t authority_key = {(const uint8_t *)"\x55\x1d\x23", 3};
    der_t issuer, serial;
    if (extension.critical) return CRL_FAULT_EXTENSION;
    if (!der_equal(extension.oid, authority_key)) return CRL_TAKEN;
    if (crl->key_id.size != 0) return CRL_FAULT_FORM;
    return certificate_authority_key(extension.value, &crl->key_id, &issuer, &serial) ? CRL_TAKEN : CRL_FAULT_FORM;
}

static crl_fault read_crl_extensions(der_t *in, crl_t *crl)
{
    der_t outer, list;
    extension_t extension;
    if (in->size == 0) return CRL_TAKEN;
    if (!der_take(in, DER_CONTEXT_LIST(0), &outer) || in->size != 0) return CRL_FAULT_FORM;
    if (!der_take(&outer, DER_SEQUENCE, &list) || outer.size != 0 || list.size == 0) return CRL_FAULT_FORM;
    while (list.size > 0) {
        if (!certificate_extension(&list, &extension)) return CRL_FAULT_FORM;
        crl_fault fault = read_crl_extension(extension, crl);
        if (fault != CRL_TAKEN) return fault;
    }
    return CRL_TAKEN;
}

static crl_fault read_next_update(der_t *in, int64_t *ret_time)
{
    if (!der_is(*in, DER_UTC_TIME) && !der_is(*in, DER_GENERALIZED_TIME)) return CRL_FAULT_NEXT_UPDATE;
    return der_time(in, ret_time) ? CRL_TAKEN : CRL_FAULT_FORM;
}

static crl_fault read_signed_part(const profile_t *profile, crl_t *crl)
{
    der_t whole = crl->signed_part, in, algorithm;
    uint32_t version;
    if (!der_take(&whole, DER_SEQUENCE, &in) || !der_small(&in, &version) || version != 1) return CRL_FAULT_FORM;
    if (!certificate_algorithm(&in, &algorithm)) return CRL_FAULT_FORM;
    if (!der_equal(algorithm, profile->signature_algorithm)) return CRL_FAULT_ALGORITHM;
    if (!der_name(&in, &crl->issuer) || !der_time(&in, &crl->this_update)) return CRL_FAULT_FORM;
    crl_fault fault = read_next_update(&in, &crl->next_update);
    if (fault != CRL_TAKEN) return fault;
    if (der_is(in, DER_SEQUENCE) && (!der_take(&in, DER_SEQUENCE, &crl->entries) || crl->entries.size == 0)) {
        return CRL_FAULT_FORM;
    }
    return read_crl_extensions(&in, crl);
}

crl_fault crl_read(der_t data, const profile_t *profile, crl_t *ret_crl)
{
    der_t content, algorithm;
    crl_t crl = {0};
    if (!der_take(&data, DER_SEQUENCE, &content) || data.size != 0) return CRL_FAULT_FORM;
    if (!der_take_whole(&content, DER_SEQUENCE, &crl.signed_part)) return CRL_FAULT_FORM;
    if (!certificate_algorithm(&content, &algorithm) || !der_bit_octets(&content, &crl.signature) ||
        content.size != 0) {
        return CRL_FAULT_FORM;
    }
    if (!der_equal(algorithm, profile->signature_algorithm)) return CRL_FAULT_ALGORITHM;
    crl_fault fault = read_signed_part(profile, &crl);
    if (fault != CRL_TAKEN) return fault;
    *ret_crl = crl;
    return CRL_TAKEN;
}

/* ---- its entries ---- */

static bool read_entry_extensions(der_t *in)
{
    der_t list;
    extension_t extension;
    if (in->size == 0) return true;
    if (!der_take(in, DER_SEQUENCE, &list) || in->size != 0 || list.size == 0) return false;
    while (list.size > 0) {
        if (!certificate_extension(&list, &extension) || extension.critical) return false;
    }
    return true;
}

static bool read_entry(der_t *in, uint32_t *ret_serial)
{
    der_t content;
    int64_t moment;
    return der_take(in, DER_SEQUENCE, &content) && der_small(&content, ret_serial) && der_time(&content, &moment) &&
           read_entry_extensions(&content);
}

/* serials may be NULL: then they are only counted. */
static bool read_entries(der_t entries, uint32_t *serials, size_t *ret_count)
{
    uint32_t serial;
    size_t count = 0;
    while (entries.size > 0) {
        if (!read_entry(&entries, &serial)) return false;
        if (serials != NULL) serials[count] = serial;
        count++;
    }
    *ret_count = count;
    return true;
}

static bool is_ascending(const uint32_t *serials, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): filled by read_entries */
        if (serials[i - 1] > serials[i]) return false;
    }
    return true;
}

/* One pass of a radix sort: stable by the octet at `shift`. */
static void sort_by_octet(const uint32_t *from, uint32_t *to, size_t count, unsigned shift)
{
    size_t next[257] = {0};
    for (size_t i = 0; i < count; i++) next[(from[i] >> shift & 0xFF) + 1]++;
    for (size_t i = 1; i < 257; i++) next[i] += next[i - 1];
    for (size_t i = 0; i < count; i++) to[next[from[i] >> shift & 0xFF]++] = from[i];
}

/* Not qsort: glibc's asks the system for its memory, which the sandbox forbids. */
static bool sort(uint32_t *serials, size_t count)
{
    if (is_ascending(serials, count)) return true;
    uint32_t *other = malloc(count * sizeof *other);
    if (other == NULL) return false;
    for (unsigned shift = 0; shift < 32; shift += 16) {
        sort_by_octet(serials, other, count, shift);
        sort_by_octet(other, serials, count, shift + 8);
    }
    free(other);
    return true;
}

static bool is_signed_by(const crl_t *crl, rsa_key_t *root_key)
{
    uint8_t digest[RSA_DIGEST_SIZE];
    return rsa_digest(crl->signed_part, digest) && rsa_key_verify(root_key, digest, crl->signature);
}

crl_fault revocation_new(const crl_t *crl, rsa_key_t *root_key, const profile_t *profile, int64_t now_s,
                         revocation_t **ret_revocation)
{
    size_t count;
    if (!is_signed_by(crl, root_key)) return CRL_FAULT_SIGNATURE;
    if (crl->this_update > now_s + profile->crl_early_s) return CRL_FAULT_THIS_UPDATE;
    if (crl->next_update < now_s) return CRL_FAULT_NEXT_UPDATE;
    if (!read_entries(crl->entries, NULL, &count)) return CRL_FAULT_ENTRY;
    revocation_t *self = malloc(sizeof *self + count * sizeof *self->serials);
    if (self == NULL) return CRL_FAULT_MEMORY;
    if (!read_entries(crl->entries, self->serials, &self->count) || !sort(self->serials, count)) {
        revocation_destroy(&self);
        return CRL_FAULT_MEMORY;
    }
    self->this_update = crl->this_update;
    self->next_update = crl->next_update;
    *ret_revocation = self;
    return CRL_TAKEN;
}

void revocation_destroy(revocation_t **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

/* ---- answers ---- */

bool revocation_has(const revocation_t *self, uint32_t serial)
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->serials[middle] < serial) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < self->count && self->serials[low] == serial;
}

bool revocation_is_fresh(const revocation_t *self, const profile_t *profile, int64_t now_s)
{
    return self->this_update <= now_s + profile->crl_early_s && now_s <= self->next_update;
}

size_t revocation_count(const revocation_t *self)
{
    return self->count;
}

int64_t revocation_this_update(const revocation_t *self)
{
    return self->this_update;
}

int64_t revocation_next_update(const revocation_t *self)
{
    return self->next_update;
}
