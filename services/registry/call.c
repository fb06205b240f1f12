/* SPDX-License-Identifier: Apache-2.0 */
#include "services/registry/call.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/pb/pb.h"
#include "common/ticket/ticket.h"

mk_code call_code_of(const char *name)
{
    unsigned count;
    const mk_code_info *table = mk_code_table(&count);
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(table[i].name, name) == 0) return table[i].code;
    }
    return MK_INTERNAL;
}

mk_code call_refuse(call_t *call, mk_code code, const char *detail)
{
    call->detail = detail;
    return code;
}

void call_reply(call_t *call, mk_code code, const ProtobufCMessage *message)
{
    registry_t *registry = call->registry;
    metric_add(registry->requests, 1, call->method->name, mk_code_name(code), NULL, NULL);
    metric_observe(registry->seconds, (double)(clock_mono_us() - call->started_us) / 1e6, call->method->name, NULL,
                   NULL, NULL);
    bus_job_reply(call->job, code, code == MK_OK ? NULL : call->detail, message);
    if (call->ticket != NULL) pb_free(&call->ticket->base);
    bytes_wipe(call, sizeof *call);
    free(call);
}

/* ---- the ticket ---- */

/* Every request that takes a ticket has it as its field number 1. */
static ProtobufCBinaryData ticket_of(const ProtobufCMessage *message)
{
    ProtobufCBinaryData empty = {0, NULL};
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(message->descriptor, 1);
    if (field == NULL || field->type != PROTOBUF_C_TYPE_BYTES) return empty;
    const char *base = (const char *)message;
    if (!*(const protobuf_c_boolean *)(base + field->quantifier_offset)) return empty;
    return *(const ProtobufCBinaryData *)(base + field->offset);
}

mk_code call_check_object(call_t *call, const uint8_t *object)
{
    const ProtobufCBinaryData *signed_object = &call->ticket->object;
    size_t size = call->ticket->has_object ? signed_object->len : 0;
    if (object == NULL && size == 0) return MK_OK;
    if (object != NULL && size == 32 && bytes_equal_secret(object, signed_object->data, 32)) return MK_OK;
    return call_refuse(call, MK_TICKET_INVALID, "object");
}

static mk_code check_purpose(call_t *call)
{
    const Mykey__TapTicket *ticket = call->ticket;
    const method_t *method = call->method;
    uint32_t purpose = (uint32_t)ticket->purpose;
    if (purpose < method->purpose_from || purpose > method->purpose_to) {
        return call_refuse(call, MK_TICKET_INVALID, "purpose");
    }
    bool moves_points = (ticket->has_amount && ticket->amount != 0) || or_empty(ticket->unit)[0] != '\0';
    if (purpose < 20 && moves_points) return call_refuse(call, MK_TICKET_INVALID, "amount");
    return MK_OK;
}

static mk_code open_ticket(call_t *call)
{
    if (call->method->purpose_from == 0) return MK_OK;
    ProtobufCBinaryData sealed = ticket_of(call->message);
    MK_TRY(
        ticket_open(call->registry->ticket_keys, "registry", sealed.data, sealed.len, clock_wall_ms(), &call->ticket));
    MK_TRY(check_purpose(call));
    size_t audience = strlen(call->ticket->audience);
    return audience >= 1 && audience <= 32 ? MK_OK : call_refuse(call, MK_TICKET_INVALID, "audience");
}

void call_run(const method_t *method, bus_job_t *job, registry_t *registry)
{
    call_t *call = calloc(1, sizeof *call);
    if (call == NULL) abort();
    call->registry = registry;
    call->job = job;
    call->method = method;
    call->message = bus_job_message(job);
    call->started_us = clock_mono_us();
    mk_code code = registry->ready ? open_ticket(call) : MK_UNAVAILABLE;
    if (code == MK_OK) code = method->start(call);
    if (code != MK_OK) call_reply(call, code, NULL);
}

/* ---- the statement ---- */

static void log_failure(const call_t *call, mk_code code, const char *sqlstate)
{
    if (code != MK_INTERNAL) return;
    char trace[33] = "";
    const char *parent = bus_job_traceparent(call->job);
    if (parent != NULL && strlen(parent) == 55) memcpy(trace, parent + 3, 32);
    log_error("statement_failed", LOG_TEXT(METHOD, call->method->name),
              LOG_TEXT(DETAIL, registry_statements[call->statement].name), LOG_TEXT(STATE, sqlstate),
              LOG_TEXT(TRACE, trace));
}

static void on_result(mk_code code, const char *sqlstate, const PGresult *result, void *arg)
{
    call_t *call = arg;
    log_failure(call, code, sqlstate);
    if (code == MK_OK && registry_statement_coded[call->statement]) {
        code = PQntuples(result) == 1 ? call_code_of(db_text(result, 0, 0)) : MK_INTERNAL;
    }
    if (code == MK_OK && call->on_rows != NULL) {
        call->on_rows(call, result);
    } else {
        if (code != MK_OK && call->on_failed != NULL) call->on_failed(call);
        call_reply(call, code, NULL);
    }
}

void call_query(call_t *call, statement_id statement, const db_param *params, call_rows_fn *on_rows)
{
    call->statement = statement;
    call->on_rows = on_rows;
    db_query(call->registry->db, statement, params, bus_job_remaining_ms(call->job), on_result, call);
}
