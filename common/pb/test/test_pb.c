/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pb/pb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/registry.pb-c.h"
#include "proto/terminal.pb-c.h"

static const ProtobufCMessageDescriptor *link_type = &mykey__registry__link_request__descriptor;

static mk_code unpack(const void *data, size_t size)
{
    ProtobufCMessage *message = NULL;
    mk_code code = pb_unpack(link_type, data, size, &message);
    assert_true((code == MK_OK) == (message != NULL));
    pb_free(message);
    return code;
}

static void a_good_message_round_trips(void **state)
{
    (void)state;
    Mykey__Registry__StaffConfirmation staff = MYKEY__REGISTRY__STAFF_CONFIRMATION__INIT;
    Mykey__Registry__LinkRequest request = MYKEY__REGISTRY__LINK_REQUEST__INIT;
    request.customer_id = "086";
    staff.scanned_customer_id = "086";
    request.staff = &staff;
    size_t size;
    uint8_t *data = pb_pack(&request.base, &size);
    ProtobufCMessage *message = NULL;
    assert_int_equal(pb_unpack(link_type, data, size, &message), MK_OK);
    free(data);
    DEFER_PB(Mykey__Registry__LinkRequest, got) = (Mykey__Registry__LinkRequest *)message;
    assert_string_equal(got->customer_id, "086");
    assert_string_equal(got->staff->scanned_customer_id, "086");
}

static void refuses_what_is_not_this_message(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } rows[] = {
        {"\x12\x05"
         "12",
         4},                                                  /* truncated string */
        {"\x12\x03\x31\x00\x32", 5},                          /* NUL inside */
        {"\x12\x02\xff\xff", 4},                              /* not UTF-8 */
        {"\x12\x02\xc0\x80", 4},                              /* overlong NUL */
        {"\x10\x05", 2},                                      /* a varint where a string belongs */
        {"\x12\x01\x31\x12\x01\x32", 6},                      /* a singular field twice */
        {"\x0b\x0c", 2},                                      /* a group */
        {"\x00\x01", 2},                                      /* field number 0 */
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11}, /* varint too long */
        {"\x12", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(unpack(rows[i].bytes, rows[i].size), MK_BAD_REQUEST);
    }
}

static void refuses_what_is_too_much(void **state)
{
    (void)state;
    static uint8_t big[PB_BODY_MAX + 1];
    assert_int_equal(unpack(big, sizeof big), MK_TOO_LARGE);
    uint8_t text[4 + PB_STRING_MAX + 1];
    memset(text, 'a', sizeof text);
    text[0] = 0x12;
    text[1] = 0x81; /* 8193 as varint: 0x2001 */
    text[2] = 0x40;
    assert_int_equal(unpack(text, 3 + PB_STRING_MAX + 1), MK_TOO_LARGE);
    for (size_t i = 0; i < 2 * (PB_FIELDS_MAX + 1); i += 2) { /* unknown field 15, varint 1 */
        big[i] = 0x78;
        big[i + 1] = 1;
    }
    assert_int_equal(unpack(big, 2 * PB_FIELDS_MAX), MK_OK);
    assert_int_equal(unpack(big, 2 * (PB_FIELDS_MAX + 1)), MK_BAD_REQUEST);
}

static void bounds_repeated_fields(void **state)
{
    (void)state;
    uint8_t data[3 * (PB_REPEATED_MAX + 1)];
    for (size_t i = 0; i < sizeof data; i += 3) memcpy(data + i, "\x0a\x01\x31", 3);
    ProtobufCMessage *message = NULL;
    const ProtobufCMessageDescriptor *type = &mykey__registry__resolve_reply__descriptor;
    assert_int_equal(pb_unpack(type, data, sizeof data - 3, &message), MK_OK);
    pb_free(message);
    assert_int_equal(pb_unpack(type, data, sizeof data, &message), MK_BAD_REQUEST);
}

static void every_truncation_and_every_flip_is_survived(void **state)
{
    (void)state;
    Mykey__Registry__Operator op = MYKEY__REGISTRY__OPERATOR__INIT;
    Mykey__Registry__NumberRule rule = MYKEY__REGISTRY__NUMBER_RULE__INIT;
    Mykey__Terminal__TerminalInfo info = MYKEY__TERMINAL__TERMINAL_INFO__INIT;
    op.operator_id = "A1";
    op.name_ja = "図書館";
    op.number = &rule;
    info.operator_ = &op;
    size_t size;
    uint8_t *data = pb_pack(&info.base, &size);
    for (size_t i = 0; i < size * 9; i++) {
        uint8_t copy[256];
        assert_true(size <= sizeof copy);
        memcpy(copy, data, size);
        size_t length = i < size ? i : size;
        if (i >= size) copy[(i - size) / 8] ^= (uint8_t)(1u << (i % 8));
        ProtobufCMessage *message = NULL;
        if (pb_unpack(&mykey__terminal__terminal_info__descriptor, copy, length, &message) == MK_OK) pb_free(message);
    }
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_message_round_trips),
        cmocka_unit_test(refuses_what_is_not_this_message),
        cmocka_unit_test(refuses_what_is_too_much),
        cmocka_unit_test(bounds_repeated_fields),
        cmocka_unit_test(every_truncation_and_every_flip_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
