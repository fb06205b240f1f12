/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal authority runs where its key is: it fetches requests over the bus, no service can command it. */
#include <stdlib.h>
#include <string.h>

#include "common/pb/pb.h"
#include "proto/registry.pb-c.h"
#include "tools/mykeyctl/authority.h"
#include "tools/mykeyctl/verbs.h"

typedef Mykey__Registry__PendingEnrolment pending_t;

enum { POLL_MS = 1000, TOLD_MAX = 64, BATCH_MAX = 16 };

void ca_init(ctl_t *ctl)
{
    const char *dir = ctl_word(ctl, 0);
    mk_code code = authority_create(dir, ctl_args(ctl)->word_count > 3 ? ctl_word(ctl, 1) : "MyKey terminal authority");
    if (code == MK_CONFLICT) ctl_complain(ctl, "%s: holds an authority already; a key is never overwritten", dir);
    if (code != MK_OK && code != MK_CONFLICT)
        ctl_complain(ctl, "%s: can't be written: check the folder and its owner", dir);
    if (code == MK_OK && ctl_args(ctl)->json) ctl_print_json(json_pack("{s:s}", "authority", dir));
    ctl_finish(ctl, CTL_OK);
}

static authority_t *load(ctl_t *ctl)
{
    authority_t *authority = NULL;
    const char *why = "";
    if (authority_load(ctl_word(ctl, 0), &authority, &why) == MK_OK) return authority;
    ctl_fail(ctl, "%s: %s (mykeyctl ca init makes an authority)", ctl_word(ctl, 0), why);
    return NULL;
}

void ca_server(ctl_t *ctl)
{
    const char *why = "";
    const args_t *args = ctl_args(ctl);
    authority_t *authority = load(ctl);
    if (authority == NULL) return;
    mk_code code = authority_issue_server(authority, args->words[2], args->words + 3, args->word_count - 3, &why);
    authority_destroy(&authority);
    if (code != MK_OK) ctl_complain(ctl, "%s", why);
    if (code == MK_OK && args->json) ctl_print_json(json_pack("{s:s+}", "file", args->words[2], "/server.pem"));
    ctl_finish(ctl, CTL_OK);
}

void ca_client(ctl_t *ctl)
{
    const char *why = "", *dir = ctl_word(ctl, 0);
    authority_t *authority = load(ctl);
    if (authority == NULL) return;
    mk_code code = authority_issue_client(authority, dir, ctl_word(ctl, 1), &why);
    authority_destroy(&authority);
    if (code != MK_OK) ctl_complain(ctl, "%s", why);
    if (code == MK_OK && ctl_args(ctl)->json) ctl_print_json(json_pack("{s:s+}", "file", dir, "/client.pem"));
    ctl_finish(ctl, CTL_OK);
}

/* ---- signing what waits: one round fetches, then signs and hands back one after the other ---- */

typedef struct item {
    char *terminal, *owner;
    uint8_t enrolment_id[BYTES_ID_SIZE];
    uint8_t *certificate;
    size_t certificate_size;
} item_t;

/* One verb runs in a process: its state is here. */
static struct {
    ctl_t *ctl;
    authority_t *authority;
    item_t items[BATCH_MAX];
    size_t count, next;
    uint8_t told[TOLD_MAX][BYTES_ID_SIZE]; /* requests that were refused: each is told of once */
    size_t told_count;
    bool waiting;    /* for a registry that was told to be away */
    bool full, more; /* the round is a full one; and it signed something: others may wait */
} state;

static void fetch(void);

static bool is_told(const uint8_t *id)
{
    for (size_t i = 0; i < state.told_count && i < TOLD_MAX; i++) {
        if (memcmp(state.told[i], id, BYTES_ID_SIZE) == 0) return true;
    }
    memcpy(state.told[state.told_count++ % TOLD_MAX], id, BYTES_ID_SIZE);
    return false;
}

static void forget_items(void)
{
    for (size_t i = 0; i < state.count; i++) {
        free(state.items[i].terminal);
        free(state.items[i].owner);
        free(state.items[i].certificate);
    }
    state.count = state.next = 0;
}

static char *copy(const char *text)
{
    char *made = strdup(text == NULL ? "" : text);
    if (made == NULL) abort();
    return made;
}

