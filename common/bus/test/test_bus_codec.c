/* SPDX-License-Identifier: Apache-2.0 */
/* Header and frame: the same bytes as protobuf-c writes and reads, and nothing else accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/bus/bus_frame.h"
#include "common/bus/bus_header.h"
#include "proto/bus.pb-c.h"

static const char trace[] = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
static const uint8_t id16[16] = "0123456789abcdef";

static bus_slice text(const char *s)
{
    return bus_slice_text(s);
}

static bus_header full(const bus_shard *shards)
{
    return (bus_header){
        .service = text("registry"),
        .method = text("Resolve"),
        .request_id = {id16, 16},
        .idempotency_key = {id16, 3},
        .traceparent = text(trace),
        .caller = text("gateway"),
        .instance = text("registry-1a2b3c4d"),
        .server_instance = text("registry-5e6f"),
        .detail = text("rule"),
        .tag = UINT64_MAX,
        .timeout_ms = 60000,
        .attempt = 2,
        .priority = BUS_PRIORITY_BATCH,
        .api_major = 300,
        .shard = 7,
        .repeatable = 1,
        .credit = 64,
        .code = 255,
        .retry_after_ms = UINT32_MAX,
        .executed = 3,
        .queue_us = 127,
        .work_us = 128,
        .api_majors = {1, 70000},
        .api_major_count = 2,
        .shard_count = 2,
        .shards = shards,
    };
}

static const bus_shard two_shards[] = {{1, 5}, {4000000000u, UINT64_MAX}};

static void protobuf_reads_what_we_write(void **state)
{
    (void)state;
    uint8_t data[BUS_FRAME_HEADER_MAX];
    bus_header header = full(two_shards);
    size_t size = bus_header_encode(&header, data, sizeof data);
    Mykey__Bus__Header *read = mykey__bus__header__unpack(NULL, size, data);
    assert_non_null(read);
    assert_string_equal(read->service, "registry");
    assert_string_equal(read->traceparent, trace);
    assert_true(read->tag == UINT64_MAX && read->timeout_ms == 60000 && read->repeatable);
    assert_int_equal(read->executed, MYKEY__BUS__EXECUTED__EXECUTED_UNKNOWN);
    assert_true(read->n_api_majors == 2 && read->api_majors[1] == 70000);
    assert_true(read->n_shards == 2 && read->shards[1]->epoch == UINT64_MAX && read->shards[1]->shard == 4000000000u);
    assert_true(read->retry_after_ms == UINT32_MAX && read->work_us == 128);
    uint8_t *again = malloc(size);
    assert_int_equal(mykey__bus__header__get_packed_size(read), size);
    mykey__bus__header__pack(read, again);
    assert_memory_equal(again, data, size); /* field order and varints are protobuf-c's own */
    free(again);
    mykey__bus__header__free_unpacked(read, NULL);
}

static void what_is_written_reads_the_same(void **state)
{
    (void)state;
    uint8_t data[BUS_FRAME_HEADER_MAX], again[BUS_FRAME_HEADER_MAX];
    bus_shard shards[BUS_SHARDS_MAX];
    bus_header header = full(two_shards), read;
    size_t size = bus_header_encode(&header, data, sizeof data);
    assert_int_equal(bus_header_decode(data, size, &read, shards), MK_OK);
    assert_true(bus_slice_is(read.method, "Resolve") && read.shard_count == 2 && shards[0].epoch == 5);
    assert_int_equal(bus_header_encode(&read, again, sizeof again), size);
    assert_memory_equal(again, data, size);
    assert_int_equal(bus_header_decode(data, size, &read, NULL), MK_OK);
    assert_int_equal(read.shard_count, 0);
}

static void unknown_fields_are_kept(void **state)
{
    (void)state;
    const uint8_t data[] = {0x0a, 1, 'r', 0xea, 0x02, 2, 9, 9, 0xe8, 0x03, 0x96, 0x01, 0xc5, 0x02, 1, 2, 3, 4};
    uint8_t again[64];
    bus_header read;
    assert_int_equal(bus_header_decode(data, sizeof data, &read, NULL), MK_OK);
    assert_int_equal(read.extra_count, 3);
    assert_int_equal(bus_header_encode(&read, again, sizeof again), sizeof data);
    assert_memory_equal(again, data, sizeof data);
}

