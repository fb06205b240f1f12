/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/purpose.h"

#include <stddef.h>

typedef Mykey__Terminal__TapReply tap_reply_t;

/* ---- requests ---- */

#define PURPOSE_INIT(NAME, field, Method, municipal, object, changes)                  \
    static void init_##field(purpose_request *ret_request, ProtobufCBinaryData ticket) \
    {                                                                                  \
        mykey__registry__##field##_request__init(&ret_request->field);                 \
        ret_request->field.has_ticket = true;                                          \
        ret_request->field.ticket = ticket;                                            \
    }
PURPOSE_TABLE(PURPOSE_INIT)
#undef PURPOSE_INIT

void purpose_make_request(const purpose_row *row, const Mykey__Terminal__TapRequest *tap, ProtobufCBinaryData ticket,
                          purpose_request *ret_request)
{
    row->init(ret_request, ticket);
    if (row->purpose == MYKEY__PURPOSE__PURPOSE_CREATE_ID) {
        ret_request->create_id.terms_version = tap->terms_version;
    } else if (row->purpose == MYKEY__PURPOSE__PURPOSE_LINK) {
        ret_request->link.customer_id = tap->customer_id;
        ret_request->link.terms_version = tap->terms_version;
        ret_request->link.staff = tap->staff;
    }
}

/* ---- replies ---- */

static void read_resolve(const ProtobufCMessage *message, tap_reply_t *ret)
{
    const Mykey__Registry__ResolveReply *reply = (const Mykey__Registry__ResolveReply *)message;
    ret->n_customer_ids = reply->n_customer_ids;
    ret->customer_ids = reply->customer_ids;
    ret->n_notices = reply->n_notices;
    ret->notices = reply->notices;
}

static void read_create_id(const ProtobufCMessage *message, tap_reply_t *ret)
{
    const Mykey__Registry__CreateIdReply *reply = (const Mykey__Registry__CreateIdReply *)message;
    ret->mykey_id = reply->mykey_id;
    ret->suspend_code = reply->suspend_code;
}

static void read_show_id(const ProtobufCMessage *message, tap_reply_t *ret)
{
    ret->mykey_id = ((const Mykey__Registry__ShowIdReply *)message)->mykey_id;
}

static void read_change_id(const ProtobufCMessage *message, tap_reply_t *ret)
{
    ret->mykey_id = ((const Mykey__Registry__ChangeIdReply *)message)->mykey_id;
}

static void read_delete_id(const ProtobufCMessage *message, tap_reply_t *ret)
{
    (void)message;
    (void)ret;
}

static void read_resume_id(const ProtobufCMessage *message, tap_reply_t *ret)
{
    (void)message;
    (void)ret;
}

/* The reply's pointer array has one element: its own field. */
static void read_link(const ProtobufCMessage *message, tap_reply_t *ret)
{
    Mykey__Registry__LinkReply *reply = (Mykey__Registry__LinkReply *)(uintptr_t)message;
    ret->n_customer_ids = reply->customer_id == NULL ? 0 : 1;
    ret->customer_ids = &reply->customer_id;
}

static void read_unlink(const ProtobufCMessage *message, tap_reply_t *ret)
{
    ret->has_removed = true;
    ret->removed = ((const Mykey__Registry__UnlinkReply *)message)->removed;
}

static void read_withdraw_consent(const ProtobufCMessage *message, tap_reply_t *ret)
{
    ret->has_removed = true;
    ret->removed = ((const Mykey__Registry__WithdrawConsentReply *)message)->removed;
}

void purpose_make_reply(const purpose_row *row, const ProtobufCMessage *reply, Mykey__Terminal__TapReply *ret_reply)
{
    mykey__terminal__tap_reply__init(ret_reply);
    ret_reply->has_purpose = true;
    ret_reply->purpose = row->purpose;
    row->read(reply, ret_reply);
}

/* ---- the table ---- */

#define PURPOSE_ROW(NAME, field, Method, municipal, object, changes) \
    {MYKEY__PURPOSE__PURPOSE_##NAME,                                 \
     #field,                                                         \
     #Method,                                                        \
     municipal,                                                      \
     object,                                                         \
     changes,                                                        \
     &mykey__registry__##field##_reply__descriptor,                  \
     init_##field,                                                   \
     read_##field},
static const purpose_row rows[] = {PURPOSE_TABLE(PURPOSE_ROW)};

const purpose_row *purpose_find(uint32_t purpose)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if ((uint32_t)rows[i].purpose == purpose) return &rows[i];
    }
    return NULL;
}
