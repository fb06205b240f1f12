/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's end of the card child: a report is passed on whole or the child is given up. */
#include <sys/socket.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/said.h"
#include "tests/fuzz/wire.h"

#define recv(fd, out, cap, flags) fuzz_hear(out, cap)
#include "agent/card/link.c"
#undef recv

static unsigned told;

static void on_report(const card_report *report, void *arg)
{
    const card_link_t *self = arg;
    told++;
    HOLDS(report->size <= sizeof report->data);
    HOLDS(report->verb == CARD_PRESENCE || report->seq == self->seq);
}

void fuzz_agent(const uint8_t *data, size_t size)
{
    pin_t *pin = pin_new();
    card_link_t *self = calloc(1, sizeof *self);
    HOLDS(pin != NULL && self != NULL);
    *self = (card_link_t){.loop = zloop_new(), .fn = on_report, .arg = self, .fd = -1, .seq = 7, .options.pin = pin};
    fuzz_say(data, size);
    told = 0;
    HOLDS(on_readable(self->loop, NULL, self) == 0);
    bool whole = size >= offsetof(card_report, data) && self->restarts == 0;
    HOLDS(whole || (self->dying && told == 1));
    HOLDS(!whole || size == offsetof(card_report, data) + self->report.size);
    zloop_destroy(&self->loop);
    pin_destroy(&pin);
    free(self);
}
