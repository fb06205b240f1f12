/* SPDX-License-Identifier: Apache-2.0 */
#include "common/ticket/ticket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/pb/pb.h"

static keyring_t *keys, *foreign_keys;
static uint8_t credential[32], request_id[16];
enum { NOW = 1000000 };

static void fill(Mykey__TapTicket *t)
{
    mykey__tap_ticket__init(t);
    t->consumer = "registry";
    t->has_credential_id = t->has_credential_key_version = t->has_assurance = t->has_purpose = 1;
    t->has_request_id = t->has_expires_at_ms = 1;
    t->credential_id = (ProtobufCBinaryData){32, credential};
    t->credential_key_version = 1;
    t->assurance = MYKEY__ASSURANCE__ASSURANCE_PIN;
    t->purpose = MYKEY__PURPOSE__PURPOSE_RESOLVE;
    t->audience = "A1";
    t->terminal_id = "t-1";
    t->request_id = (ProtobufCBinaryData){16, request_id};
    t->expires_at_ms = NOW + TICKET_LIFE_MS;
}

static mk_code open_with(const keyring_t *ring, const char *consumer, const uint8_t *data, size_t size, uint64_t now)
{
    Mykey__TapTicket *ticket = NULL;
    mk_code code = ticket_open(ring, consumer, data, size, now, &ticket);
    assert_true((code == MK_OK) == (ticket != NULL));
    if (ticket != NULL) pb_free(&ticket->base);
    return code;
}

static void opens_only_for_its_consumer_in_its_time(void **state)
{
    (void)state;
    Mykey__TapTicket ticket;
    uint8_t *data;
    size_t size;
    fill(&ticket);
    assert_int_equal(ticket_seal(keys, &ticket, &data, &size), MK_OK);
    assert_int_equal(open_with(keys, "registry", data, size, NOW), MK_OK);
    assert_int_equal(open_with(keys, "registry", data, size, NOW + TICKET_LIFE_MS - 1), MK_OK);
    assert_int_equal(open_with(keys, "registry", data, size, NOW + TICKET_LIFE_MS), MK_TICKET_EXPIRED);
    assert_int_equal(open_with(keys, "registry", data, size, NOW - 3000), MK_TICKET_INVALID);
    assert_int_equal(open_with(keys, "points", data, size, NOW), MK_TICKET_CONSUMER);
    assert_int_equal(open_with(foreign_keys, "registry", data, size, NOW), MK_TICKET_INVALID);
    free(data);
}

static void any_flipped_bit_is_refused(void **state)
{
    (void)state;
    Mykey__TapTicket ticket;
    uint8_t *data;
    size_t size;
    fill(&ticket);
    assert_int_equal(ticket_seal(keys, &ticket, &data, &size), MK_OK);
    for (size_t i = 0; i < size * 8; i++) {
        data[i / 8] ^= (uint8_t)(1u << (i % 8));
        assert_int_equal(open_with(keys, "registry", data, size, NOW), MK_TICKET_INVALID);
        data[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(open_with(keys, "registry", data, i, NOW), MK_TICKET_INVALID);
    }
    free(data);
}

static void a_sealed_ticket_still_needs_its_fields(void **state)
{
    (void)state;
    for (int row = 0; row < 6; row++) {
        Mykey__TapTicket ticket;
        uint8_t *data;
        size_t size;
        fill(&ticket);
        if (row == 0) ticket.credential_id.len = 31;
        if (row == 1) ticket.has_purpose = 0;
        if (row == 2) ticket.assurance = MYKEY__ASSURANCE__ASSURANCE_PRESENCE;
        if (row == 3) ticket.audience = NULL;
        if (row == 4) ticket.request_id.len = 15;
        if (row == 5) ticket.has_credential_key_version = 0;
        assert_int_equal(ticket_seal(keys, &ticket, &data, &size), MK_OK);
        assert_int_equal(open_with(keys, "registry", data, size, NOW), MK_TICKET_INVALID);
        free(data);
    }
}

static keyring_t *new_ring(void)
{
    char dir[] = "/tmp/mykey-ticket-XXXXXX", path[64];
    keyring_t *ring = NULL;
    const char *why;
    if (mkdtemp(dir) == NULL) return NULL;
    snprintf(path, sizeof path, "%s/k", dir);
    if (keyring_create(path) == MK_OK && keyring_load(path, &ring, &why) != MK_OK) ring = NULL;
    unlink(path);
    rmdir(dir);
    return ring;
}

static int set_up(void **state)
{
    (void)state;
    keys = new_ring();
    foreign_keys = new_ring();
    return keys != NULL && foreign_keys != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    keyring_destroy(&keys);
    keyring_destroy(&foreign_keys);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(opens_only_for_its_consumer_in_its_time),
                                       cmocka_unit_test(any_flipped_bit_is_refused),
                                       cmocka_unit_test(a_sealed_ticket_still_needs_its_fields)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
