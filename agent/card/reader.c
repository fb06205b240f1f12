/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/card/reader.h"

#include <stdlib.h>
#include <string.h>
#include <winscard.h>

#include "common/base/clock.h"

enum { SLOTS_MAX = 16, NAMES_MAX = 4096, BROKEN_MS = 2000, MUTE_MS = 600 };
#define PLUG_AND_PLAY "\\\\?PnP?\\Notification"

struct reader {
    const char *filter;
    SCARDCONTEXT context;
    bool has_context;
    char names[NAMES_MAX];                  /* multi-string that the slots point into */
    SCARD_READERSTATE slots[SLOTS_MAX + 1]; /* the last one is plug-and-play */
    size_t count;                           /* real readers */
    SCARDHANDLE handle;
    bool connected;
    DWORD protocol;
    char name[MAX_READERNAME]; /* reader of the connection */
    DWORD events;              /* its event counter when connected */
    uint64_t broken_at_ms;     /* 0, or since when the card of `name` counts as gone */
    bool busy;                 /* another program held the card when we last connected */
};

/* ---- what PC/SC says, in our words ---- */

static const struct {
    LONG rv;
    problem_t problem;
} results[] = {
    {SCARD_E_SHARING_VIOLATION, PROBLEM_READER_BUSY},  {SCARD_W_REMOVED_CARD, PROBLEM_CARD_REMOVED},
    {SCARD_W_RESET_CARD, PROBLEM_CARD_REMOVED},        {SCARD_E_NO_SMARTCARD, PROBLEM_CARD_REMOVED},
    {SCARD_E_NOT_READY, PROBLEM_CARD_REMOVED},         {SCARD_E_NOT_TRANSACTED, PROBLEM_CARD_REMOVED},
    {SCARD_E_COMM_DATA_LOST, PROBLEM_CARD_REMOVED},    {SCARD_E_INVALID_HANDLE, PROBLEM_CARD_REMOVED},
    {SCARD_E_UNKNOWN_READER, PROBLEM_CARD_REMOVED},    {SCARD_E_READER_UNAVAILABLE, PROBLEM_CARD_REMOVED},
    {SCARD_E_NO_SERVICE, PROBLEM_READER_SERVICE_DOWN}, {SCARD_E_SERVICE_STOPPED, PROBLEM_READER_SERVICE_DOWN},
    {SCARD_F_COMM_ERROR, PROBLEM_READER_SERVICE_DOWN},
};

static problem_t translate(LONG rv)
{
    if (rv == SCARD_S_SUCCESS) return MK_OK;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        if (results[i].rv == rv) return results[i].problem;
    return PROBLEM_CARD_UNREADABLE;
}

/* ---- context and reader list ---- */

reader_t *reader_new(const char *filter)
{
    reader_t *self = calloc(1, sizeof *self);
    if (self) self->filter = filter;
    return self;
}

static void drop_context(reader_t *self)
{
    self->connected = false;
    self->count = 0;
    if (!self->has_context) return;
    (void)SCardReleaseContext(self->context);
    self->has_context = false;
}

void reader_destroy(reader_t **self_p)
{
    if (!self_p || !*self_p) return;
    reader_disconnect(*self_p, false);
    drop_context(*self_p);
    free(*self_p);
    *self_p = NULL;
}

static LONG ensure_context(reader_t *self)
{
    if (self->has_context) return SCARD_S_SUCCESS;
    LONG rv = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &self->context);
    self->has_context = rv == SCARD_S_SUCCESS;
    return rv;
}

static void fill_slots(reader_t *self)
{
    memset(self->slots, 0, sizeof self->slots);
    self->count = 0;
    for (const char *name = self->names; *name && self->count < SLOTS_MAX; name += strlen(name) + 1)
        if (strstr(name, self->filter)) self->slots[self->count++].szReader = name;
    self->slots[self->count].szReader = PLUG_AND_PLAY;
}

static LONG list_readers(reader_t *self)
{
    DWORD size = sizeof self->names - 1;
    LONG rv = SCardListReaders(self->context, NULL, self->names, &size);
    if (rv == SCARD_E_NO_READERS_AVAILABLE) {
        size = 0;
        rv = SCARD_S_SUCCESS;
    }
    if (rv != SCARD_S_SUCCESS) return rv;
    self->names[size] = '\0';
    fill_slots(self);
    return rv;
}

/* ---- presence ---- */

/* The high half of an event state counts insertions and removals. */
static DWORD event_count(const SCARD_READERSTATE *slot)
{
    return slot->dwEventState >> 16;
}

/* Is the card that just broke still said to be there only because nobody has looked yet? */
static bool is_stale(reader_t *self, const SCARD_READERSTATE *slot)
{
    if (self->broken_at_ms == 0 || strcmp(slot->szReader, self->name) != 0) return false;
    if (event_count(slot) == self->events && clock_mono_ms() - self->broken_at_ms < BROKEN_MS) return true;
    self->broken_at_ms = 0;
    return false;
}

static reader_presence evaluate(reader_t *self)
{
    reader_presence seen = {.problem = self->count > 0 ? MK_OK : PROBLEM_READER_MISSING};
    for (size_t i = 0; i < self->count; i++) {
        const SCARD_READERSTATE *slot = &self->slots[i];
        if (!(slot->dwEventState & SCARD_STATE_PRESENT) || is_stale(self, slot)) continue;
        bool held = slot->dwEventState & (SCARD_STATE_EXCLUSIVE | SCARD_STATE_INUSE);
        if (self->busy && !self->connected && held) seen.problem = PROBLEM_READER_BUSY;
        if (seen.cards < 2) seen.cards++;
        seen.events = event_count(slot);
    }
    if (seen.problem != PROBLEM_READER_BUSY) self->busy = false;
    return seen;
}

