/* SPDX-License-Identifier: Apache-2.0 */
#include "common/ticket/ticket.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/pb/pb.h"

enum { MAC_SIZE = KEYFILE_MAC_SIZE, CLOCK_SLACK_MS = 2000 };

static const char prefix[] = "MYKEY-TICKET-1"; /* with its NUL */

static mk_code make_mac(const keyring_t *keys, uint32_t version, const uint8_t *body, size_t size,
                        uint8_t out[MAC_SIZE])
{
    uint8_t bytes[sizeof prefix + 4 + TICKET_MAX];
    MK_ENSURE(size <= TICKET_MAX, MK_TICKET_INVALID);
    memcpy(bytes, prefix, sizeof prefix);
    for (unsigned i = 0; i < 4; i++) bytes[sizeof prefix + i] = (uint8_t)(version >> (24 - 8 * i));
    if (size > 0) memcpy(bytes + sizeof prefix + 4, body, size);
    mk_code code = keyring_mac(keys, version, bytes, sizeof prefix + 4 + size, out);
    return code == MK_OK ? MK_OK : MK_TICKET_INVALID;
}

mk_code ticket_seal(const keyring_t *keys, const Mykey__TapTicket *ticket, uint8_t **ret_data, size_t *ret_size)
{
    uint8_t mac[MAC_SIZE];
    size_t body_size;
    uint8_t *body = pb_pack(&ticket->base, &body_size);
    Mykey__SealedTicket sealed = MYKEY__SEALED_TICKET__INIT;
    sealed.has_body = sealed.has_key_version = sealed.has_mac = 1;
    sealed.key_version = keyring_newest(keys);
    sealed.body = (ProtobufCBinaryData){body_size, body};
    sealed.mac = (ProtobufCBinaryData){sizeof mac, mac};
    mk_code code = make_mac(keys, sealed.key_version, body, body_size, mac);
    if (code == MK_OK) *ret_data = pb_pack(&sealed.base, ret_size);
    free(body);
    return code;
}

static mk_code check_seal(const keyring_t *keys, const Mykey__SealedTicket *sealed)
{
    uint8_t mac[MAC_SIZE];
    MK_ENSURE(sealed->has_body && sealed->has_key_version && sealed->has_mac, MK_TICKET_INVALID);
    MK_ENSURE(sealed->mac.len == sizeof mac, MK_TICKET_INVALID);
    MK_TRY(make_mac(keys, sealed->key_version, sealed->body.data, sealed->body.len, mac));
    return bytes_equal_secret(mac, sealed->mac.data, sizeof mac) ? MK_OK : MK_TICKET_INVALID;
}

/* Only jpki-verify can have sealed it, so the form is ours; still nothing is taken for granted. */
static mk_code check_ticket(const Mykey__TapTicket *ticket, const char *consumer, uint64_t now_ms)
{
    MK_ENSURE(ticket->consumer != NULL && strcmp(ticket->consumer, consumer) == 0, MK_TICKET_CONSUMER);
    MK_ENSURE(ticket->has_credential_id && ticket->credential_id.len == 32, MK_TICKET_INVALID);
    MK_ENSURE(ticket->has_credential_key_version && ticket->has_purpose, MK_TICKET_INVALID);
    MK_ENSURE(ticket->has_assurance && ticket->assurance == MYKEY__ASSURANCE__ASSURANCE_PIN, MK_TICKET_INVALID);
    MK_ENSURE(ticket->audience != NULL && ticket->terminal_id != NULL, MK_TICKET_INVALID);
    MK_ENSURE(!ticket->has_object || ticket->object.len == 0 || ticket->object.len == 32, MK_TICKET_INVALID);
    MK_ENSURE(ticket->has_request_id && ticket->request_id.len == 16, MK_TICKET_INVALID);
    MK_ENSURE(ticket->has_expires_at_ms && now_ms < ticket->expires_at_ms, MK_TICKET_EXPIRED);
    MK_ENSURE(ticket->expires_at_ms - now_ms <= TICKET_LIFE_MS + CLOCK_SLACK_MS, MK_TICKET_INVALID);
    return MK_OK;
}

mk_code ticket_open(const keyring_t *keys, const char *consumer, const uint8_t *data, size_t size, uint64_t now_ms,
                    Mykey__TapTicket **ret_ticket)
{
    ProtobufCMessage *message = NULL;
    MK_ENSURE(size <= 2 * TICKET_MAX, MK_TICKET_INVALID);
    MK_ENSURE(pb_unpack(&mykey__sealed_ticket__descriptor, data, size, &message) == MK_OK, MK_TICKET_INVALID);
    DEFER_PB(Mykey__SealedTicket, sealed) = (Mykey__SealedTicket *)message;
    MK_TRY(check_seal(keys, sealed));
    message = NULL;
    MK_ENSURE(pb_unpack(&mykey__tap_ticket__descriptor, sealed->body.data, sealed->body.len, &message) == MK_OK,
              MK_TICKET_INVALID);
    Mykey__TapTicket *ticket = (Mykey__TapTicket *)message;
    mk_code code = check_ticket(ticket, consumer, now_ms);
    if (code == MK_OK) {
        *ret_ticket = ticket;
    } else {
        pb_free(message);
    }
    return code;
}
