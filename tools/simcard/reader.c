/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/simcard/reader.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"

enum {
    VPCD_OFF = 0,
    VPCD_ON = 1,
    VPCD_RESET = 2,
    VPCD_ATR = 4,
    MESSAGE_MAX = 2 + 65535,
    RETRY_MS = 250,
    SEND_S = 2,
    ASKS = 2
};

struct reader {
    reader_options options;
    int fd;
    card_t *card;     /* lying on the reader */
    applet_t *applet; /* its processor */
    unsigned session, commands;
    unsigned asked;      /* for the ATR, since it was inserted */
    bool powered;        /* since it was inserted */
    card_t *next;        /* comes at connect_ms */
    uint64_t connect_ms; /* 0 = nothing to connect */
    uint64_t free_ms;    /* when pcscd will have seen that the last card is gone */
    uint8_t in[MESSAGE_MAX];
    size_t in_size;
    reply reply;       /* in hand, sent at reply_ms */
    uint64_t reply_ms; /* 0 = none waits */
    fault_plan plan;   /* of that reply */
};

reader_t *reader_new(const reader_options *options)
{
    reader_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->options = *options;
    self->fd = -1;
    return self;
}

void reader_destroy(reader_t **self_p)
{
    if (*self_p == NULL) return;
    reader_remove(*self_p);
    bytes_wipe(*self_p, sizeof **self_p);
    free(*self_p);
    *self_p = NULL;
}

card_t *reader_card(const reader_t *self)
{
    return self->card;
}

const char *reader_state(const reader_t *self)
{
    if (self->card == NULL && self->next == NULL) return "empty";
    if (self->fd < 0) return "waiting";
    return applet_powered(self->applet) ? "powered" : "inserted";
}

static void tell(reader_t *self, const char *event)
{
    journal_place place = {self->options.slot, self->session, card_name(self->card)};
    journal_event(self->options.journal, &place, event);
}

/* ---- connecting ---- */

static int connect_vpcd(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = SEND_S};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    close(fd);
    return -1;
}

static void take_next(reader_t *self)
{
    if (self->next == NULL) return;
    self->card = self->next;
    self->next = NULL;
    self->applet = applet_new(self->card);
    tell(self, "insert");
}

static void try_connect(reader_t *self, uint64_t now_ms)
{
    take_next(self);
    self->fd = connect_vpcd(self->options.port);
    self->connect_ms = self->fd < 0 ? now_ms + RETRY_MS : 0;
    self->asked = 0;
    self->powered = false;
    self->in_size = 0;
}

static void power_off(reader_t *self)
{
    if (applet_powered(self->applet)) tell(self, "power-off");
    applet_power_off(self->applet);
    self->session = 0;
}

static void disconnect(reader_t *self)
{
    if (self->fd >= 0) close(self->fd);
    self->fd = -1;
    self->in_size = 0;
    self->reply_ms = 0;
}

void reader_remove(reader_t *self)
{
    disconnect(self);
    self->connect_ms = 0;
    card_destroy(&self->next);
    if (self->card == NULL) return;
    power_off(self);
    tell(self, "remove");
    applet_destroy(&self->applet);
    card_destroy(&self->card);
    self->free_ms = clock_mono_ms() + READER_GAP_MS;
}

mk_code reader_insert(reader_t *self, const char *name, char *why)
{
    card_t *card = NULL;
    uint64_t now_ms = clock_mono_ms();
    MK_TRY(card_load(self->options.cards_dir, name, &card, why));
    reader_remove(self);
    self->next = card;
    self->connect_ms = self->free_ms > now_ms ? self->free_ms : now_ms;
    if (self->connect_ms == now_ms) try_connect(self, now_ms);
    return MK_OK;
}

/* vpcd went away: the card stays where it lies and is there again for the next reader. */
static void lose_reader(reader_t *self, uint64_t now_ms)
{
    disconnect(self);
    power_off(self);
    self->connect_ms = now_ms + RETRY_MS;
}

/* ---- sending ---- */

static bool send_message(reader_t *self, const uint8_t *data, size_t size)
{
    static uint8_t message[MESSAGE_MAX];
    message[0] = (uint8_t)(size >> 8);
    message[1] = (uint8_t)size;
    memcpy(message + 2, data, size);
    for (size_t sent = 0; sent < size + 2;) {
        ssize_t n = send(self->fd, message + sent, size + 2 - sent, MSG_NOSIGNAL);
        if (n <= 0) return false;
        sent += (size_t)n;
    }
    return true;
}

static void leave(reader_t *self, const fault_plan *plan)
{
    char why[CARD_WHY_MAX] = "the card can't be read";
    if (plan->then == FAULT_REMOVE) reader_remove(self);
    if (plan->then == FAULT_SWAP && reader_insert(self, plan->swap_to, why) != MK_OK) {
        fprintf(stderr, "mykey-simcard: swap: %s\n", why);
        reader_remove(self);
    }
}

static void send_reply(reader_t *self, uint64_t now_ms)
{
    fault_plan plan = self->plan;
    self->reply_ms = 0;
    if (plan.answer && !send_message(self, self->reply.data, self->reply.size)) {
        lose_reader(self, now_ms);
    }
    leave(self, &plan);
}

/* ---- what vpcd says ---- */

