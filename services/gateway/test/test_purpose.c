/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/purpose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/tap/tap.h"

/* Each value of the contract's enum has a row, under the name that logs and metrics use. */
static void every_purpose_has_a_row(void **state)
{
    (void)state;
    const ProtobufCEnumDescriptor *purposes = &mykey__purpose__descriptor;
    unsigned rows = 0;
    for (unsigned i = 0; i < purposes->n_values; i++) {
        uint32_t value = (uint32_t)purposes->values[i].value;
        const purpose_row *row = purpose_find(value);
        if (value == 0) assert_null(row);
        if (value == 0) continue;
        assert_non_null(row);
        assert_string_equal(row->name, tap_purpose_name(value));
        rows++;
    }
    assert_int_equal(rows, 9);
    assert_null(purpose_find(20));
    assert_null(purpose_find(UINT32_MAX));
}

/* Whatever the purpose, field 1 of the registry's request is the ticket, and the reply's type belongs to the method. */
static void requests_carry_the_ticket(void **state)
{
    (void)state;
    uint8_t bytes[] = "ticket";
    ProtobufCBinaryData ticket = {6, bytes};
    Mykey__Terminal__TapRequest tap = MYKEY__TERMINAL__TAP_REQUEST__INIT;
    for (uint32_t purpose = 1; purpose <= 9; purpose++) {
        const purpose_row *row = purpose_find(purpose);
        purpose_request request;
        uint8_t packed[64];
        char name[64];
        purpose_make_request(row, &tap, ticket, &request);
        size_t size = protobuf_c_message_pack(&request.base, packed);
        assert_int_equal(size, 8);
        assert_memory_equal(packed, "\x0a\x06ticket", 8);
        snprintf(name, sizeof name, "mykey.registry.%sRequest", row->method);
        assert_string_equal(request.base.descriptor->name, name);
        snprintf(name, sizeof name, "mykey.registry.%sReply", row->method);
        assert_string_equal(row->reply_type->name, name);
    }
}

static void link_carries_number_terms_and_staff(void **state)
{
    (void)state;
    Mykey__Terminal__TapRequest tap = MYKEY__TERMINAL__TAP_REQUEST__INIT;
    Mykey__Registry__StaffConfirmation staff = MYKEY__REGISTRY__STAFF_CONFIRMATION__INIT;
    char number[] = "086", terms[] = "3";
    purpose_request request;
    tap.customer_id = number;
    tap.terms_version = terms;
    tap.staff = &staff;
    purpose_make_request(purpose_find(MYKEY__PURPOSE__PURPOSE_LINK), &tap, (ProtobufCBinaryData){0}, &request);
    assert_ptr_equal(request.link.customer_id, number);
    assert_ptr_equal(request.link.terms_version, terms);
    assert_ptr_equal(request.link.staff, &staff);
    purpose_make_request(purpose_find(MYKEY__PURPOSE__PURPOSE_CREATE_ID), &tap, (ProtobufCBinaryData){0}, &request);
    assert_ptr_equal(request.create_id.terms_version, terms);
}

static void replies_become_the_terminals(void **state)
{
    (void)state;
    Mykey__Terminal__TapReply out;
    char one[] = "789", two[] = "086", notice[] = "link_undone", id[] = "ABCD1234", code[] = "1234567890123456";
    char *numbers[] = {one, two}, *notices[] = {notice};

    Mykey__Registry__ResolveReply resolve = MYKEY__REGISTRY__RESOLVE_REPLY__INIT;
    resolve.n_customer_ids = 2;
    resolve.customer_ids = numbers;
    resolve.n_notices = 1;
    resolve.notices = notices;
    purpose_make_reply(purpose_find(MYKEY__PURPOSE__PURPOSE_RESOLVE), &resolve.base, &out);
    assert_int_equal(out.purpose, MYKEY__PURPOSE__PURPOSE_RESOLVE);
    assert_int_equal(out.n_customer_ids, 2);
    assert_string_equal(out.customer_ids[1], "086");
    assert_string_equal(out.notices[0], "link_undone");
    assert_null(out.mykey_id);

    Mykey__Registry__CreateIdReply create = MYKEY__REGISTRY__CREATE_ID_REPLY__INIT;
    create.mykey_id = id;
    create.suspend_code = code;
    purpose_make_reply(purpose_find(MYKEY__PURPOSE__PURPOSE_CREATE_ID), &create.base, &out);
    assert_string_equal(out.mykey_id, id);
    assert_string_equal(out.suspend_code, code);

    Mykey__Registry__LinkReply link = MYKEY__REGISTRY__LINK_REPLY__INIT;
    link.customer_id = two;
    purpose_make_reply(purpose_find(MYKEY__PURPOSE__PURPOSE_LINK), &link.base, &out);
    assert_int_equal(out.n_customer_ids, 1);
    assert_string_equal(out.customer_ids[0], "086");

    Mykey__Registry__UnlinkReply unlink = MYKEY__REGISTRY__UNLINK_REPLY__INIT;
    unlink.has_removed = true;
    unlink.removed = 2;
    purpose_make_reply(purpose_find(MYKEY__PURPOSE__PURPOSE_UNLINK), &unlink.base, &out);
    assert_int_equal(out.removed, 2);
    assert_int_equal(out.n_customer_ids, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_purpose_has_a_row),
        cmocka_unit_test(requests_carry_the_ticket),
        cmocka_unit_test(link_carries_number_terms_and_staff),
        cmocka_unit_test(replies_become_the_terminals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
