/* SPDX-License-Identifier: Apache-2.0 */
/* One bus message is one frame (docs/bus.md):
 *   "B1"  command (1 byte)  0 (1 byte)  header size (2 bytes, big endian)  header  body */
#ifndef MYKEY_BUS_BUS_FRAME_H
#define MYKEY_BUS_BUS_FRAME_H

#include <zmq.h>

#include "common/bus/bus_header.h"

enum { BUS_FRAME_PREFIX = 6, BUS_FRAME_HEADER_MAX = 1024, BUS_FRAME_BODY_MAX = 64 * 1024 };

/* X(NAME, number): numbers are never reused. */
#define BUS_COMMAND_TABLE(X) \
    X(CALL, 1)               \
    X(CANCEL, 2)             \
    X(READY, 3)              \
    X(CREDIT, 4)             \
    X(REPLY, 5)              \
    X(REJECT, 6)             \
    X(DRAIN, 7)              \
    X(BYE, 8)                \
    X(DISPATCH, 9)           \
    X(PING, 10)              \
    X(PONG, 11)              \
    X(GOAWAY, 12)

#define BUS_COMMAND_ENUM(name, number) BUS_##name = (number),
typedef enum bus_command { BUS_COMMAND_TABLE(BUS_COMMAND_ENUM) BUS_COMMAND_END } bus_command;
#undef BUS_COMMAND_ENUM

typedef struct bus_frame {
    bus_command command;
    bus_slice header, body; /* point into the received bytes */
} bus_frame;

/* BAD_REQUEST: not a bus message. TOO_LARGE: the body alone is over its limit; *ret_frame is then filled all the same,
 * so that the sender can be told. */
mk_code bus_frame_parse(const uint8_t *data, size_t size, bus_frame *ret_frame) MK_CHECKED;

/* Makes *msg (uninitialised) the message. header may be NULL. TOO_LARGE if a part is over its limit; msg is then not
 * initialised. */
mk_code bus_frame_build(zmq_msg_t *msg, bus_command command, const bus_header *header, bus_slice body) MK_CHECKED;

/* "CALL" … */
const char *bus_command_name(bus_command command);

#endif
