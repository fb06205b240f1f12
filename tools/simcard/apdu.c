/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/simcard/apdu.h"

#include <string.h>

static const struct kind_row {
    const char *name;
    int ins, p1; /* -1 = any */
    bool has_data;
} kind_rows[APDU_KIND_COUNT] = {
    [APDU_OTHER] = {"other", -1, -1, false},         [APDU_SELECT] = {"select", 0xA4, 4, true},
    [APDU_SELECT_EF] = {"select-ef", 0xA4, 2, true}, [APDU_READ] = {"read", 0xB0, -1, false},
    [APDU_TRIES] = {"tries", 0x20, -1, false},       [APDU_VERIFY] = {"verify", 0x20, -1, true},
    [APDU_CHANGE] = {"change", 0x24, -1, true},      [APDU_SIGN] = {"sign", 0x2A, -1, true},
    [APDU_POWER] = {"power", -1, -1, false},
};

static apdu_kind find_kind(const apdu *command)
{
    for (int kind = APDU_OTHER + 1; kind < APDU_KIND_COUNT; kind++) {
        const struct kind_row *row = &kind_rows[kind];
        bool same_p1 = row->p1 < 0 || row->p1 == command->p1;
        if (row->ins == command->ins && same_p1 && row->has_data == (command->lc > 0)) return (apdu_kind)kind;
    }
    return APDU_OTHER;
}

static size_t le_of(uint8_t byte)
{
    return byte == 0 ? 256 : byte;
}

/* What follows the four header bytes: nothing, Le, Lc and data, or Lc, data and Le. */
static bool parse_body(const uint8_t *body, size_t size, apdu *command)
{
    if (size == 0) return true;
    if (size == 1) {
        command->le = le_of(body[0]);
        return true;
    }
    command->lc = body[0];
    command->data = body + 1;
    if (command->lc == 0) return false;
    if (size == 1 + command->lc) return true;
    if (size != 2 + command->lc) return false;
    command->le = le_of(body[size - 1]);
    return true;
}

bool apdu_parse(const uint8_t *bytes, size_t size, apdu *ret_apdu)
{
    if (size < 4) return false;
    apdu command = {.cla = bytes[0], .ins = bytes[1], .p1 = bytes[2], .p2 = bytes[3]};
    if (!parse_body(bytes + 4, size - 4, &command)) return false;
    command.kind = find_kind(&command);
    *ret_apdu = command;
    return true;
}

const char *apdu_kind_name(apdu_kind kind)
{
    return kind_rows[kind].name;
}

int apdu_kind_find(const char *name)
{
    if (strcmp(name, "any") == 0) return APDU_KIND_COUNT;
    for (int kind = 0; kind < APDU_KIND_COUNT; kind++) {
        if (strcmp(name, kind_rows[kind].name) == 0) return kind;
    }
    return -1;
}
