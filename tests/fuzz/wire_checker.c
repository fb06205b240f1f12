/* SPDX-License-Identifier: Apache-2.0 */
/* The bus process: a packet of a parser, to one that has not said that it is ready and to one
 * with a request under way. What a request is answered with lies within the packet. */
#include <sys/socket.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/said.h"
#include "tests/fuzz/wire.h"

#define recv(fd, out, cap, flags) fuzz_hear(out, cap)
#include "services/jpki-verify/checker.c"
#undef recv

static unsigned answers;

static checker_t make(void)
{
    return (checker_t){.flight = zlist_new(), .waiting = zlist_new()};
}

bool wire_ready_is_right(const wire_ready *ready, size_t roots)
{
    static anchors_t some;
    some.count = roots;
    const child_t child = {.fd = -1, .anchors = &some};
    return is_right(&child, ready);
}

bool wire_verdict_is_sound(const wire_verdict *verdict)
{
    return is_sound(verdict);
}

static void on_answer(const checker_answer *answer, void *arg)
{
    (void)arg;
    answers++;
    HOLDS(answer->check < CHECK_COUNT_ && answer->issuer.size <= PROFILE_ISSUER_MAX && answer->serial.size <= 8);
    HOLDS((answer->check == CHECK_PASSED) == (answer->issuer.size > 0 && answer->serial.size > 0));
    uint8_t sum = 0;
    for (size_t i = 0; i < answer->issuer.size; i++) sum ^= answer->issuer.data[i];
    for (size_t i = 0; i < answer->serial.size; i++) sum ^= answer->serial.data[i];
    (void)sum;
}

static void fuzz_verdict(checker_t *self, const uint8_t *data, size_t size)
{
    child_t child = {.fd = -1, .is_ready = true};
    job *one = calloc(1, sizeof *one);
    HOLDS(one != NULL);
    one->fn = on_answer;
    one->request.id = 1;
    zlist_append(self->flight, one);
    self->start_timer = 0;
    answers = 0;
    fuzz_say(data, size);
    packet got = read_packet(self, &child);
    HOLDS((got == PACKET_TAKEN) == (answers == 1));
    HOLDS(got != PACKET_TAKEN || size >= sizeof(wire_verdict));
    if (answers == 0) free(one);
}

static void fuzz_ready(const uint8_t *data, size_t size)
{
    wire_ready ready;
    if (size != sizeof ready) return;
    memcpy(&ready, data, sizeof ready);
    if (!wire_ready_is_right(&ready, 2)) return;
    const child_t child = {.fd = -1, .is_ready = true, .ready = ready};
    HOLDS(ready.root_count == 2 && ready.sandboxed == 1);
    (void)child_is_fresh(&child, 1000);
}

void fuzz_checker(const uint8_t *data, size_t size)
{
    checker_t self = make();
    fuzz_ready(data, size);
    fuzz_verdict(&self, data, size);
    zlist_destroy(&self.flight);
    zlist_destroy(&self.waiting);
}