/* Makes the certificate now, so that the reply may go. */
static void take(const pending_t *pending)
{
    item_t made = {0};
    const char *why = "the registry's answer is malformed", *terminal = pending->terminal_id,
               *owner = pending->operator_id;
    mk_code code = MK_BAD_REQUEST;
    bool whole = terminal != NULL && owner != NULL && pending->enrolment_id.len == BYTES_ID_SIZE;
    if (whole) {
        code = authority_sign_terminal(state.authority, terminal, owner, pending->csr.data, pending->csr.len,
                                       &made.certificate, &made.certificate_size, &why);
    }
    if (code != MK_OK) {
        if (!whole || !is_told(pending->enrolment_id.data)) {
            ctl_complain(state.ctl, "terminal %s: not signed: %s", terminal ? terminal : "?", why);
        }
        return;
    }
    memcpy(made.enrolment_id, pending->enrolment_id.data, BYTES_ID_SIZE);
    made.terminal = copy(terminal);
    made.owner = copy(owner);
    state.items[state.count++] = made;
}

static void tell_signed(const item_t *done)
{
    if (ctl_args(state.ctl)->json) {
        ctl_print_json(json_pack("{s:s,s:s}", "signed", done->terminal, "operator", done->owner));
    } else {
        printf("signed %s of %s\n", done->terminal, done->owner);
    }
    fflush(stdout);
}

static int on_poll(zloop_t *loop, int timer, void *arg)
{
    (void)loop, (void)timer, (void)arg;
    fetch();
    return 0;
}

static void end_round(void)
{
    forget_items();
    if (state.more) {
        fetch();
        return;
    }
    if (ctl_args(state.ctl)->watch) {
        zloop_timer(ctl_loop(state.ctl), POLL_MS, 1, on_poll, NULL);
        return;
    }
    authority_destroy(&state.authority);
    ctl_finish(state.ctl, CTL_OK);
}

static void hand_back_next(void);

static void on_issued(mk_code code, const char *detail, const ProtobufCMessage *reply, void *arg)
{
    const item_t *done = &state.items[state.next++];
    (void)reply, (void)arg;
    if (code == MK_OK) tell_signed(done);
    if (code == MK_OK) state.more = state.full;
    if (code != MK_OK && !is_told(done->enrolment_id)) {
        ctl_complain_code(state.ctl, done->terminal, code, detail);
    }
    hand_back_next();
}

static void hand_back_next(void)
{
    if (state.next == state.count) {
        end_round();
        return;
    }
    item_t *at = &state.items[state.next];
    size_t size;
    uint8_t *der = (uint8_t *)(uintptr_t)authority_der(state.authority, &size);
    Mykey__Registry__IssueRequest request = MYKEY__REGISTRY__ISSUE_REQUEST__INIT;
    request.has_enrolment_id = request.has_certificate = request.has_authority = true;
    request.enrolment_id = (ProtobufCBinaryData){sizeof at->enrolment_id, at->enrolment_id};
    request.certificate = (ProtobufCBinaryData){at->certificate_size, at->certificate};
    request.authority = (ProtobufCBinaryData){size, der};
    ctl_call call = {"registry", "Issue", &request.base, NULL, true};
    ctl_send(state.ctl, &call, on_issued, NULL);
}

/* A registry or broker that is away comes back when watching: it is told of once, and waited for. */
static void on_pending(mk_code code, const char *detail, const ProtobufCMessage *message, void *arg)
{
    const Mykey__Registry__PendingReply *reply = (const Mykey__Registry__PendingReply *)message;
    (void)arg;
    if (code != MK_OK && !state.waiting) ctl_complain_code(state.ctl, "requests that wait", code, detail);
    state.waiting = code != MK_OK;
    state.full = code == MK_OK && reply->n_pending >= BATCH_MAX;
    state.more = false;
    for (size_t i = 0; code == MK_OK && i < reply->n_pending && i < BATCH_MAX; i++) take(reply->pending[i]);
    hand_back_next();
}

static void fetch(void)
{
    Mykey__Registry__PendingRequest request = MYKEY__REGISTRY__PENDING_REQUEST__INIT;
    ctl_call call = {"registry", "Pending", &request.base, &mykey__registry__pending_reply__descriptor, true};
    ctl_send(state.ctl, &call, on_pending, NULL);
}

void ca_sign_pending(ctl_t *ctl)
{
    state.ctl = ctl;
    state.authority = load(ctl);
    if (state.authority == NULL) return;
    if (ctl_args(ctl)->watch) ctl_stop_on_signals(ctl);
    fetch();
}