static void packed_majors_are_read(void **state)
{
    (void)state;
    const uint8_t data[] = {0xaa, 0x01, 3, 1, 0xac, 0x02};
    bus_header read;
    assert_int_equal(bus_header_decode(data, sizeof data, &read, NULL), MK_OK);
    assert_true(read.api_major_count == 2 && read.api_majors[1] == 300);
}

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static void bad_headers_are_refused(void **state)
{
    (void)state;
    static const uint8_t long_unknown[513] = {0xea, 0x02, 0xfc, 0x03};
    const struct {
        const char *what;
        const uint8_t *data;
        size_t size;
    } cases[] = {
        {"key without a value", BYTES(0x0a)},
        {"length past the end", BYTES(0x0a, 2, 'a')},
        {"empty service", BYTES(0x0a, 0)},
        {"NUL in a name", BYTES(0x0a, 2, 'a', 0)},
        {"space in a name", BYTES(0x0a, 1, ' ')},
        {"not ASCII", BYTES(0xa2, 0x02, 2, 0xc3, 0xa4)},
        {"request id of 15", BYTES(0x1a, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)},
        {"wire type of another field", BYTES(0x08, 1)},
        {"number as text", BYTES(0x2a, 1, 'x')},
        {"field 0", BYTES(0x02, 0)},
        {"group", BYTES(0xf3, 0x07)},
        {"uint32 out of range", BYTES(0x28, 0xff, 0xff, 0xff, 0xff, 0x7f)},
        {"varint of eleven bytes", BYTES(0x68, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1)},
        {"uint64 out of range", BYTES(0x68, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2)},
        {"unknown priority", BYTES(0x40, 3)},
        {"code of 256", BYTES(0xf0, 0x01, 0x80, 0x02)},
        {"shard 0", BYTES(0xb2, 0x01, 2, 0x10, 5)},
        {"five majors", BYTES(0xaa, 0x01, 5, 1, 2, 3, 4, 5)},
        {"nine unknown fields", BYTES(0xc0, 2, 0, 0xc0, 2, 0, 0xc0, 2, 0, 0xc0, 2, 0, 0xc0, 2, 0, 0xc0, 2, 0, 0xc0, 2,
                                      0, 0xc0, 2, 0, 0xc0, 2, 0)},
        {"unknown field of 513 bytes", long_unknown, sizeof long_unknown},
        {"fixed32 cut", BYTES(0xc5, 0x02, 1, 2, 3)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bus_header read = {.code = 77};
        if (bus_header_decode(cases[i].data, cases[i].size, &read, NULL) != MK_BAD_REQUEST)
            fail_msg("%s", cases[i].what);
        assert_int_equal(read.code, 77);
    }
}

static void a_header_that_does_not_fit_is_not_written(void **state)
{
    (void)state;
    uint8_t data[BUS_FRAME_HEADER_MAX];
    bus_header header = full(two_shards);
    size_t size = bus_header_encode(&header, data, sizeof data);
    for (size_t cap = 0; cap < size; cap++) assert_int_equal(bus_header_encode(&header, data, cap), 0);
    bus_shard many[BUS_SHARDS_MAX];
    for (unsigned i = 0; i < BUS_SHARDS_MAX; i++) many[i] = (bus_shard){4000000000u, UINT64_MAX};
    header.shards = many;
    header.shard_count = BUS_SHARDS_MAX;
    zmq_msg_t msg;
    assert_int_equal(bus_frame_build(&msg, BUS_READY, &header, text(NULL)), MK_TOO_LARGE);
}

static void frames(void **state)
{
    (void)state;
    bus_header header = {.service = text("registry")};
    bus_frame frame;
    zmq_msg_t msg;
    assert_int_equal(bus_frame_build(&msg, BUS_CALL, &header, text("body")), MK_OK);
    assert_int_equal(bus_frame_parse(zmq_msg_data(&msg), zmq_msg_size(&msg), &frame), MK_OK);
    assert_true(frame.command == BUS_CALL && frame.header.size == 10 && bus_slice_is(frame.body, "body"));
    const uint8_t *data = zmq_msg_data(&msg);
    for (size_t size = 0; size < 16; size++) assert_int_equal(bus_frame_parse(data, size, &frame), MK_BAD_REQUEST);
    zmq_msg_close(&msg);
    uint8_t *large = calloc(1, BUS_FRAME_PREFIX + BUS_FRAME_BODY_MAX + 1);
    memcpy(large, "B1\x01", 3);
    assert_int_equal(bus_frame_parse(large, BUS_FRAME_PREFIX + BUS_FRAME_BODY_MAX, &frame), MK_OK);
    assert_int_equal(bus_frame_parse(large, BUS_FRAME_PREFIX + BUS_FRAME_BODY_MAX + 1, &frame), MK_TOO_LARGE);
    large[4] = 4;
    large[5] = 1; /* 1025 */
    assert_int_equal(bus_frame_parse(large, 4096, &frame), MK_BAD_REQUEST);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protobuf_reads_what_we_write),
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(unknown_fields_are_kept),
        cmocka_unit_test(packed_majors_are_read),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(a_header_that_does_not_fit_is_not_written),
        cmocka_unit_test(frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
