/* SPDX-License-Identifier: Apache-2.0 */
/* What a peer says to code that reads with recv(): the harness puts a macro of that name in front of it. */
#ifndef MYKEY_TESTS_FUZZ_SAID_H
#define MYKEY_TESTS_FUZZ_SAID_H

#include <string.h>
#include <sys/types.h>

static const uint8_t *said;
static size_t said_size; /* what has not been read yet */

static inline void fuzz_say(const uint8_t *data, size_t size)
{
    said = data;
    said_size = size;
}

/* The next bytes, as many as there is room for. */
static inline ssize_t fuzz_hear(void *out, size_t cap)
{
    size_t size = said_size < cap ? said_size : cap;
    if (size > 0) memcpy(out, said, size);
    said += size;
    said_size -= size;
    return (ssize_t)size;
}

/* The next packet (two bytes of size each), cut as the kernel would; 0 at the end. */
static inline ssize_t fuzz_hear_packet(void *out, size_t cap)
{
    uint8_t head[2];
    if (fuzz_hear(head, sizeof head) < (ssize_t)sizeof head) return 0;
    size_t size = (size_t)head[0] << 8 | head[1];
    if (size > said_size) size = said_size;
    const uint8_t *next = said + size;
    size_t left = said_size - size;
    said_size = size;
    ssize_t took = fuzz_hear(out, cap);
    fuzz_say(next, left);
    return took;
}

#endif
