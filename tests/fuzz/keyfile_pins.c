/* SPDX-License-Identifier: Apache-2.0 */
/* The pins: only a file that names every root with its own hash is right. */
#include "tests/fuzz/keyfile.h"

#include "services/jpki-verify/anchors.c"
#include "tests/fuzz/fuzz.h"

void fuzz_pins(const uint8_t *data, size_t size)
{
    static anchors_t anchors = {
        .count = 2,
        .roots = {{.name = "auth-1.der", .size = 1, .bytes = {1}}, {.name = "auth-2.der", .size = 1, .bytes = {2}}}};
    char *text = fuzz_text(data, size);
    for (size_t i = 0; i < size; i++)
        if (text[i] == '\0') text[i] = ' '; /* for looking through it */
    if (check_pins(&anchors, fuzz_file(data, size)) == NULL) {
        HOLDS(strcasestr(text, "4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a") != NULL);
        HOLDS(strcasestr(text, "dbc1b4c900ffe48d575b5da5c638040125f65db0fe3e24494b76ea986457d986") != NULL);
        HOLDS(strstr(text, "auth-1.der") != NULL && strstr(text, "auth-2.der") != NULL);
    }
    free(text);
}
