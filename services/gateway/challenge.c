/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/challenge.h"

#include <sys/queue.h>

#include "common/tap/tap.h"
#include "services/gateway/bytemap.h"

_Static_assert((int)CHALLENGE_LIFE_MS == (int)TAP_CHALLENGE_LIFE_MS, "one life for both sides");
_Static_assert((int)CHALLENGE_NONCE_SIZE == (int)BYTEMAP_KEY_SIZE, "nonces are keys");

typedef struct record record_t;

/* All of one terminal; it exists as long as it has records. */
typedef struct owner {
    TAILQ_HEAD(, record) records; /* oldest first */
    unsigned count;
} owner_t;

struct record {
    challenge value;
    uint64_t put_at_ms;
    owner_t *owner;
    TAILQ_ENTRY(record) in_owner;
    TAILQ_ENTRY(record) in_store;
};

struct challenge_store {
    size_t max;
    zhashx_t *by_nonce;
    zhashx_t *owners;             /* terminal id → owner_t */
    TAILQ_HEAD(, record) records; /* oldest first: all live equally long */
};

void challenge_statement(const challenge *self, const char *environment, const char *origin,
                         Mykey__TapStatement *ret_statement)
{
    Mykey__TapStatement s = MYKEY__TAP_STATEMENT__INIT;
    s.has_version = s.has_terminal_key_sha256 = s.has_purpose = s.has_amount = s.has_request_id = true;
    s.has_nonce = s.has_issued_at_ms = s.has_expires_at_ms = s.has_assurance = true;
    s.version = TAP_VERSION;
    s.environment = (char *)environment;
    s.terminal_id = (char *)self->terminal_id;
    s.terminal_key_sha256 = (ProtobufCBinaryData){32, (uint8_t *)self->terminal_key_sha256};
    s.origin = (char *)origin;
    s.purpose = self->purpose;
    s.audience = (char *)self->audience;
    s.has_object = self->has_object;
    s.object = (ProtobufCBinaryData){self->has_object ? 32 : 0, (uint8_t *)self->object};
    s.request_id = (ProtobufCBinaryData){16, (uint8_t *)self->request_id};
    s.nonce = (ProtobufCBinaryData){CHALLENGE_NONCE_SIZE, (uint8_t *)self->nonce};
    s.issued_at_ms = self->issued_at_ms;
    s.expires_at_ms = self->issued_at_ms + CHALLENGE_LIFE_MS;
    s.assurance = MYKEY__ASSURANCE__ASSURANCE_PIN;
    *ret_statement = s;
}

challenge_store_t *challenge_store_new(size_t max)
{
    challenge_store_t *self = zmalloc(sizeof *self);
    self->max = max;
    self->by_nonce = bytemap_new();
    self->owners = zhashx_new();
    TAILQ_INIT(&self->records);
    return self;
}

static void record_remove(challenge_store_t *self, record_t *record)
{
    owner_t *owner = record->owner;
    zhashx_delete(self->by_nonce, record->value.nonce);
    TAILQ_REMOVE(&self->records, record, in_store);
    TAILQ_REMOVE(&owner->records, record, in_owner);
    if (--owner->count == 0) {
        zhashx_delete(self->owners, record->value.terminal_id);
        free(owner);
    }
    free(record);
}

void challenge_store_destroy(challenge_store_t **self_p)
{
    challenge_store_t *self = *self_p;
    if (self == NULL) return;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it can't follow the links */
    while (!TAILQ_EMPTY(&self->records)) record_remove(self, TAILQ_FIRST(&self->records));
    zhashx_destroy(&self->by_nonce);
    zhashx_destroy(&self->owners);
    free(self);
    *self_p = NULL;
}

static void forget_old(challenge_store_t *self, uint64_t now_ms)
{
    record_t *oldest;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): as above */
    while ((oldest = TAILQ_FIRST(&self->records)) != NULL && now_ms >= oldest->put_at_ms + CHALLENGE_MEMORY_MS) {
        record_remove(self, oldest);
    }
}

/* The record that a new one of this terminal and request id takes the place of; NULL if there is room. */
static record_t *record_to_replace(const owner_t *owner, const uint8_t request_id[16])
{
    record_t *record;
    TAILQ_FOREACH(record, &owner->records, in_owner)
    {
        if (memcmp(record->value.request_id, request_id, 16) == 0) return record;
    }
    return owner->count >= CHALLENGE_PER_TERMINAL ? TAILQ_FIRST(&owner->records) : NULL;
}

static owner_t *owner_of(challenge_store_t *self, const char *terminal_id)
{
    owner_t *owner = zhashx_lookup(self->owners, terminal_id);
    if (owner != NULL) return owner;
    owner = zmalloc(sizeof *owner);
    TAILQ_INIT(&owner->records);
    zhashx_insert(self->owners, terminal_id, owner);
    return owner;
}

static void record_insert(challenge_store_t *self, const challenge *value, uint64_t now_ms)
{
    record_t *record = zmalloc(sizeof *record);
    record->value = *value;
    record->put_at_ms = now_ms;
    record->owner = owner_of(self, value->terminal_id);
    record->owner->count++;
    TAILQ_INSERT_TAIL(&record->owner->records, record, in_owner);
    TAILQ_INSERT_TAIL(&self->records, record, in_store);
    zhashx_insert(self->by_nonce, record->value.nonce, record);
}

mk_code challenge_store_put(challenge_store_t *self, const challenge *value, uint64_t now_ms)
{
    forget_old(self, now_ms);
    owner_t *owner = zhashx_lookup(self->owners, value->terminal_id);
    record_t *replaced = owner == NULL ? NULL : record_to_replace(owner, value->request_id);
    MK_ENSURE(replaced != NULL || zhashx_size(self->by_nonce) < self->max, MK_BUSY);
    if (replaced != NULL) record_remove(self, replaced);
    record_insert(self, value, now_ms);
    return MK_OK;
}

mk_code challenge_store_take(challenge_store_t *self, const uint8_t nonce[CHALLENGE_NONCE_SIZE],
                             const char *terminal_id, uint64_t now_ms, challenge *ret_value)
{
    forget_old(self, now_ms);
    record_t *record = zhashx_lookup(self->by_nonce, nonce);
    MK_ENSURE(record != NULL, MK_CHALLENGE_GONE);
    challenge value = record->value;
    uint64_t put_at_ms = record->put_at_ms;
    record_remove(self, record);
    MK_ENSURE(strcmp(value.terminal_id, terminal_id) == 0, MK_CHALLENGE_MISMATCH);
    MK_ENSURE(now_ms < put_at_ms + CHALLENGE_LIFE_MS, MK_CHALLENGE_EXPIRED);
    *ret_value = value;
    return MK_OK;
}

size_t challenge_store_open(challenge_store_t *self, uint64_t now_ms)
{
    forget_old(self, now_ms);
    size_t open = zhashx_size(self->by_nonce);
    record_t *record;
    TAILQ_FOREACH(record, &self->records, in_store)
    {
        if (now_ms < record->put_at_ms + CHALLENGE_LIFE_MS) break;
        open--;
    }
    return open;
}
