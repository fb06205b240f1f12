/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/simcard/applet.h"

#include <stdlib.h>
#include <string.h>

enum { SIGN_INPUT_MAX = 245, BY_SHORT_ID = 0x80, SHORT_ID_MASK = 0x1F };

enum { AID_SIZE = 10 };

typedef struct applet_row {
    uint8_t aid[AID_SIZE];
    uint16_t files; /* the ids of its files begin here on the card */
    uint16_t first; /* a card without this file doesn't have the applet */
    const char *name;
} applet_row;

static const applet_row applet_rows[] = {
    {{0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01}, 0, 0x0006, "jpki"},
    {{0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x08}, CARD_FACE, 0x0001, "face"},
};
enum { APPLET_COUNT = sizeof applet_rows / sizeof applet_rows[0] };

struct applet {
    card_t *card;
    bool powered;
    const applet_row *selected; /* NULL: none */
    const card_file *file;
    bool verified[CARD_KEYS];
};

/* ---- replies ---- */

void reply_set(reply *self, const uint8_t *data, size_t size, uint16_t sw)
{
    if (size > 0) memmove(self->data, data, size);
    self->data[size] = (uint8_t)(sw >> 8);
    self->data[size + 1] = (uint8_t)sw;
    self->size = size + 2;
}

void reply_set_sw(reply *self, uint16_t sw)
{
    reply_set(self, NULL, 0, sw);
}

uint16_t reply_sw(const reply *self)
{
    if (self->size < 2) return 0;
    return (uint16_t)(self->data[self->size - 2] << 8 | self->data[self->size - 1]);
}

/* ---- life ---- */

applet_t *applet_new(card_t *card)
{
    applet_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->card = card;
    return self;
}

