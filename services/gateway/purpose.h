/* SPDX-License-Identifier: Apache-2.0 */
/* From a tap's purpose to the registry's method, and from its reply to the terminal's. */
#ifndef MYKEY_GATEWAY_PURPOSE_H
#define MYKEY_GATEWAY_PURPOSE_H

#include <stdbool.h>

#include "proto/registry.pb-c.h"
#include "proto/tap.pb-c.h"
#include "proto/terminal.pb-c.h"
#include "services/gateway/purposes.tbl.h"

typedef union purpose_request {
    ProtobufCMessage base;
#define PURPOSE_MEMBER(NAME, field, Method, municipal, object, changes) Mykey__Registry__##Method##Request field;
    PURPOSE_TABLE(PURPOSE_MEMBER)
#undef PURPOSE_MEMBER
} purpose_request;

typedef struct purpose_row {
    Mykey__Purpose purpose;
    const char *name;   /* "resolve": logs and metrics */
    const char *method; /* of the service registry */
    bool municipal, has_object, changes;
    const ProtobufCMessageDescriptor *reply_type;
    void (*init)(purpose_request *ret_request, ProtobufCBinaryData ticket);
    void (*read)(const ProtobufCMessage *reply, Mykey__Terminal__TapReply *ret_reply);
} purpose_row;

/* NULL if there is no such purpose (yet). */
const purpose_row *purpose_find(uint32_t purpose);

/* The registry's request. Points into tap and ticket. */
void purpose_make_request(const purpose_row *row, const Mykey__Terminal__TapRequest *tap, ProtobufCBinaryData ticket,
                          purpose_request *ret_request);

/* The terminal's answer. Points into reply, which is of row->reply_type. */
void purpose_make_reply(const purpose_row *row, const ProtobufCMessage *reply, Mykey__Terminal__TapReply *ret_reply);

#endif
