/* SPDX-License-Identifier: Apache-2.0 */
/* protobuf-c behind fences: bytes from a peer are checked before they are unpacked (depth, counts, string encoding and
 * lengths, total memory), because protobuf-c 1.4.1 checks none of it. */
#ifndef MYKEY_PB_PB_H
#define MYKEY_PB_PB_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"

enum {
    PB_BODY_MAX = 64 * 1024,
    PB_STRING_MAX = 8192,
    PB_REPEATED_MAX = 256,
    PB_DEPTH_MAX = 8,
    PB_FIELDS_MAX = 4096, /* wire fields in one message, unknown ones included */
};

/* Checks the wire bytes against the descriptor, then unpacks. BAD_REQUEST: not this message, a string that is not UTF-8
 * or holds NUL, too deep, too many; TOO_LARGE: over PB_BODY_MAX or PB_STRING_MAX. The caller frees with pb_free. */
mk_code pb_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size,
                  ProtobufCMessage **ret_message) MK_CHECKED;
void pb_free(ProtobufCMessage *message); /* NULL allowed */

/* Packs into a malloc'ed buffer that the caller frees. Never fails on our own messages (aborts when out of memory). */
uint8_t *pb_pack(const ProtobufCMessage *message, size_t *ret_size);

/* DEFER_PB(Mykey__Registry__LinkRequest, request) = NULL; frees it when the scope ends. */
void pb_free_p(void *message_p);
#define DEFER_PB(type, name) __attribute__((cleanup(pb_free_p))) type *name

#endif
