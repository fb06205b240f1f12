/* SPDX-License-Identifier: Apache-2.0 */
#include "common/bus/bus_frame.h"

#include <string.h>

mk_code bus_frame_parse(const uint8_t *data, size_t size, bus_frame *ret_frame)
{
    MK_ENSURE(size >= BUS_FRAME_PREFIX, MK_BAD_REQUEST);
    MK_ENSURE(data[0] == 'B' && data[1] == '1' && data[3] == 0, MK_BAD_REQUEST);
    MK_ENSURE(data[2] >= BUS_CALL && data[2] < BUS_COMMAND_END, MK_BAD_REQUEST);
    size_t header_size = (size_t)data[4] << 8 | data[5];
    MK_ENSURE(header_size <= BUS_FRAME_HEADER_MAX && header_size <= size - BUS_FRAME_PREFIX, MK_BAD_REQUEST);
    const uint8_t *body = data + BUS_FRAME_PREFIX + header_size;
    *ret_frame = (bus_frame){
        (bus_command)data[2], {data + BUS_FRAME_PREFIX, header_size}, {body, size - BUS_FRAME_PREFIX - header_size}};
    return ret_frame->body.size <= BUS_FRAME_BODY_MAX ? MK_OK : MK_TOO_LARGE;
}

mk_code bus_frame_build(zmq_msg_t *msg, bus_command command, const bus_header *header, bus_slice body)
{
    uint8_t head[BUS_FRAME_PREFIX + BUS_FRAME_HEADER_MAX];
    size_t size = header ? bus_header_encode(header, head + BUS_FRAME_PREFIX, BUS_FRAME_HEADER_MAX) : 0;
    MK_ENSURE(!header || size, MK_TOO_LARGE);
    MK_ENSURE(body.size <= BUS_FRAME_BODY_MAX, MK_TOO_LARGE);
    memcpy(head, (uint8_t[]){'B', '1', (uint8_t)command, 0, (uint8_t)(size >> 8), (uint8_t)size}, BUS_FRAME_PREFIX);
    size += BUS_FRAME_PREFIX;
    MK_ENSURE(zmq_msg_init_size(msg, size + body.size) == 0, MK_BUSY);
    uint8_t *out = zmq_msg_data(msg);
    memcpy(out, head, size);
    if (body.size) memcpy(out + size, body.data, body.size);
    return MK_OK;
}

const char *bus_command_name(bus_command command)
{
#define BUS_COMMAND_NAME(name, number) [number] = #name,
    static const char *const names[] = {BUS_COMMAND_TABLE(BUS_COMMAND_NAME)};
#undef BUS_COMMAND_NAME
    return command >= BUS_CALL && command < BUS_COMMAND_END ? names[command] : "?";
}