static void record(reader_t *self, const apdu *command, const uint8_t *bytes, size_t size)
{
    char aid[2 * 16 + 1] = "";
    bool has_aid = command->kind == APDU_SELECT && command->lc <= 16;
    if (has_aid) bytes_to_hex(command->data, command->lc, aid);
    const card_file *file = applet_file(self->applet);
    journal_place place = {self->options.slot, self->session, card_name(self->card)};
    journal_command line = {
        .number = self->commands,
        .command = apdu_kind_name(command->kind),
        .bytes = bytes,
        .size = size,
        .lc = command->lc,
        .le = command->le,
        .applet = applet_selected_name(self->applet),
        .file = file == NULL ? NULL : file->name,
        .aid = has_aid ? aid : NULL,
        .executed = self->plan.execute,
        .answered = self->plan.answer,
        .sw = self->plan.answer ? reply_sw(&self->reply) : 0,
        .reply_size = self->plan.answer ? self->reply.size : 0,
    };
    journal_add(self->options.journal, &place, &line);
}

static void on_command(reader_t *self, const uint8_t *bytes, size_t size, uint64_t now_ms)
{
    apdu command = {0};
    if (!apdu_parse(bytes, size, &command)) command = (apdu){.kind = APDU_OTHER};
    self->commands++;
    self->plan = fault_before(self->options.fault, &command, self->commands == 1);
    reply_set_sw(&self->reply, 0x6F00);
    if (!applet_powered(self->applet)) self->plan.execute = false;
    if (self->plan.execute) applet_run(self->applet, bytes, size, &self->reply);
    fault_after(self->options.fault, &command, self->applet, self->card, &self->reply);
    record(self, &command, bytes, size);
    self->reply_ms = now_ms + self->plan.delay_ms;
    if (self->plan.delay_ms == 0) send_reply(self, now_ms);
}

static void power_on(reader_t *self)
{
    fault_plan plan = fault_before(self->options.fault, &(apdu){.kind = APDU_POWER}, false);
    self->powered = true;
    if (plan.then != FAULT_STAY) {
        leave(self, &plan);
        return;
    }
    if (!applet_powered(self->applet)) {
        self->session = journal_next_session(self->options.journal);
        self->commands = 0;
        tell(self, "power-on");
    }
    applet_power_on(self->applet);
}

static void on_signal(reader_t *self, uint8_t signal, uint64_t now_ms)
{
    size_t size;
    const uint8_t *atr = card_atr(self->card, &size);
    if (signal == VPCD_OFF) power_off(self);
    if (signal == VPCD_ON) power_on(self);
    if (signal == VPCD_RESET && applet_powered(self->applet)) {
        applet_reset(self->applet);
        tell(self, "reset");
    }
    if (signal == VPCD_ATR && !send_message(self, atr, size)) lose_reader(self, now_ms);
}

/* pcscd asks a new card for its ATR twice and powers it. Anything else was meant for the card before: the reader was
 * too busy to see that one go. A real one always sees it. */
static bool is_mistaken(reader_t *self, const uint8_t *message, size_t size)
{
    bool asks = size == 1 && message[0] == VPCD_ATR && self->asked++ < ASKS;
    bool powers = size == 1 && message[0] == VPCD_ON;
    return !self->powered && !asks && !powers;
}

/* Away once more, for long enough. */
static void come_again(reader_t *self, uint64_t now_ms)
{
    disconnect(self);
    self->connect_ms = now_ms + READER_GAP_MS;
}

/* One message of those that have come; false when none is complete. The card may be gone afterwards. */
static bool take_message(reader_t *self, uint64_t now_ms)
{
    static uint8_t message[MESSAGE_MAX];
    if (self->fd < 0 || self->in_size < 2) return false;
    size_t size = (size_t)self->in[0] << 8 | self->in[1];
    if (self->in_size < size + 2) return false;
    memcpy(message, self->in + 2, size);
    self->in_size -= size + 2;
    memmove(self->in, self->in + size + 2, self->in_size);
    if (is_mistaken(self, message, size))
        come_again(self, now_ms);
    else if (size == 1)
        on_signal(self, message[0], now_ms);
    else if (size > 1)
        on_command(self, message, size, now_ms);
    bytes_wipe(message, size);
    return true;
}

/* vpcd sends length and body apart: without quick acknowledgement each exchange takes 44 ms. */
static void receive(reader_t *self, uint64_t now_ms)
{
    int one = 1;
    setsockopt(self->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
    ssize_t n = recv(self->fd, self->in + self->in_size, sizeof self->in - self->in_size, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        lose_reader(self, now_ms);
        return;
    }
    self->in_size += (size_t)n;
    while (take_message(self, now_ms)) continue;
}

int reader_fd(const reader_t *self)
{
    return self->fd;
}

static int until(uint64_t due_ms, uint64_t now_ms)
{
    return due_ms <= now_ms ? 0 : (int)(due_ms - now_ms);
}

int reader_due_ms(const reader_t *self, uint64_t now_ms)
{
    if (self->reply_ms != 0) return until(self->reply_ms, now_ms);
    return self->connect_ms == 0 ? -1 : until(self->connect_ms, now_ms);
}

void reader_run(reader_t *self, bool readable, uint64_t now_ms)
{
    if (readable && self->fd >= 0) receive(self, now_ms);
    if (self->reply_ms != 0 && now_ms >= self->reply_ms) send_reply(self, now_ms);
    if (self->connect_ms != 0 && now_ms >= self->connect_ms) try_connect(self, now_ms);
}
