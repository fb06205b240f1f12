/* SPDX-License-Identifier: Apache-2.0 */
/* The card child: orders (two bytes of size each), cards that do as the order's number says. Each order is answered
 * once; nothing is asked of a card that isn't open, or signed before the PIN was right; and whatever ends the child,
 * the card is without power and the PIN wiped. */
#include <poll.h>
#include <setjmp.h>
#include <sys/socket.h>

#include "agent/card/reader.h"
#include "agent/card/wire.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/said.h"
#include "tests/fuzz/wire.h"

static struct {
    bool connected, selected, verified;
    unsigned asked; /* things of this order */
    uint32_t seq;
} card;
static unsigned answered;
static jmp_buf ended;

/* Two bits each of the number: mostly well. */
static problem_t outcome(void)
{
    static const problem_t all[] = {MK_OK, MK_OK, PROBLEM_PIN_WRONG, PROBLEM_CARD_REMOVED};
    return all[card.seq >> (2 * card.asked++ % 32) & 3];
}

static problem_t fuzz_connect(reader_t *self)
{
    (void)self;
    HOLDS(!card.connected);
    problem_t problem = outcome();
    card.connected = problem == MK_OK;
    return problem;
}

static bool fuzz_connected(const reader_t *self)
{
    (void)self;
    return card.connected;
}

static void fuzz_disconnect(reader_t *self, bool broken)
{
    (void)self;
    (void)broken;
    card.connected = card.selected = card.verified = false;
}

/* A card is in; now and then it goes while nobody looks. */
static reader_presence fuzz_watch(reader_t *self, unsigned timeout_ms)
{
    (void)timeout_ms;
    if ((card.seq & 0xf00) == 0xf00) fuzz_disconnect(self, true);
    return (reader_presence){MK_OK, 1};
}

static void fuzz_unpower(reader_t *self)
{
    fuzz_disconnect(self, false);
}

static problem_t fuzz_select(const jpki_card_t *self)
{
    (void)self;
    problem_t problem = outcome();
    HOLDS(card.connected);
    card.selected = problem == MK_OK;
    return problem;
}

static problem_t fuzz_certificate(const jpki_card_t *self, uint8_t out[JPKI_CERT_MAX], size_t *ret_size)
{
    (void)self;
    HOLDS(card.selected);
    PROBLEM_TRY(outcome());
    memset(out, 0x30, JPKI_CERT_MAX);
    *ret_size = card.seq % (JPKI_CERT_MAX + 1);
    return MK_OK;
}

static problem_t fuzz_tries(const jpki_card_t *self, unsigned *ret_tries)
{
    (void)self;
    HOLDS(card.selected);
    PROBLEM_TRY(outcome());
    *ret_tries = card.seq & 3;
    return MK_OK;
}

static problem_t fuzz_verify(const jpki_card_t *self, pin_t *pin, unsigned *ret_tries)
{
    (void)self;
    HOLDS(card.selected);
    pin_wipe(pin);
    problem_t problem = outcome();
    *ret_tries = card.seq & 3;
    card.verified = problem == MK_OK;
    return problem;
}

static problem_t fuzz_sign(const jpki_card_t *self, const uint8_t *statement, size_t size, const uint8_t *certificate,
                           size_t certificate_size, uint8_t out[JPKI_SIGNATURE_SIZE])
{
    (void)self;
    HOLDS(card.verified && statement != NULL && size <= JPKI_STATEMENT_MAX);
    HOLDS(certificate != NULL && certificate_size <= JPKI_CERT_MAX);
    PROBLEM_TRY(outcome());
    memset(out, 1, JPKI_SIGNATURE_SIZE);
    return MK_OK;
}

static ssize_t fuzz_order(void *out, size_t cap)
{
    ssize_t size = fuzz_hear_packet(out, cap);
    card.seq = size >= (ssize_t)offsetof(card_order, size) ? ((const card_order *)out)->seq : 0;
    card.asked = 0;
    return size;
}

static ssize_t fuzz_send(int fd, const void *data, size_t size, int flags)
{
    (void)fd;
    (void)flags;
    const card_report *report = data;
    HOLDS(report->size <= sizeof report->data && size == offsetof(card_report, data) + report->size);
    HOLDS(report->problem == MK_OK || report->size == 0);
    if (report->verb == CARD_PRESENCE) return (ssize_t)size;
    HOLDS(report->verb >= CARD_OPEN && report->verb <= CARD_UNPOWER && report->seq == card.seq);
    answered++;
    return (ssize_t)size;
}

static _Noreturn void fuzz_exit(int status)
{
    longjmp(ended, 1 + status);
}

#define recv(fd, out, cap, flags) fuzz_order(out, cap)
#define send fuzz_send
#define poll(fds, count, timeout_ms) ((void)(fds), (void)(timeout_ms), 1)
#define _exit fuzz_exit
#define reader_connect fuzz_connect
#define reader_disconnect fuzz_disconnect
#define reader_is_connected fuzz_connected
#define reader_unpower fuzz_unpower
#define reader_watch fuzz_watch
#define jpki_card_select fuzz_select
#define jpki_card_certificate fuzz_certificate
#define jpki_card_tries fuzz_tries
#define jpki_card_verify fuzz_verify
#define jpki_card_sign fuzz_sign
#include "agent/card/child.c"

void fuzz_child(const uint8_t *data, size_t size)
{
    static child_t self;
    static pin_t *pin;
    if (pin == NULL) pin = pin_new();
    HOLDS(pin != NULL);
    memset(&card, 0, sizeof card);
    self = (child_t){.pin = pin, .told.problem = PROBLEM_CHECKING};
    fuzz_say(data, size);
    if (setjmp(ended) == 0) {
        for (;;) {
            answered = 0;
            for (const char *c = "1234"; *c; c++) (void)pin_push(pin, *c);
            turn(&self);
            HOLDS(answered == 1 && self.certificate_size <= sizeof self.certificate);
        }
    }
    HOLDS(!card.connected && pin_count(pin) == 0);
}
