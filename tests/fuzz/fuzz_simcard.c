/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated card: control lines up to a byte "v", then what vpcd says (messages of a two-byte length) to the reader
 * with a card on it. Each control line has one answer, and the card is never asked for what it has not.
 * Parsers: tools/simcard/apdu.c tools/simcard/applet.c tools/simcard/control.c tools/simcard/fault.c
 * tools/simcard/journal.c tools/simcard/reader.c */
#include "tests/fuzz/fuzz.h"

#include <sys/socket.h>

#include "tests/fuzz/said.h"

static ssize_t fuzz_send(int fd, const void *data, size_t size, int flags)
{
    (void)fd;
    (void)flags;
    uint8_t sum = 0;
    for (size_t i = 0; i < size; i++) sum ^= ((const uint8_t *)data)[i];
    return (ssize_t)size + (sum & 0);
}

#define recv(fd, out, cap, flags) fuzz_hear(out, (cap) < 100 ? (cap) : 100) /* messages come in pieces */
#define send fuzz_send
#define connect(fd, address, size) ((address) != NULL ? -1 : 0)
#include "tools/simcard/reader.c"
#undef recv
#undef send
#undef connect

#include "tools/simcard/control.h"

/* ---- a card of our own ---- */

struct card {
    unsigned tries[CARD_KEYS];
};

static const uint8_t content[300] = {0x30, 0x82, 0x01, 0x28};
static const card_file files[] = {
    {0x000A, "auth-cert", CARD_FILE_CERT, CARD_AUTH, false, content, sizeof content},
    {0x0006, "token", CARD_FILE_DATA, CARD_AUTH, false, content, 32},
    {0x0018, "auth-pin", CARD_FILE_PIN, CARD_AUTH, false, NULL, 0},
    {0x0017, "auth-key", CARD_FILE_KEY, CARD_AUTH, false, NULL, 0},
    {0x0001, "sign-cert", CARD_FILE_CERT, CARD_SIGN, true, content, sizeof content},
};

bool card_name_valid(const char *name)
{
    return strcmp(name, "a") == 0 || strcmp(name, "b") == 0;
}

mk_code card_load(const char *dir, const char *name, card_t **ret_card, char *why)
{
    (void)dir;
    snprintf(why, CARD_WHY_MAX, "no such card");
    MK_ENSURE(card_name_valid(name), MK_NOT_FOUND);
    *ret_card = calloc(1, sizeof **ret_card);
    HOLDS(*ret_card != NULL);
    card_unblock(*ret_card);
    return MK_OK;
}

void card_destroy(card_t **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

const char *card_name(const card_t *self)
{
    (void)self;
    return "a";
}

const uint8_t *card_atr(const card_t *self, size_t *ret_size)
{
    (void)self;
    *ret_size = 10;
    return content;
}

const card_file *card_find_file(const card_t *self, uint16_t id)
{
    (void)self;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (files[i].id == id) return &files[i];
    return NULL;
}

unsigned card_tries(const card_t *self, card_use use)
{
    return self->tries[use];
}

void card_set_tries(card_t *self, card_use use, unsigned tries)
{
    HOLDS(tries <= 15);
    self->tries[use] = tries;
}

void card_unblock(card_t *self)
{
    self->tries[CARD_AUTH] = 3;
    self->tries[CARD_SIGN] = 5;
}

bool card_pin_size_valid(card_use use, size_t size)
{
    return use == CARD_AUTH ? size == 4 : size >= 6 && size <= 16;
}

bool card_check_pin(card_t *self, card_use use, const uint8_t *pin, size_t size)
{
    if (self->tries[use] == 0) return false;
    bool right = size == 4 && memcmp(pin, "1234", 4) == 0;
    self->tries[use] = right ? 3 : self->tries[use] - 1;
    return right;
}

void card_change_pin(card_t *self, card_use use, const uint8_t *pin, size_t size)
{
    HOLDS(self != NULL && pin != NULL && card_pin_size_valid(use, size));
}

bool card_has_key(const card_t *self, card_use use)
{
    return self != NULL && use == CARD_AUTH;
}

mk_code card_sign(const card_t *self, card_use use, card_padding padding, const uint8_t *data, size_t size,
                  uint8_t out[CARD_SIGNATURE_SIZE])
{
    HOLDS(card_has_key(self, use) && padding < CARD_PAD_COUNT && data != NULL && size <= 255);
    memset(out, 7, CARD_SIGNATURE_SIZE);
    return MK_OK;
}

mk_code card_modulus(const card_t *self, card_use use, uint8_t out[CARD_SIGNATURE_SIZE])
{
    return card_sign(self, use, CARD_PAD_RAW, content, 1, out);
}

/* ---- runs ---- */

static void check_reply(const reader_t *self)
{
    HOLDS(self->in_size <= sizeof self->in && self->reply.size <= sizeof self->reply.data);
}

/* The whole of the bytes as one command. */
static void check_command(const uint8_t *data, size_t size)
{
    apdu command;
    uint8_t *bytes = malloc(size + 1);
    HOLDS(bytes != NULL);
    memcpy(bytes, data, size);
    if (apdu_parse(bytes, size, &command)) {
        HOLDS(command.lc <= 255 && command.le <= 256 &&
              apdu_kind_find(apdu_kind_name(command.kind)) == (int)command.kind);
        HOLDS(command.lc == 0 || (command.data > bytes && command.data + command.lc <= bytes + size));
    }
    free(bytes);
}

static void run_reader(reader_t *self, const uint8_t *data, size_t size)
{
    char why[CARD_WHY_MAX];
    uint64_t now_ms = 5000;
    HOLDS(reader_insert(self, "a", why) == MK_OK);
    if (self->card == NULL) take_next(self);
    self->fd = 1000000;
    fuzz_say(data, size);
    while (said_size > 0 && self->fd >= 0) {
        reader_run(self, true, now_ms);
        check_reply(self);
        now_ms += 10000;
    }
    self->fd = -1;
}

static void run_control(control *with, const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *rest = text;
    for (int i = 0; i < 20 && *rest != '\0'; i++) {
        char *answer = NULL, *line = fuzz_cut(&rest, '\n');
        size_t answer_size = 0;
        FILE *out = open_memstream(&answer, &answer_size);
        HOLDS(out != NULL);
        control_obey(with, line, out);
        fclose(out);
        HOLDS(answer_size >= 3 && answer[answer_size - 1] == '\n');
        HOLDS(strncmp(answer, "ok", 2) == 0 || strncmp(answer, "error ", 6) == 0);
        free(answer);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    check_command(data, size);
    control with = {.cards_dir = "/nonexistent", .fault = fault_new("/nonexistent"), .journal = journal_new()};
    for (unsigned slot = 0; slot < CONTROL_SLOTS; slot++)
        with.readers[slot] = reader_new(&(reader_options){slot, 1, with.cards_dir, with.fault, with.journal});
    const uint8_t *end = memchr(data, 'v', size); /* lines before it arm a fault */
    size_t lines = end == NULL ? size : (size_t)(end - data);
    run_control(&with, data, lines);
    if (end != NULL) run_reader(with.readers[0], end + 1, size - lines - 1);
    for (unsigned slot = 0; slot < CONTROL_SLOTS; slot++) reader_destroy(&with.readers[slot]);
    fault_destroy(&with.fault);
    journal_destroy(&with.journal);
    return 0;
}
