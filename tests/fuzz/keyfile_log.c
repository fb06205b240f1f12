/* SPDX-License-Identifier: Apache-2.0 */
/* The log of deletions: lines that are none are passed over, whatever their length, and counted. */
#include "tests/fuzz/keyfile.h"

#include "services/registry/deletion_log.c"
#include "tests/fuzz/fuzz.h"

void fuzz_log(const uint8_t *data, size_t size)
{
    static const uint8_t nothing[16];
    uint8_t holder[16];
    size_t count = 0;
    if (size == 0) return;
    deletion_reader_t reader = {.file = fmemopen((void *)(uintptr_t)data, size, "r")};
    HOLDS(reader.file != NULL);
    for (memset(holder, 0, sizeof holder); deletion_reader_next(&reader, holder); count++) {
        char hex[33];
        bytes_to_hex(holder, sizeof holder, hex);
        if (memcmp(holder, nothing, sizeof holder) != 0) HOLDS(strspn(hex, "0123456789abcdef") == 32);
    }
    HOLDS(count * LINE_SIZE <= size && deletion_reader_malformed(&reader) <= size);
    fclose(reader.file);
}
