/* SPDX-License-Identifier: Apache-2.0 */
/* What a card may answer: the agent sends nothing but its few commands, the PIN at most once, and believes no length.
 * The first byte is how many of the next ones say how each command is answered; the rest is what those answers are made
 * of.
 * Parsers: agent/card/jpki_card.c agent/pin.c */
#include <stdlib.h>
#include <string.h>

#include "agent/card/jpki_card.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EF_TOKEN = 0x06, EF_PIN = 0x18 };
typedef enum answer_kind { AS_A_CARD, ANY_STATUS, ANY_BYTES, ANY_LENGTH, NO_TRANSPORT, KINDS } answer_kind;

typedef struct fuzz_card {
    const uint8_t *script, *image;
    size_t steps, image_size, taken;
    unsigned selected, verifies;
} fuzz_card;

static bool is_allowed(const uint8_t *c, size_t size)
{
    if (size == 15) return memcmp(c, "\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01", 15) == 0;
    if (size == 7) return memcmp(c, "\x00\xA4\x02\x0C\x02\x00", 6) == 0 && memchr("\x06\x0A\x17\x18", c[6], 4);
    if (size == 5) return c[0] == 0 && c[1] == 0xB0 && c[2] < 0x80;
    if (size == 4 || size == 9) return memcmp(c, "\x00\x20\x00\x80\x04", size == 4 ? 4 : 5) == 0;
    return size == 57 && memcmp(c, "\x80\x2A\x00\x80\x33\x30\x31\x30", 8) == 0 && c[56] == 0;
}

static size_t put(uint8_t *reply, const void *data, size_t size, unsigned sw)
{
    if (size > 0) memcpy(reply, data, size);
    reply[size] = (uint8_t)(sw >> 8);
    reply[size + 1] = (uint8_t)sw;
    return size + 2;
}

/* Reads give the token or the image; a query of the tries three; anything else succeeds. */
static size_t answer_well(const fuzz_card *self, const uint8_t *c, size_t size, uint8_t *reply)
{
    if (size == 4) return put(reply, NULL, 0, 0x63C3);
    if (size != 5) return put(reply, NULL, 0, 0x9000);
    if (self->selected == EF_TOKEN) return put(reply, "JPKIAPICCTOKEN2                 ", 32, 0x9000);
    size_t offset = (size_t)c[2] << 8 | c[3], want = c[4] ? c[4] : 256;
    size_t left = offset < self->image_size ? self->image_size - offset : 0;
    return put(reply, self->image + (left > 0 ? offset : 0), left < want ? left : want, 0x9000);
}

static size_t take(fuzz_card *self, uint8_t *reply, size_t cap)
{
    size_t left = self->image_size - self->taken, size = left < cap ? left : cap;
    if (size > 0) memcpy(reply, self->image + self->taken, size);
    self->taken += size;
    return size;
}

static problem_t transmit(void *arg, const uint8_t *command, size_t size, uint8_t *reply, size_t cap, size_t *ret_size)
{
    fuzz_card *self = arg;
    if (!is_allowed(command, size) || cap < APDU_REPLY_MAX) abort();
    if (size == 7) self->selected = command[6];
    if (size == 9 && (self->selected != EF_PIN || ++self->verifies > 1)) abort();
    uint8_t step = self->steps > 0 ? *self->script++ : AS_A_CARD;
    if (self->steps > 0) self->steps--;
    switch ((answer_kind)(step % KINDS)) {
    case ANY_STATUS: *ret_size = take(self, reply, 2); break;
    case ANY_BYTES: *ret_size = take(self, reply, (size_t)step * cap / 255); break;
    case ANY_LENGTH: /* more or less than was asked for, and all is well */
        *ret_size = take(self, reply, (size_t)step + 1);
        *ret_size += put(reply + *ret_size, NULL, 0, 0x9000);
        break;
    case NO_TRANSPORT: return PROBLEM_CARD_REMOVED;
    default: *ret_size = answer_well(self, command, size, reply); break;
    }
    return MK_OK;
}

static void run(fuzz_card *self, pin_t *pin)
{
    static const uint8_t statement[64] = "MYKEY-TAP-1";
    const jpki_card_t card = {transmit, self};
    uint8_t certificate[JPKI_CERT_MAX], signature[JPKI_SIGNATURE_SIZE];
    size_t size = 0;
    unsigned tries = 0;
    problem_t problem = jpki_card_select(&card);
    if (!problem) problem = jpki_card_certificate(&card, certificate, &size);
    if (size > sizeof certificate || (problem && size != 0)) abort();
    if (!problem) problem = jpki_card_tries(&card, &tries);
    if (problem) return;
    for (const char *c = "1234"; *c; c++) (void)pin_push(pin, *c);
    problem = jpki_card_verify(&card, pin, &tries);
    if (pin_count(pin) != 0) abort();
    /* No answer here can be a signature by the certificate's key. */
    if (!problem && !jpki_card_sign(&card, statement, sizeof statement, certificate, size, signature)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pin_t *pin;
    if (!pin) pin = pin_new();
    if (!pin) abort();
    if (size == 0) return 0;
    size_t steps = data[0] < size ? data[0] : size - 1;
    fuzz_card card = {.script = data + 1, .steps = steps, .image = data + 1 + steps, .image_size = size - 1 - steps};
    run(&card, pin);
    return 0;
}
