/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/list.h"

#include <string.h>

#include "common/base/bytes.h"

enum { SERIAL_OCTETS_MAX = 20 };

const char *list_fault_name(unsigned fault)
{
#define ROW(id, name, demand) [LIST_FAULT_##id] = name,
    static const char *const names[] = {[LIST_TAKEN] = "taken", LIST_FAULT_TABLE(ROW)};
#undef ROW
    return fault < LIST_FAULT_COUNT_ ? names[fault] : "unknown";
}

/* ---- extensions ---- */

static list_fault read_authority_key(der_t value, list_t *list)
{
    der_t issuer, serial;
    if (list->key_id.size != 0) return LIST_FAULT_FORM;
    return certificate_authority_key(value, &list->key_id, &issuer, &serial) ? LIST_TAKEN : LIST_FAULT_FORM;
}

static list_fault read_number(der_t value, list_t *list)
{
    bool fits = list->number.size == 0 && der_integer(&value, &list->number) && value.size == 0 &&
                list->number.data[0] < 0x80 && list->number.size <= INDEX_NUMBER_SIZE;
    return fits ? LIST_TAKEN : LIST_FAULT_NUMBER;
}

/* [0] distributionPoint; [1] only user certificates, which is all that there are below these roots. Any other field
 * makes the list say less than its name promises. */
static list_fault read_scope(der_t value, list_t *list)
{
    der_t in, choice, only_users;
    if (list->point.size != 0 || !der_take(&value, DER_SEQUENCE, &in) || value.size != 0) return LIST_FAULT_SCOPE;
    if (!der_take(&in, DER_CONTEXT_LIST(0), &choice) || !der_take(&choice, DER_CONTEXT_LIST(0), &list->point) ||
        choice.size != 0 || !certificate_is_one_name(list->point)) {
        return LIST_FAULT_SCOPE;
    }
    if (in.size == 0) return LIST_TAKEN;
    bool users = der_take(&in, DER_CONTEXT(1), &only_users) && in.size == 0 && only_users.size == 1 &&
                 only_users.data[0] == 0xFF;
    return users ? LIST_TAKEN : LIST_FAULT_SCOPE;
}

#define CE(n)                            \
    {                                    \
        (const uint8_t *)"\x55\x1d" n, 3 \
    } /* 2.5.29.n */

static list_fault read_extension(extension_t extension, list_t *list)
{
    static const struct {
        der_t oid;
        bool may_be_critical;
        list_fault (*read)(der_t value, list_t *list);
    } rows[] = {
        {CE("\x23"), false, read_authority_key}, {CE("\x14"), false, read_number}, {CE("\x1c"), true, read_scope}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!der_equal(extension.oid, rows[i].oid)) continue;
        return extension.critical && !rows[i].may_be_critical ? LIST_FAULT_EXTENSION
                                                              : rows[i].read(extension.value, list);
    }
    return extension.critical ? LIST_FAULT_EXTENSION : LIST_TAKEN;
}

static list_fault read_extensions(der_t *in, list_t *list)
{
    der_t outer, content;
    extension_t extension;
    if (in->size == 0) return LIST_TAKEN;
    if (!der_take(in, DER_CONTEXT_LIST(0), &outer) || in->size != 0 || !der_take(&outer, DER_SEQUENCE, &content) ||
        outer.size != 0) {
        return LIST_FAULT_FORM;
    }
    while (content.size > 0) {
        if (!certificate_extension(&content, &extension)) return LIST_FAULT_FORM;
        list_fault fault = read_extension(extension, list);
        if (fault != LIST_TAKEN) return fault;
    }
    return LIST_TAKEN;
}

/* ---- the frame ---- */

static list_fault read_next_update(der_t *in, int64_t *ret_time)
{
    if (!der_is(*in, DER_UTC_TIME) && !der_is(*in, DER_GENERALIZED_TIME)) return LIST_FAULT_NEXT_UPDATE;
    return der_time(in, ret_time) ? LIST_TAKEN : LIST_FAULT_FORM;
}

