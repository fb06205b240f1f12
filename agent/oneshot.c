/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/oneshot.h"

void oneshot_init(oneshot_t *self, zloop_t *loop, oneshot_fn *fn, void *arg)
{
    *self = (oneshot_t){loop, -1, fn, arg};
}

static int on_timer(zloop_t *loop, int id, void *arg)
{
    (void)loop;
    oneshot_t *self = arg;
    if (id != self->id) return 0; /* stopped or replaced in this very turn */
    self->id = -1;
    self->fn(self->arg);
    return 0;
}

void oneshot_set(oneshot_t *self, size_t ms)
{
    oneshot_stop(self);
    self->id = zloop_timer(self->loop, ms > 0 ? ms : 1, 1, on_timer, self);
}

void oneshot_stop(oneshot_t *self)
{
    if (self->id >= 0) zloop_timer_end(self->loop, self->id);
    self->id = -1;
}
