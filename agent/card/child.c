/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/card/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/card/reader.h"
#include "agent/card/wire.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"

enum {
    IDLE_WAIT_MS = 1000, /* no card: nothing to be ordered, PC/SC wakes us */
    CARD_WAIT_MS = 150,  /* a card is in: orders wake us, removal is looked for this often */
    ALIVE_MS = 1000,
    ORPHAN_S = 3, /* main is gone: as long as this for unpowering the card */
};

typedef struct child {
    reader_t *reader;
    jpki_card_t card;
    pin_t *pin;
    uint8_t certificate[JPKI_CERT_MAX];
    size_t certificate_size;
    bool open;     /* between a good OPEN and its end */
    bool verified; /* the PIN was right in this session */
    reader_presence told;
    uint64_t told_at_ms;
    card_report report; /* large, so not on the stack */
} child_t;

static void send_report(const card_report *report)
{
    size_t size = offsetof(card_report, data) + report->size;
    if (send(CARD_CHILD_SOCKET, report, size, MSG_NOSIGNAL) < 0) _exit(0);
}

static void tell_presence(child_t *self, reader_presence seen)
{
    bool news = seen.problem != self->told.problem || seen.cards != self->told.cards;
    if (!news && clock_mono_ms() - self->told_at_ms < ALIVE_MS) return;
    card_report report = {.verb = CARD_PRESENCE, .problem = seen.problem, .cards = seen.cards};
    send_report(&report);
    self->told = seen;
    self->told_at_ms = clock_mono_ms();
}

static void end_session(child_t *self, bool broken)
{
    reader_disconnect(self->reader, broken);
    pin_wipe(self->pin);
    self->open = false;
    self->verified = false;
    bytes_wipe(self->certificate, sizeof self->certificate);
    self->certificate_size = 0;
}

/* ---- orders ---- */

static problem_t open_card(child_t *self, unsigned *tries)
{
    PROBLEM_TRY(reader_connect(self->reader));
    PROBLEM_TRY(jpki_card_select(&self->card));
    PROBLEM_TRY(jpki_card_certificate(&self->card, self->certificate, &self->certificate_size));
    PROBLEM_TRY(jpki_card_tries(&self->card, tries));
    self->open = true;
    return MK_OK;
}

static problem_t do_open(child_t *self, const card_order *order, card_report *report)
{
    (void)order;
    unsigned tries = 0;
    end_session(self, false);
    self->told.events = reader_watch(self->reader, 0).events; /* whichever card lies there now is meant */
    PROBLEM_TRY(open_card(self, &tries));
    report->tries = tries;
    report->size = (uint32_t)self->certificate_size;
    memcpy(report->data, self->certificate, self->certificate_size);
    return MK_OK;
}

static problem_t do_verify(child_t *self, const card_order *order, card_report *report)
{
    (void)order;
    unsigned tries = 0;
    if (!self->open) return PROBLEM_CARD_REMOVED;
    problem_t problem = jpki_card_verify(&self->card, self->pin, &tries);
    report->tries = tries;
    self->verified = problem == MK_OK;
    return problem;
}

static problem_t do_sign(child_t *self, const card_order *order, card_report *report)
{
    if (!self->open || !self->verified) return PROBLEM_CARD_REMOVED;
    PROBLEM_TRY(
        jpki_card_sign(&self->card, order->data, order->size, self->certificate, self->certificate_size, report->data));
    report->size = JPKI_SIGNATURE_SIZE;
    return MK_OK;
}

static problem_t do_close(child_t *self, const card_order *order, card_report *report)
{
    (void)order;
    (void)report;
    end_session(self, false);
    return MK_OK;
}

static problem_t do_unpower(child_t *self, const card_order *order, card_report *report)
{
    (void)order;
    (void)report;
    reader_unpower(self->reader);
    return MK_OK;
}

typedef problem_t order_fn(child_t *self, const card_order *order, card_report *report);
static order_fn *const orders[] = {[CARD_OPEN] = do_open,
                                   [CARD_VERIFY] = do_verify,
                                   [CARD_SIGN] = do_sign,
                                   [CARD_CLOSE] = do_close,
                                   [CARD_UNPOWER] = do_unpower};

static void obey(child_t *self, const card_order *order)
{
    card_report *report = &self->report;
    *report = (card_report){.verb = order->verb, .seq = order->seq};
    report->problem = orders[order->verb](self, order, report);
    if (report->problem) report->size = 0;
    /* A wrong PIN leaves the session usable; anything else that failed ends it. */
    if (report->problem && report->problem != PROBLEM_PIN_WRONG)
        end_session(self, report->problem == PROBLEM_CARD_REMOVED);
    send_report(report);
    self->told_at_ms = clock_mono_ms();
}

static bool is_order(const card_order *order, ssize_t got)
{
    return got >= (ssize_t)offsetof(card_order, data) && order->size <= sizeof order->data &&
           (size_t)got == offsetof(card_order, data) + order->size && order->verb < sizeof orders / sizeof orders[0] &&
           orders[order->verb];
}

/* Waits for one order; leaves the process when main has gone. */
static void serve(child_t *self, int timeout_ms)
{
    card_order order;
    struct pollfd socket_poll = {CARD_CHILD_SOCKET, POLLIN, 0};
    if (poll(&socket_poll, 1, timeout_ms) <= 0) return;
    ssize_t got = recv(CARD_CHILD_SOCKET, &order, sizeof order, 0);
    if (got < 0 && errno == EINTR) return;
    if (!is_order(&order, got)) {
        end_session(self, false);
        _exit(got == 0 ? 0 : 1);
    }
    obey(self, &order);
}

static void turn(child_t *self)
{
    bool idle = self->told.cards == 0 && self->told.problem != PROBLEM_READER_SERVICE_DOWN;
    reader_presence seen = reader_watch(self->reader, idle ? IDLE_WAIT_MS : 0);
    if (self->open && !reader_is_connected(self->reader)) end_session(self, true);
    /* The card went and is in again, or another one, all since we looked last: main hears of both. */
    if (seen.cards == 1 && self->told.cards == 1 && seen.events != self->told.events)
        tell_presence(self, (reader_presence){.problem = seen.problem});
    tell_presence(self, seen);
    int wait_ms = seen.cards > 0 ? CARD_WAIT_MS : 0;
    serve(self, seen.problem == PROBLEM_READER_SERVICE_DOWN ? IDLE_WAIT_MS : wait_ms);
}

/* Main was killed. Its socket's end makes us unpower the card; killed as well, we would leave a verified PIN to the
 * next program. But a reader may be stuck, and nobody else ends us any more. */
static void on_orphaned(int signal_number)
{
    (void)signal_number;
    (void)alarm(ORPHAN_S);
}

static void isolate(void)
{
    static const struct rlimit none = {0, 0};
    sigset_t empty;
    (void)signal(SIGALRM, SIG_DFL);
    (void)signal(SIGUSR1, on_orphaned);
    (void)prctl(PR_SET_PDEATHSIG, SIGUSR1);
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)signal(SIGINT, SIG_IGN); /* Ctrl-C is for main, which then ends us */
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&empty);
    (void)sigprocmask(SIG_SETMASK, &empty, NULL);
}

int card_child_run(const char *reader_filter)
{
    static child_t self;
    isolate();
    self.pin = pin_map(CARD_CHILD_PIN);
    self.reader = reader_new(reader_filter);
    if (!self.pin || !self.reader) return 1;
    self.card = (jpki_card_t){reader_transmit, self.reader};
    self.told.problem = PROBLEM_CHECKING;
    for (;;) turn(&self);
}