static list_fault read_signed_part(const profile_t *profile, list_t *list)
{
    der_t whole = list->signed_part, in, algorithm;
    uint32_t version;
    if (!der_take(&whole, DER_SEQUENCE, &in) || !der_small(&in, &version) || version != 1) return LIST_FAULT_FORM;
    if (!certificate_algorithm(&in, &algorithm)) return LIST_FAULT_FORM;
    if (!der_equal(algorithm, profile->signature_algorithm)) return LIST_FAULT_ALGORITHM;
    if (!der_name(&in, &list->issuer) || !der_time(&in, &list->this_update)) return LIST_FAULT_FORM;
    list_fault fault = read_next_update(&in, &list->next_update);
    if (fault != LIST_TAKEN) return fault;
    if (der_is(in, DER_SEQUENCE) && (!der_take(&in, DER_SEQUENCE, &list->entries) || list->entries.size == 0)) {
        return LIST_FAULT_FORM;
    }
    return read_extensions(&in, list);
}

list_fault list_read(der_t data, const profile_t *profile, list_t *ret_list)
{
    der_t content, algorithm;
    list_t list = {0};
    if (!der_take(&data, DER_SEQUENCE, &content) || data.size != 0) return LIST_FAULT_FORM;
    if (!der_take_whole(&content, DER_SEQUENCE, &list.signed_part)) return LIST_FAULT_FORM;
    if (!certificate_algorithm(&content, &algorithm) || !der_bit_octets(&content, &list.signature) ||
        content.size != 0) {
        return LIST_FAULT_FORM;
    }
    if (!der_equal(algorithm, profile->signature_algorithm)) return LIST_FAULT_ALGORITHM;
    list_fault fault = read_signed_part(profile, &list);
    if (fault != LIST_TAKEN) return fault;
    if (list.number.size == 0) return LIST_FAULT_NUMBER;
    *ret_list = list;
    return LIST_TAKEN;
}

/* ---- may it be believed? ---- */

list_fault list_check(const list_t *list, const trust_t *trust, int64_t now_s, der_passed_fn *passed,
                      const root_t **ret_root)
{
    uint8_t digest[RSA_DIGEST_SIZE];
    if (!trust_knows_issuer(trust, list->issuer)) return LIST_FAULT_ISSUER;
    const root_t *root = trust_find(trust, list->issuer, list->key_id);
    if (root == NULL) return LIST_FAULT_KEY_ID;
    if (!rsa_digest(list->signed_part, passed, digest) || !rsa_key_verify(root->key, digest, list->signature))
        return LIST_FAULT_SIGNATURE;
    if (list->this_update > now_s + trust->profile->crl_early_s) return LIST_FAULT_THIS_UPDATE;
    if (list->next_update < now_s) return LIST_FAULT_NEXT_UPDATE;
    *ret_root = root;
    return LIST_TAKEN;
}

index_part list_part(const list_t *list, const root_t *root)
{
    index_part part = {.this_update = list->this_update, .next_update = list->next_update};
    memcpy(part.key.issuer_key, root->key_sha256, sizeof part.key.issuer_key);
    if (list->point.size > 0) bytes_sha256(list->point.data, list->point.size, part.key.point);
    memcpy(part.number + sizeof part.number - list->number.size, list->number.data, list->number.size);
    return part;
}

/* ---- entries ---- */

/* ENUMERATED certificateHold */
static bool is_hold(der_t value)
{
    return der_equal(value, DER_LITERAL("\x0a\x01\x06"));
}

static bool read_entry_extensions(der_t *in, bool *ret_held)
{
    static const der_t reason = CE("\x15");
    der_t content;
    extension_t extension;
    if (in->size == 0) return true;
    if (!der_take(in, DER_SEQUENCE, &content) || in->size != 0 || content.size == 0) return false;
    while (content.size > 0) {
        if (!certificate_extension(&content, &extension) || extension.critical) return false;
        if (der_equal(extension.oid, reason) && is_hold(extension.value)) *ret_held = true;
    }
    return true;
}

static bool read_serial(der_t *in, list_entry *entry)
{
    der_t content;
    if (!der_integer(in, &content) || content.data[0] >= 0x80 || content.size > SERIAL_OCTETS_MAX) return false;
    entry->is_kept = content.size <= 4 || (content.size == 5 && content.data[0] == 0);
    for (size_t i = 0; entry->is_kept && i < content.size; i++) entry->serial = entry->serial << 8 | content.data[i];
    return true;
}

bool list_next(der_t *entries, list_entry *ret_entry)
{
    der_t content;
    int64_t moment;
    list_entry entry = {0};
    if (!der_take(entries, DER_SEQUENCE, &content) || !read_serial(&content, &entry) || !der_time(&content, &moment) ||
        !read_entry_extensions(&content, &entry.is_held)) {
        return false;
    }
    *ret_entry = entry;
    return true;
}
