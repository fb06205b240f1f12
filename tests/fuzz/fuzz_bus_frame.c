/* SPDX-License-Identifier: Apache-2.0 */
/* What a peer may send: frame, header, and writing the header again gives the same header.
 * Parsers: common/bus/bus_frame.c common/bus/bus_header.c */
#include <stdlib.h>
#include <string.h>

#include "common/bus/bus_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_header(bus_slice bytes)
{
    bus_shard shards[BUS_SHARDS_MAX], shards_again[BUS_SHARDS_MAX];
    bus_header header, again;
    uint8_t first[4 * BUS_FRAME_HEADER_MAX], second[4 * BUS_FRAME_HEADER_MAX];
    if (bus_header_decode(bytes.data, bytes.size, &header, shards) != MK_OK) return;
    size_t size = bus_header_encode(&header, first, sizeof first);
    if (bus_header_decode(first, size, &again, shards_again) != MK_OK) abort();
    if (bus_header_encode(&again, second, sizeof second) != size || memcmp(first, second, size) != 0) abort();
}

/* Built again it is the same frame, but for the header's way of writing. */
static void check_frame(const bus_frame *frame)
{
    bus_shard shards[BUS_SHARDS_MAX];
    bus_header header;
    bus_frame again;
    zmq_msg_t msg;
    if (bus_header_decode(frame->header.data, frame->header.size, &header, shards) != MK_OK) return;
    if (bus_frame_build(&msg, frame->command, &header, frame->body) != MK_OK) return;
    if (bus_frame_parse(zmq_msg_data(&msg), zmq_msg_size(&msg), &again) != MK_OK) abort();
    if (again.command != frame->command || !bus_slice_same(again.body, frame->body)) abort();
    if (strcmp(bus_command_name(again.command), "?") == 0) abort();
    zmq_msg_close(&msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_frame frame;
    mk_code code = bus_frame_parse(data, size, &frame);
    if (code == MK_OK || code == MK_TOO_LARGE) check_header(frame.header);
    if (code == MK_OK) check_frame(&frame);
    check_header((bus_slice){data, size});
    return 0;
}
