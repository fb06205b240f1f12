/* SPDX-License-Identifier: Apache-2.0 */
/* What a peer may send as a message; the first byte picks which. What is let through holds text in its strings and not
 * too many of anything; packed again it is let through again and packs to the same bytes.
 * Parsers: common/pb/pb.c common/base/text.c */
#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "common/pb/pb.h"
#include "proto/bus.pb-c.h"
#include "proto/jpki.pb-c.h"
#include "proto/registry.pb-c.h"
#include "proto/tap.pb-c.h"
#include "proto/terminal.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const types[] = {
    &mykey__registry__put_operator_request__descriptor,
    &mykey__registry__link_request__descriptor,
    &mykey__registry__list_operators_reply__descriptor,
    &mykey__registry__resolve_reply__descriptor,
    &mykey__sealed_ticket__descriptor,
    &mykey__tap_ticket__descriptor,
    &mykey__tap_statement__descriptor,
    &mykey__jpki__verify_request__descriptor,
    &mykey__jpki__verify_reply__descriptor,
    &mykey__registry__find_terminal_reply__descriptor,
    &mykey__registry__list_terminals_reply__descriptor,
    &mykey__registry__pending_reply__descriptor,
    &mykey__registry__issue_request__descriptor,
    &mykey__terminal__terminal_info__descriptor,
    &mykey__terminal__challenge_request__descriptor,
    &mykey__terminal__challenge__descriptor,
    &mykey__terminal__tap_request__descriptor,
    &mykey__terminal__tap_reply__descriptor,
    &mykey__terminal__enrol__descriptor,
    &mykey__terminal__enrolled__descriptor,
    &mykey__terminal__error_body__descriptor,
    &mykey__terminal__undo_link__descriptor,
    &mykey__terminal__suspend__descriptor,
    &mykey__terminal__done__descriptor,
    &mykey__terminal__enrol_accepted__descriptor,
    &mykey__terminal__enrol_result__descriptor,
    &mykey__terminal__renew__descriptor,
    &mykey__registry__resolve_request__descriptor,
    &mykey__registry__create_id_request__descriptor,
    &mykey__registry__create_id_reply__descriptor,
    &mykey__registry__show_id_request__descriptor,
    &mykey__registry__show_id_reply__descriptor,
    &mykey__registry__change_id_request__descriptor,
    &mykey__registry__change_id_reply__descriptor,
    &mykey__registry__delete_id_request__descriptor,
    &mykey__registry__delete_id_reply__descriptor,
    &mykey__registry__resume_id_request__descriptor,
    &mykey__registry__resume_id_reply__descriptor,
    &mykey__registry__staff_confirmation__descriptor,
    &mykey__registry__link_reply__descriptor,
    &mykey__registry__unlink_request__descriptor,
    &mykey__registry__unlink_reply__descriptor,
    &mykey__registry__withdraw_consent_request__descriptor,
    &mykey__registry__withdraw_consent_reply__descriptor,
    &mykey__registry__pseudonym_request__descriptor,
    &mykey__registry__pseudonym_reply__descriptor,
    &mykey__registry__undo_link_request__descriptor,
    &mykey__registry__undo_link_reply__descriptor,
    &mykey__registry__suspend_request__descriptor,
    &mykey__registry__suspend_reply__descriptor,
    &mykey__registry__number_rule__descriptor,
    &mykey__registry__output_settings__descriptor,
    &mykey__registry__operator__descriptor,
    &mykey__registry__put_operator_reply__descriptor,
    &mykey__registry__get_operator_request__descriptor,
    &mykey__registry__get_operator_reply__descriptor,
    &mykey__registry__list_operators_request__descriptor,
    &mykey__registry__terminal__descriptor,
    &mykey__registry__invite_request__descriptor,
    &mykey__registry__invite_reply__descriptor,
    &mykey__registry__enrol_request__descriptor,
    &mykey__registry__enrol_reply__descriptor,
    &mykey__registry__renew_request__descriptor,
    &mykey__registry__renew_reply__descriptor,
    &mykey__registry__enrol_result_request__descriptor,
    &mykey__registry__enrol_result_reply__descriptor,
    &mykey__registry__pending_request__descriptor,
    &mykey__registry__pending_enrolment__descriptor,
    &mykey__registry__issue_reply__descriptor,
    &mykey__registry__find_terminal_request__descriptor,
    &mykey__registry__list_terminals_request__descriptor,
    &mykey__registry__revoke_terminal_request__descriptor,
    &mykey__registry__revoke_terminal_reply__descriptor,
    &mykey__bus__shard_epoch__descriptor,
    &mykey__bus__header__descriptor,
    &mykey__bus__empty__descriptor,
    &mykey__bus__info_reply__descriptor,
    &mykey__bus__service_stats__descriptor,
    &mykey__bus__stats_reply__descriptor,
};

static void check_message(const ProtobufCMessage *message, unsigned depth);

static void check_value(const ProtobufCFieldDescriptor *field, const void *value, unsigned depth)
{
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(char *const *)value;
        if (text != NULL && (strlen(text) > PB_STRING_MAX || !text_is_utf8(text, strlen(text)))) abort();
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessage *inner = *(ProtobufCMessage *const *)value;
        if (inner != NULL) check_message(inner, depth + 1);
    }
}

static void check_message(const ProtobufCMessage *message, unsigned depth)
{
    if (depth > PB_DEPTH_MAX || message->n_unknown_fields > PB_FIELDS_MAX) abort();
    const char *base = (const char *)message;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (field->label != PROTOBUF_C_LABEL_REPEATED) {
            check_value(field, base + field->offset, depth);
            continue;
        }
        size_t count = *(const size_t *)(base + field->quantifier_offset);
        if (count > PB_REPEATED_MAX) abort();
        if (count > PB_REPEATED_MAX) abort();
        char *const *list = *(char *const *const *)(base + field->offset); /* strings or messages: we have no others */
        for (size_t k = 0; k < count; k++) check_value(field, &list[k], depth);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ProtobufCMessage *message, *again;
    size_t first_size, second_size;
    if (size < 1) return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % (sizeof types / sizeof types[0])];
    if (pb_unpack(type, data + 1, size - 1, &message) != MK_OK) return 0;
    check_message(message, 0);
    uint8_t *first = pb_pack(message, &first_size);
    if (first_size <= PB_BODY_MAX) { /* a number may have been written shorter than it need be */
        if (pb_unpack(type, first, first_size, &again) != MK_OK) abort();
        uint8_t *second = pb_pack(again, &second_size);
        if (second_size != first_size || memcmp(first, second, first_size) != 0) abort();
        free(second);
        pb_free(again);
    }
    free(first);
    pb_free(message);
    return 0;
}