/* Has the card of the connection gone, or been swapped? */
static bool connection_lost(const reader_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->slots[i].szReader, self->name) == 0)
            return !(self->slots[i].dwEventState & SCARD_STATE_PRESENT) || event_count(&self->slots[i]) != self->events;
    return true;
}

static LONG watch(reader_t *self, unsigned timeout_ms)
{
    LONG rv = ensure_context(self);
    if (rv == SCARD_S_SUCCESS && self->count == 0) rv = list_readers(self);
    if (rv != SCARD_S_SUCCESS) return rv;
    rv = SCardGetStatusChange(self->context, timeout_ms, self->slots, (DWORD)self->count + 1);
    if (rv == SCARD_E_TIMEOUT) return SCARD_S_SUCCESS;
    bool relist = rv == SCARD_E_UNKNOWN_READER || rv == SCARD_E_READER_UNAVAILABLE ||
                  (rv == SCARD_S_SUCCESS && self->slots[self->count].dwEventState & SCARD_STATE_CHANGED);
    for (size_t i = 0; i < self->count; i++) relist |= (self->slots[i].dwEventState & SCARD_STATE_UNKNOWN) != 0;
    if (relist) {
        rv = list_readers(self);
        if (rv == SCARD_S_SUCCESS) rv = SCardGetStatusChange(self->context, 0, self->slots, (DWORD)self->count + 1);
        if (rv == SCARD_E_TIMEOUT) rv = SCARD_S_SUCCESS;
    }
    return rv;
}

reader_presence reader_watch(reader_t *self, unsigned timeout_ms)
{
    LONG rv = watch(self, timeout_ms);
    if (rv != SCARD_S_SUCCESS) {
        drop_context(self);
        return (reader_presence){.problem = PROBLEM_READER_SERVICE_DOWN};
    }
    for (size_t i = 0; i <= self->count; i++)
        self->slots[i].dwCurrentState = self->slots[i].dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
    if (self->connected && connection_lost(self)) reader_disconnect(self, true);
    return evaluate(self);
}

/* ---- the connection ---- */

static const SCARD_READERSTATE *only_card(const reader_t *self, problem_t *problem)
{
    const SCARD_READERSTATE *found = NULL;
    for (size_t i = 0; i < self->count; i++) {
        if (!(self->slots[i].dwEventState & SCARD_STATE_PRESENT)) continue;
        *problem = found ? PROBLEM_CARD_SEVERAL : MK_OK;
        if (found) return NULL;
        found = &self->slots[i];
    }
    if (!found) *problem = PROBLEM_CARD_REMOVED;
    return found;
}

/* A card that was pulled while it got power is still said to be there: look again before it is called unreadable. */
static problem_t judge_mute(reader_t *self)
{
    problem_t problem = MK_OK;
    (void)watch(self, MUTE_MS);
    return only_card(self, &problem) ? PROBLEM_CARD_UNREADABLE : problem;
}

problem_t reader_connect(reader_t *self)
{
    problem_t problem = MK_OK;
    reader_disconnect(self, false);
    const SCARD_READERSTATE *slot = only_card(self, &problem);
    if (!slot || strlen(slot->szReader) >= sizeof self->name) return slot ? PROBLEM_READER_MISSING : problem;
    LONG rv = SCardConnect(self->context, slot->szReader, SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1,
                           &self->handle, &self->protocol);
    self->busy = rv == SCARD_E_SHARING_VIOLATION;
    if (rv == SCARD_W_UNPOWERED_CARD || rv == SCARD_W_UNRESPONSIVE_CARD) return judge_mute(self);
    if (rv != SCARD_S_SUCCESS) return translate(rv);
    memcpy(self->name, slot->szReader, strlen(slot->szReader) + 1);
    self->events = event_count(slot);
    self->broken_at_ms = 0;
    self->connected = true;
    return MK_OK;
}

bool reader_is_connected(const reader_t *self)
{
    return self->connected;
}

problem_t reader_transmit(void *arg, const uint8_t *command, size_t size, uint8_t *reply, size_t cap, size_t *ret_size)
{
    reader_t *self = arg;
    if (!self->connected) return PROBLEM_CARD_REMOVED;
    DWORD got = cap;
    const SCARD_IO_REQUEST *pci = self->protocol == SCARD_PROTOCOL_T0 ? SCARD_PCI_T0 : SCARD_PCI_T1;
    PROBLEM_TRY(translate(SCardTransmit(self->handle, pci, command, size, NULL, reply, &got)));
    *ret_size = got;
    return MK_OK;
}

void reader_unpower(reader_t *self)
{
    SCARDHANDLE handle;
    DWORD protocol;
    (void)reader_watch(self, 0);
    for (size_t i = 0; i < self->count; i++)
        if (SCardConnect(self->context, self->slots[i].szReader, SCARD_SHARE_SHARED,
                         SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &handle, &protocol) == SCARD_S_SUCCESS)
            (void)SCardDisconnect(handle, SCARD_UNPOWER_CARD);
}

void reader_disconnect(reader_t *self, bool broken)
{
    if (!self->connected) return;
    (void)SCardDisconnect(self->handle, SCARD_UNPOWER_CARD);
    self->connected = false;
    if (broken) self->broken_at_ms = clock_mono_ms();
}
