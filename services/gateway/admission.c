/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/admission.h"

#include <czmq.h>

enum {
    OUTSTANDING_RETRY_MS = 500, /* when it is others' work that must end first */
    TAP_RETRY_MS = 300,
};

struct admission_terminal {
    bucket rate;
    unsigned open; /* requests inside */
    bool tapping;
};

struct admission {
    admission_limits limits;
    bucket all, enrol;
    unsigned outstanding;
    zhashx_t *terminals; /* terminal id → admission_terminal_t, freed by the table */
};

static void terminal_free(void **item)
{
    free(*item);
    *item = NULL;
}

admission_t *admission_new(const admission_limits *limits)
{
    admission_t *self = zmalloc(sizeof *self);
    self->limits = *limits;
    self->all = bucket_full(limits->all, 0);
    self->enrol = bucket_full(limits->enrol, 0);
    self->terminals = zhashx_new();
    zhashx_set_destructor(self->terminals, terminal_free);
    return self;
}

void admission_destroy(admission_t **self_p)
{
    admission_t *self = *self_p;
    if (self == NULL) return;
    zhashx_destroy(&self->terminals);
    free(self);
    *self_p = NULL;
}

static mk_code refuse(admission_refusal *ret_refusal, const char *reason, uint32_t retry_after_ms)
{
    *ret_refusal = (admission_refusal){.reason = reason, .retry_after_ms = retry_after_ms};
    return MK_BUSY;
}

mk_code admission_enter(admission_t *self, admission_class class, uint64_t now_ms, admission_refusal *ret_refusal)
{
    if (self->outstanding >= self->limits.outstanding_max) {
        return refuse(ret_refusal, "outstanding", OUTSTANDING_RETRY_MS);
    }
    uint32_t wait_ms = bucket_take(&self->all, self->limits.all, now_ms);
    if (wait_ms > 0) return refuse(ret_refusal, "rate", wait_ms);
    if (class == ADMISSION_ENROL) {
        wait_ms = bucket_take(&self->enrol, self->limits.enrol, now_ms);
        if (wait_ms > 0) return refuse(ret_refusal, "enrol", wait_ms);
    }
    self->outstanding++;
    return MK_OK;
}

void admission_leave(admission_t *self)
{
    assert(self->outstanding > 0);
    self->outstanding--;
}

unsigned admission_outstanding(const admission_t *self)
{
    return self->outstanding;
}

/* NULL when the table is full of terminals that must be remembered. */
static admission_terminal_t *terminal_of(admission_t *self, const char *terminal_id, uint64_t now_ms)
{
    admission_terminal_t *terminal = zhashx_lookup(self->terminals, terminal_id);
    if (terminal != NULL) return terminal;
    if (zhashx_size(self->terminals) >= self->limits.terminals_max) return NULL;
    terminal = zmalloc(sizeof *terminal);
    terminal->rate = bucket_full(self->limits.terminal, now_ms);
    zhashx_insert(self->terminals, terminal_id, terminal);
    return terminal;
}

mk_code admission_enter_terminal(admission_t *self, admission_class class, const char *terminal_id, uint64_t now_ms,
                                 admission_terminal_t **ret_terminal, admission_refusal *ret_refusal)
{
    admission_terminal_t *terminal = terminal_of(self, terminal_id, now_ms);
    if (terminal == NULL) return refuse(ret_refusal, "terminals", OUTSTANDING_RETRY_MS);
    if (class == ADMISSION_TAP && terminal->tapping) return refuse(ret_refusal, "terminal_tap", TAP_RETRY_MS);
    uint32_t wait_ms = bucket_take(&terminal->rate, self->limits.terminal, now_ms);
    if (wait_ms > 0) return refuse(ret_refusal, "terminal_rate", wait_ms);
    terminal->open++;
    if (class == ADMISSION_TAP) terminal->tapping = true;
    *ret_terminal = terminal;
    return MK_OK;
}

void admission_leave_terminal(admission_terminal_t *terminal, admission_class class)
{
    assert(terminal->open > 0);
    terminal->open--;
    if (class == ADMISSION_TAP) terminal->tapping = false;
}

static bool nothing_to_remember(const admission_t *self, const admission_terminal_t *terminal, uint64_t now_ms)
{
    return terminal->open == 0 && bucket_is_full(&terminal->rate, self->limits.terminal, now_ms);
}

void admission_sweep(admission_t *self, uint64_t now_ms)
{
    zlistx_t *ids = zhashx_keys(self->terminals);
    for (const char *id = zlistx_first(ids); id != NULL; id = zlistx_next(ids)) {
        if (nothing_to_remember(self, zhashx_lookup(self->terminals, id), now_ms)) zhashx_delete(self->terminals, id);
    }
    zlistx_destroy(&ids);
}

size_t admission_terminals(const admission_t *self)
{
    return zhashx_size(self->terminals);
}
