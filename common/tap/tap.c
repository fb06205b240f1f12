/* SPDX-License-Identifier: Apache-2.0 */
#include "common/tap/tap.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/text.h"

typedef Mykey__TapStatement statement_t;

/* ---- writing the canonical form ---- */

typedef struct writer {
    uint8_t *out;
    size_t cap, used;
    bool full;
} writer_t;

static void put(writer_t *self, const void *data, size_t size)
{
    if (size > self->cap - self->used) self->full = true;
    if (self->full || size == 0) return;
    memcpy(self->out + self->used, data, size);
    self->used += size;
}

static void put_be(writer_t *self, uint64_t value, unsigned size)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < size; i++) bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    put(self, bytes, size);
}

static void put_bytes(writer_t *self, unsigned number, const void *data, size_t size)
{
    put_be(self, number, 1);
    put_be(self, size, 4);
    put(self, data, size);
}

static void put_text(writer_t *self, unsigned number, const char *text)
{
    put_bytes(self, number, text, text == NULL ? 0 : strlen(text));
}

static void put_number(writer_t *self, unsigned number, uint64_t value)
{
    put_be(self, number, 1);
    put_be(self, 8, 4);
    put_be(self, value, 8);
}

/* ---- checks, a row a field ---- */

static bool text_in(const char *text, const char *allowed, size_t max)
{
    return text != NULL && text_is_made_of(text, allowed, 1, max);
}

static bool good_origin(const char *origin)
{
    return origin != NULL && strncmp(origin, "https://", 8) == 0 && text_is_made_of(origin, TEXT_ID ":/._[]", 9, 128);
}

static bool good_amount(const statement_t *s)
{
    bool has_unit = s->unit != NULL && s->unit[0] != '\0';
    if (s->amount == 0) return !has_unit;
    return has_unit && strcmp(s->unit, "pt") == 0;
}

static bool good_times(const statement_t *s)
{
    return s->has_issued_at_ms && s->has_expires_at_ms && s->expires_at_ms > s->issued_at_ms &&
           s->expires_at_ms - s->issued_at_ms <= TAP_CHALLENGE_LIFE_MS;
}

static bool good_assurance(const statement_t *s)
{
    return s->has_assurance &&
           (s->assurance == MYKEY__ASSURANCE__ASSURANCE_PIN || s->assurance == MYKEY__ASSURANCE__ASSURANCE_PRESENCE);
}

static bool good_purpose(const statement_t *s)
{
    return s->has_purpose && strcmp(tap_purpose_name((uint32_t)s->purpose), "unknown") != 0;
}

mk_code tap_statement_check(const statement_t *s, const char **ret_detail)
{
    const struct {
        bool good;
        const char *field;
    } rows[] = {
        {s->has_version && s->version == TAP_VERSION, "version"},
        {text_in(s->environment, TEXT_LOWER TEXT_DIGITS "-", 16), "environment"},
        {text_in(s->terminal_id, TEXT_ID, 32), "terminal_id"},
        {s->has_terminal_key_sha256 && s->terminal_key_sha256.len == 32, "terminal_key_sha256"},
        {good_origin(s->origin), "origin"},
        {good_purpose(s), "purpose"},
        {text_in(s->audience, TEXT_ID, 32), "audience"},
        {!s->has_object || s->object.len == 0 || s->object.len == 32, "object"},
        {good_amount(s), "amount"},
        {s->has_request_id && s->request_id.len == 16, "request_id"},
        {s->has_nonce && s->nonce.len == 32, "nonce"},
        {good_times(s), "expires_at_ms"},
        {good_assurance(s), "assurance"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].good) continue;
        if (ret_detail != NULL) *ret_detail = rows[i].field;
        return MK_BAD_REQUEST;
    }
    return MK_OK;
}

mk_code tap_statement_canonical(const statement_t *s, uint8_t out[TAP_CANONICAL_MAX], size_t *ret_size)
{
    MK_TRY(tap_statement_check(s, NULL));
    writer_t writer = {.out = out, .cap = TAP_CANONICAL_MAX};
    put(&writer, "MYKEY-TAP-1", sizeof "MYKEY-TAP-1");
    put_number(&writer, 1, s->version);
    put_text(&writer, 2, s->environment);
    put_text(&writer, 3, s->terminal_id);
    put_bytes(&writer, 4, s->terminal_key_sha256.data, s->terminal_key_sha256.len);
    put_text(&writer, 5, s->origin);
    put_number(&writer, 6, (uint64_t)s->purpose);
    put_text(&writer, 7, s->audience);
    put_bytes(&writer, 8, s->object.data, s->has_object ? s->object.len : 0);
    put_number(&writer, 9, s->has_amount ? s->amount : 0);
    put_text(&writer, 10, s->unit);
    put_bytes(&writer, 11, s->request_id.data, s->request_id.len);
    put_bytes(&writer, 12, s->nonce.data, s->nonce.len);
    put_number(&writer, 13, s->issued_at_ms);
    put_number(&writer, 14, s->expires_at_ms);
    put_number(&writer, 15, (uint64_t)s->assurance);
    MK_ENSURE(!writer.full, MK_TOO_LARGE);
    *ret_size = writer.used;
    return MK_OK;
}