void applet_destroy(applet_t **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

bool applet_powered(const applet_t *self)
{
    return self->powered;
}

void applet_power_off(applet_t *self)
{
    *self = (applet_t){.card = self->card};
}

/* Power on while powered is what a reader does instead of a reset. */
void applet_power_on(applet_t *self)
{
    if (self->powered) applet_reset(self);
    self->powered = true;
}

void applet_reset(applet_t *self)
{
    self->selected = NULL;
    self->file = NULL;
}

const card_file *applet_file(const applet_t *self)
{
    return self->file;
}

const char *applet_selected_name(const applet_t *self)
{
    return self->selected ? self->selected->name : "-";
}

void applet_force_verified(applet_t *self)
{
    for (int use = 0; use < CARD_KEYS; use++) self->verified[use] = true;
}

/* ---- commands: each answers with its status word, and with data in `out` where there is some ---- */

static const card_file *find_file(const applet_t *self, const applet_row *row, unsigned id)
{
    return id < CARD_FACE ? card_find_file(self->card, (uint16_t)(row->files + id)) : NULL;
}

static uint16_t select_applet(applet_t *self, const apdu *command)
{
    for (size_t i = 0; i < APPLET_COUNT; i++) {
        const applet_row *row = &applet_rows[i];
        if (command->lc != AID_SIZE || memcmp(command->data, row->aid, AID_SIZE) != 0) continue;
        if (find_file(self, row, row->first) == NULL) break;
        self->selected = row;
        self->file = NULL;
        return 0x9000;
    }
    return 0x6A82;
}

static uint16_t select_file(applet_t *self, const apdu *command)
{
    if (!self->selected) return 0x6A86;
    if (command->lc != 2) return 0x6700;
    const card_file *file = find_file(self, self->selected, (unsigned)command->data[0] << 8 | command->data[1]);
    if (file == NULL) return 0x6A82;
    self->file = file;
    return 0x9000;
}

static uint16_t run_select(applet_t *self, const apdu *command, reply *out)
{
    (void)out;
    if (command->p1 == 4) return select_applet(self, command);
    if (command->p1 == 2) return select_file(self, command);
    if (command->p1 == 0 && command->lc == 0) return self->selected ? 0x9000 : 0x6A86;
    return command->p1 == 0 ? 0x6A82 : 0x6A86;
}

/* A reference with bit 8 and a number names a file by its short id and selects it. */
static uint16_t select_short(applet_t *self, uint8_t reference)
{
    if (!self->selected) return 0x6985;
    const card_file *file = find_file(self, self->selected, reference & SHORT_ID_MASK);
    if (file == NULL) return 0x6A82;
    self->file = file;
    return 0x9000;
}

static uint16_t read_file(applet_t *self, size_t offset, size_t le, reply *out)
{
    const card_file *file = self->file;
    if (file == NULL) return 0x6986;
    if (file->data == NULL) return 0x6981;
    if (file->needs_pin && !self->verified[file->use]) return 0x6982;
    if (offset >= file->size) return 0x6B00;
    size_t size = file->size - offset < le ? file->size - offset : le;
    reply_set(out, file->data + offset, size, 0x9000);
    return 0x9000;
}

static uint16_t run_read(applet_t *self, const apdu *command, reply *out)
{
    if (command->lc > 0 || command->le == 0) return 0x6700;
    size_t offset = (size_t)command->p1 << 8 | command->p2;
    if (command->p1 & BY_SHORT_ID) {
        uint16_t sw = select_short(self, command->p1);
        if (sw != 0x9000) return sw;
        offset = command->p2;
    }
    return read_file(self, offset, command->le, out);
}

/* For VERIFY, CHANGE and SIGN: P2 is 80 (the selected file) or 80 and a short id. */
static uint16_t refer(applet_t *self, uint8_t p2, card_file_kind kind, uint16_t wrong_kind)
{
    if (!(p2 & BY_SHORT_ID) || p2 & 0x60) return 0x6A86;
    if (p2 & SHORT_ID_MASK) {
        uint16_t sw = select_short(self, p2);
        if (sw != 0x9000) return sw;
    }
    if (self->file == NULL) return 0x6986;
    return self->file->kind == kind ? 0x9000 : wrong_kind;
}

static uint16_t run_verify(applet_t *self, const apdu *command, reply *out)
{
    (void)out;
    if (command->p1 != 0) return 0x6A86;
    uint16_t sw = refer(self, command->p2, CARD_FILE_PIN, 0x6981);
    if (sw != 0x9000) return sw;
    card_use use = self->file->use;
    /* The question is answered with the tries left even when the PIN is verified. */
    if (command->lc == 0) return (uint16_t)(0x63C0 | card_tries(self->card, use));
    if (card_tries(self->card, use) == 0) return 0x6984;
    if (!card_pin_size_valid(use, command->lc)) return 0x6700;
    self->verified[use] = card_check_pin(self->card, use, command->data, command->lc);
    if (self->verified[use]) return 0x9000;
    return (uint16_t)(0x63C0 | card_tries(self->card, use));
}

static uint16_t run_change(applet_t *self, const apdu *command, reply *out)
{
    (void)out;
    if (command->p1 != 1) return 0x6A86;
    uint16_t sw = refer(self, command->p2, CARD_FILE_PIN, 0x6981);
    if (sw != 0x9000) return sw;
    card_use use = self->file->use;
    if (!self->verified[use]) return 0x6982;
    if (!card_pin_size_valid(use, command->lc)) return 0x6700;
    card_change_pin(self->card, use, command->data, command->lc);
    return 0x9000;
}

static uint16_t run_sign(applet_t *self, const apdu *command, reply *out)
{
    if (command->p1 >= CARD_PAD_COUNT) return 0x6A86;
    uint16_t sw = refer(self, command->p2, CARD_FILE_KEY, 0x6985);
    if (sw != 0x9000) return sw;
    if (command->lc == 0 || command->lc > SIGN_INPUT_MAX) return 0x6700;
    if (!self->verified[self->file->use]) return 0x6982;
    uint8_t signature[CARD_SIGNATURE_SIZE];
    mk_code code =
        card_sign(self->card, self->file->use, (card_padding)command->p1, command->data, command->lc, signature);
    if (code == MK_BAD_REQUEST) return 0x6985;
    if (code != MK_OK) return 0x6F00;
    reply_set(out, signature, sizeof signature, 0x9000);
    return 0x9000;
}

typedef uint16_t command_fn(applet_t *self, const apdu *command, reply *out);

static const struct command_row {
    uint8_t cla, ins;
    command_fn *run;
} command_rows[] = {
    {0x00, 0xA4, run_select}, {0x00, 0xB0, run_read}, {0x00, 0x20, run_verify},
    {0x00, 0x24, run_change}, {0x80, 0x2A, run_sign},
};

static uint16_t run(applet_t *self, const apdu *command, reply *out)
{
    if (command->cla == 0x04 || command->cla == 0x08 || command->cla == 0x0C) return 0x6882;
    if (command->cla != 0x00 && command->cla != 0x80) return 0x6E00;
    for (size_t i = 0; i < sizeof command_rows / sizeof command_rows[0]; i++) {
        const struct command_row *row = &command_rows[i];
        if (row->cla == command->cla && row->ins == command->ins) return row->run(self, command, out);
    }
    return 0x6D00;
}

void applet_run(applet_t *self, const uint8_t *bytes, size_t size, reply *ret_reply)
{
    apdu command;
    ret_reply->size = 0;
    uint16_t sw = apdu_parse(bytes, size, &command) ? run(self, &command, ret_reply) : 0x6700;
    if (ret_reply->size == 0) reply_set_sw(ret_reply, sw);
}