mk_code tap_statement_digest(const statement_t *s, uint8_t out[TAP_DIGEST_SIZE])
{
    uint8_t canonical[TAP_CANONICAL_MAX];
    size_t size;
    MK_TRY(tap_statement_canonical(s, canonical, &size));
    bytes_sha256(canonical, size, out);
    return MK_OK;
}

/* ---- comparing ---- */

static bool same_text(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static bool same_bytes(ProtobufCBinaryData a, protobuf_c_boolean has_a, ProtobufCBinaryData b, protobuf_c_boolean has_b)
{
    size_t size_a = has_a ? a.len : 0, size_b = has_b ? b.len : 0;
    return size_a == size_b && (size_a == 0 || memcmp(a.data, b.data, size_a) == 0);
}

#define SAME_BYTES(field) same_bytes(a->field, a->has_##field, b->field, b->has_##field)
#define SAME_NUMBER(field) ((a->has_##field ? a->field : 0) == (b->has_##field ? b->field : 0))

mk_code tap_statement_same(const statement_t *a, const statement_t *b, const char **ret_detail)
{
    const struct {
        bool same;
        const char *field;
    } rows[] = {
        {SAME_NUMBER(version), "version"},
        {same_text(a->environment, b->environment), "environment"},
        {same_text(a->terminal_id, b->terminal_id), "terminal_id"},
        {SAME_BYTES(terminal_key_sha256), "terminal_key_sha256"},
        {same_text(a->origin, b->origin), "origin"},
        {SAME_NUMBER(purpose), "purpose"},
        {same_text(a->audience, b->audience), "audience"},
        {SAME_BYTES(object), "object"},
        {SAME_NUMBER(amount), "amount"},
        {same_text(a->unit, b->unit), "unit"},
        {SAME_BYTES(request_id), "request_id"},
        {SAME_BYTES(nonce), "nonce"},
        {SAME_NUMBER(issued_at_ms), "issued_at_ms"},
        {SAME_NUMBER(expires_at_ms), "expires_at_ms"},
        {SAME_NUMBER(assurance), "assurance"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].same) continue;
        if (ret_detail != NULL) *ret_detail = rows[i].field;
        return MK_CHALLENGE_MISMATCH;
    }
    return MK_OK;
}

void tap_statement_take_given(Mykey__TapStatement *own, const Mykey__TapStatement *theirs)
{
    own->has_nonce = theirs->has_nonce;
    own->nonce = theirs->nonce;
    own->has_issued_at_ms = theirs->has_issued_at_ms;
    own->issued_at_ms = theirs->issued_at_ms;
    own->has_expires_at_ms = theirs->has_expires_at_ms;
    own->expires_at_ms = theirs->expires_at_ms;
}

/* ---- objects ---- */

void tap_object_link(const char *operator_id, const char *number, const char *terms_version, uint8_t out[32])
{
    uint8_t bytes[TAP_CANONICAL_MAX];
    writer_t writer = {.out = bytes, .cap = sizeof bytes};
    put(&writer, "MYKEY-OBJECT-LINK-1", sizeof "MYKEY-OBJECT-LINK-1");
    put_text(&writer, 1, operator_id);
    put_text(&writer, 2, number);
    put_text(&writer, 3, terms_version);
    bytes_sha256(bytes, writer.used, out);
}

void tap_object_terms(const char *terms_version, uint8_t out[32])
{
    uint8_t bytes[TAP_CANONICAL_MAX];
    writer_t writer = {.out = bytes, .cap = sizeof bytes};
    put(&writer, "MYKEY-OBJECT-TERMS-1", sizeof "MYKEY-OBJECT-TERMS-1");
    put_text(&writer, 1, terms_version);
    bytes_sha256(bytes, writer.used, out);
}

const char *tap_purpose_name(uint32_t purpose)
{
    static const char *const names[] = {"unknown",   "resolve",   "create_id", "show_id", "change_id",
                                        "delete_id", "resume_id", "link",      "unlink",  "withdraw_consent"};
    return purpose < sizeof names / sizeof names[0] ? names[purpose] : "unknown";
}
