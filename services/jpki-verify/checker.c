/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/checker.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "services/jpki-verify/child.h"

enum {
    FLIGHT_MAX = 16,    /* fits into the socket's buffer with room to spare */
    JOB_WAIT_MS = 3000, /* then nobody waits for the answer any more */
    HANG_MS = 2000,     /* one certificate takes 0.1 ms */
    LOAD_MS = 60000,    /* reading the index */
    TICK_MS = 1000,
    BACK_OFF_MS = 10,
    BACK_OFF_MAX_MS = 5000,
    STRIKES_MAX = 2,
};

typedef struct job {
    uint64_t submitted_ms, sent_ms;
    unsigned strikes; /* parsers that died of it */
    checker_fn *fn;
    void *arg;
    wire_request request;
} job;

struct checker {
    zloop_t *loop;
    checker_options options;
    int program_fd;
    int tick_timer, start_timer; /* -1 = not armed */
    uint64_t next_id;
    anchors_t *anchors;                      /* the newest that agree with their pins */
    bool has_new_roots;                      /* that no parser was started with yet */
    uint64_t anchors_as_seen, index_as_seen; /* fingerprints */
    unsigned failures;                       /* starts that came to nothing, in a row */
    child_t current, candidate;
    zlist_t *waiting, *flight; /* of job; flight is in the order of sending */
    metric_t *starts, *age, *next_update, *parts, *revoked, *root_expiry;
};

static int on_start_timer(zloop_t *loop, int timer, void *arg);
static int on_child(zloop_t *loop, zmq_pollitem_t *item, void *arg);

/* ---- jobs ---- */

static void finish(job *one, const checker_answer *answer)
{
    one->fn(answer, one->arg);
    free(one);
}

static void finish_with(job *one, unsigned check)
{
    finish(one, &(checker_answer){.check = check});
}

/* As many as may be under way. What the socket doesn't take now goes with the next answer. */
static void pump(checker_t *self)
{
    while (self->current.is_ready && zlist_size(self->flight) < FLIGHT_MAX && zlist_size(self->waiting) > 0) {
        job *one = zlist_first(self->waiting);
        if (!child_send(&self->current, &one->request)) return;
        one->sent_ms = clock_mono_ms();
        zlist_pop(self->waiting);
        zlist_append(self->flight, one);
    }
}

void checker_submit(checker_t *self, const checker_request *request, checker_fn *fn, void *arg)
{
    job *one = calloc(1, sizeof *one);
    if (one == NULL) abort();
    one->fn = fn;
    one->arg = arg;
    one->submitted_ms = clock_mono_ms();
    one->request.kind = WIRE_VERIFY;
    one->request.id = ++self->next_id;
    one->request.certificate_size = (uint32_t)request->certificate.size;
    one->request.signature_size = (uint32_t)request->signature.size;
    memcpy(one->request.digest, request->digest, RSA_DIGEST_SIZE);
    memcpy(one->request.payload, request->certificate.data, request->certificate.size);
    memcpy(one->request.payload + request->certificate.size, request->signature.data, request->signature.size);
    zlist_append(self->waiting, one);
    pump(self);
}

/* Everything under way goes back to the front, in its order. */
static void recall(checker_t *self)
{
    while (zlist_size(self->flight) > 0) {
        job *last = zlist_last(self->flight);
        zlist_remove(self->flight, last);
        zlist_push(self->waiting, last);
    }
}

static void drop_late(checker_t *self, uint64_t now_ms)
{
    for (job *one = zlist_first(self->waiting); one != NULL; one = zlist_first(self->waiting)) {
        if (now_ms - one->submitted_ms < JOB_WAIT_MS) return;
        zlist_pop(self->waiting);
        finish_with(one, CHECK_COUNT_);
    }
}

/* ---- state ---- */

static int64_t wall_s(void)
{
    return (int64_t)(clock_wall_ms() / 1000);
}

static void tell_state(checker_t *self)
{
    bool fresh = child_is_fresh(&self->current, wall_s());
    self->options.on_state(self->current.is_ready, fresh, self->options.arg);
}

static void refresh_metrics(void *arg)
{
    checker_t *self = arg;
    double now_s = (double)clock_wall_ms() / 1000;
    for (uint32_t i = 0; self->current.is_ready && i < self->current.ready.root_count; i++) {
        const wire_root *root = &self->current.ready.roots[i];
        const char *name = self->current.anchors->roots[i].name;
        metric_set(self->root_expiry, (double)root->not_after - now_s, name, NULL, NULL, NULL);
        metric_set(self->parts, (double)root->parts, name, NULL, NULL, NULL);
        metric_set(self->revoked, (double)root->revoked, name, NULL, NULL, NULL);
        if (root->parts == 0) continue;
        metric_set(self->age, now_s - (double)root->this_update, name, NULL, NULL, NULL);
        metric_set(self->next_update, (double)root->first_next_update - now_s, name, NULL, NULL, NULL);
    }
}

/* ---- starting and ending parsers ---- */

/* The wait status; 0 if it did not run. One that ends by itself keeps the status it ended with. */
static int forget(checker_t *self, child_t *child)
{
    if (!child_is_running(child)) return 0;
    zmq_pollitem_t item = {.fd = child->fd};
    zloop_poller_end(self->loop, &item);
    return child_stop(child);
}

static void start_later(checker_t *self)
{
    uint64_t delay = (uint64_t)BACK_OFF_MS << (self->failures < 10 ? self->failures : 10);
    if (delay > BACK_OFF_MAX_MS) delay = BACK_OFF_MAX_MS;
    self->failures++;
    if (self->start_timer < 0) self->start_timer = zloop_timer(self->loop, delay, 1, on_start_timer, self);
}

static void start_candidate(checker_t *self)
{
    (void)forget(self, &self->candidate);
    self->has_new_roots = false;
    self->index_as_seen = anchors_file_fingerprint(self->options.index);
    metric_inc(self->starts);
    if (!child_start(&self->candidate, self->program_fd, self->anchors, self->options.index)) {
        log_error("parser_not_started", LOG_TEXT(DETAIL, strerror(errno)));
        start_later(self);
        return;
    }
    zmq_pollitem_t item = {.fd = self->candidate.fd, .events = ZMQ_POLLIN};
    zloop_poller(self->loop, &item, on_child, self);
    zloop_poller_set_tolerant(self->loop, &item); /* else its end, which is an error, would never be told */
}

static bool is_starting(const checker_t *self)
{
    return child_is_running(&self->candidate) || self->start_timer >= 0;
}

static int on_start_timer(zloop_t *loop, int timer, void *arg)
{
    checker_t *self = arg;
    (void)loop, (void)timer;
    self->start_timer = -1;
    if (!child_is_running(&self->candidate)) start_candidate(self);
    return 0;
}

/* The oldest unanswered request is what the parser died of. */
static void blame_first(checker_t *self)
{
    job *first = zlist_first(self->flight);
    if (first == NULL || ++first->strikes < STRIKES_MAX) return;
    zlist_pop(self->flight);
    finish_with(first, CHECK_parser);
}

static const char *exit_text(int status)
{
    switch (status) {
    case WIRE_EXIT_ROOT: return "a root is not a root of the profile";
    case WIRE_EXIT_SANDBOX: return "the sandbox can't be set up";
    default: return "ended by itself";
    }
}

/* why: what it is ended for, NULL when it has died by itself. */
static void bury(checker_t *self, child_t *child, const char *why)
{
    pid_t pid = child->pid;
    bool was_current = child == &self->current;
    int status = forget(self, child);
    if (why == NULL) why = WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : exit_text(WEXITSTATUS(status));
    log_error("parser_died", LOG_NUMBER(PID, pid), LOG_TEXT(DETAIL, why));
    if (was_current) {
        blame_first(self);
        recall(self);
        tell_state(self);
    }
    if (!child_is_running(&self->candidate)) start_later(self);
}

/* ---- what parsers say ---- */

static bool is_right(const child_t *child, const wire_ready *ready)
{
    return ready->kind == WIRE_READY && ready->sandboxed == 1 && ready->root_count == child->anchors->count &&
           strncmp(ready->version, MYKEY_VERSION, sizeof ready->version) == 0;
}

/* The candidate takes over, unless it found no index where the other's is still good: that stays until its end. */
static void on_ready(checker_t *self)
{
    self->candidate.is_ready = true;
    if (!self->candidate.ready.has_index && child_is_fresh(&self->current, wall_s())) {
        log_warn("revocation_kept", LOG_TEXT(DETAIL, "the new index is damaged or gone: the one in use stays"));
        (void)forget(self, &self->candidate);
        return;
    }
    (void)forget(self, &self->current);
    recall(self);
    self->current = self->candidate;
    self->candidate = (child_t){.fd = -1};
    log_info("parser_ready", LOG_NUMBER(PID, self->current.pid), LOG_NUMBER(COUNT, self->current.ready.root_count));
    tell_state(self);
    pump(self);
}

/* The parser may have been taken over: nothing that it says is believed beyond its bounds. */
static bool is_sound(const wire_verdict *verdict)
{
    bool names_card = verdict->issuer_size > 0 && verdict->serial_size > 0;
    return verdict->kind == WIRE_VERDICT && verdict->check < CHECK_COUNT_ &&
           verdict->issuer_size <= sizeof verdict->issuer && verdict->serial_size <= sizeof verdict->serial &&
           names_card == (verdict->check == CHECK_PASSED);
}

static bool on_verdict(checker_t *self, const wire_verdict *verdict)
{
    job *first = zlist_first(self->flight);
    if (first == NULL || !is_sound(verdict) || verdict->id != first->request.id) return false;
    if (!is_starting(self)) self->failures = 0;
    zlist_pop(self->flight);
    finish(first, &(checker_answer){.check = verdict->check,
                                    .issuer = {verdict->issuer, verdict->issuer_size},
                                    .serial = {verdict->serial, verdict->serial_size}});
    return true;
}

typedef enum packet { PACKET_NONE, PACKET_TAKEN, PACKET_WRONG, PACKET_END } packet;

static packet read_packet(checker_t *self, child_t *child)
{
    union {
        wire_ready ready;
        wire_verdict verdict;
    } data;
    ssize_t size = recv(child->fd, &data, sizeof data, MSG_DONTWAIT);
    /* A parser that died with requests unread resets the connection: said once, before the answers that it still gave.
     */
    if (size < 0) return errno == EAGAIN || errno == EINTR || errno == ECONNRESET ? PACKET_NONE : PACKET_END;
    if (size == 0) return PACKET_END;
    if (child->is_ready) {
        bool right = size == sizeof data.verdict && on_verdict(self, &data.verdict);
        return right ? PACKET_TAKEN : PACKET_WRONG;
    }
    if (size != sizeof data.ready || !is_right(child, &data.ready)) return PACKET_WRONG;
    child->ready = data.ready;
    on_ready(self);
    return PACKET_NONE;
}

static int on_child(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    checker_t *self = arg;
    (void)loop;
    child_t *child = item->fd == self->current.fd ? &self->current : &self->candidate;
    if (item->fd != child->fd) return 0;
    packet got = read_packet(self, child);
    while (got == PACKET_TAKEN && zlist_size(self->flight) > 0) got = read_packet(self, child);
    if (got == PACKET_WRONG) bury(self, child, "said what no parser says: it is of another version or was taken over");
    if (got == PACKET_END) bury(self, child, NULL);
    pump(self);
    return 0;
}

/* ---- time ---- */

static void end_hanging(checker_t *self, uint64_t now_ms)
{
    job *first = zlist_first(self->flight);
    if (first != NULL && now_ms - first->sent_ms > HANG_MS) bury(self, &self->current, "didn't answer in 2 s");
    bool loading = child_is_running(&self->candidate);
    if (loading && now_ms - self->candidate.started_ms > LOAD_MS)
        bury(self, &self->candidate, "didn't read the index in 60 s");
}

/* New ones that agree with their pins? Others are told of and not used. */
static bool look_at_anchors(checker_t *self)
{
    const char *why;
    anchors_t *found;
    uint64_t now = anchors_fingerprint(self->options.roots, self->options.root_pins);
    if (now == self->anchors_as_seen) return false;
    self->anchors_as_seen = now;
    if (anchors_load(self->options.roots, self->options.root_pins, &found, &why) != MK_OK) {
        log_error("roots_kept", LOG_TEXT(DETAIL, why));
        return false;
    }
    free(self->anchors);
    self->anchors = found;
    return true;
}

static int on_tick(zloop_t *loop, int timer, void *arg)
{
    checker_t *self = arg;
    (void)loop, (void)timer;
    uint64_t now_ms = clock_mono_ms();
    end_hanging(self, now_ms);
    drop_late(self, now_ms);
    self->has_new_roots |= look_at_anchors(self);
    bool changed = self->has_new_roots || anchors_file_fingerprint(self->options.index) != self->index_as_seen;
    if (changed && !is_starting(self)) start_candidate(self);
    tell_state(self);
    return 0;
}

/* ---- life ---- */

static void declare_metrics(checker_t *self, metrics_t *metrics)
{
    self->starts = metrics_declare(metrics, METRIC_COUNTER, "mykey_jpki_parser_starts_total", "Parsers started.", "");
    self->age = metrics_declare(metrics, METRIC_GAUGE, "mykey_jpki_revocation_age_seconds",
                                "Time since thisUpdate of the oldest list in use.", "root");
    self->next_update =
        metrics_declare(metrics, METRIC_GAUGE, "mykey_jpki_revocation_left_seconds",
                        "Time until the first nextUpdate of the lists in use; below 0 its cards are refused.", "root");
    self->parts = metrics_declare(metrics, METRIC_GAUGE, "mykey_jpki_revocation_lists", "Lists in use.", "root");
    self->revoked = metrics_declare(metrics, METRIC_GAUGE, "mykey_jpki_revoked_serials", "Serials in use.", "root");
    self->root_expiry = metrics_declare(metrics, METRIC_GAUGE, "mykey_jpki_root_left_seconds",
                                        "Time until the root's certificate ends.", "root");
    metrics_on_render(metrics, refresh_metrics, self);
}

static mk_code open_files(checker_t *self, const char **ret_setting, const char **ret_why)
{
    *ret_setting = "jpki.roots";
    self->anchors_as_seen = anchors_fingerprint(self->options.roots, self->options.root_pins);
    MK_TRY(anchors_load(self->options.roots, self->options.root_pins, &self->anchors, ret_why));
    *ret_setting = "jpki.parser";
    *ret_why = "the parser's program can't be opened";
    self->program_fd = child_open_program(self->options.program);
    return self->program_fd >= 0 ? MK_OK : MK_UNAVAILABLE;
}

mk_code checker_new(zloop_t *loop, const checker_options *options, checker_t **ret_checker, const char **ret_setting,
                    const char **ret_why)
{
    checker_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    *self = (checker_t){.loop = loop, .options = *options, .program_fd = -1, .start_timer = -1};
    mk_code code = open_files(self, ret_setting, ret_why);
    if (code != MK_OK) {
        free(self->anchors);
        free(self);
        return code;
    }
    self->current.fd = self->candidate.fd = -1;
    self->waiting = zlist_new();
    self->flight = zlist_new();
    declare_metrics(self, options->metrics);
    self->tick_timer = zloop_timer(loop, TICK_MS, 0, on_tick, self);
    start_candidate(self);
    *ret_checker = self;
    return MK_OK;
}

void checker_destroy(checker_t **self_p)
{
    checker_t *self = *self_p;
    if (self == NULL) return;
    zloop_timer_end(self->loop, self->tick_timer);
    if (self->start_timer >= 0) zloop_timer_end(self->loop, self->start_timer);
    (void)forget(self, &self->current);
    (void)forget(self, &self->candidate);
    recall(self);
    for (job *one = zlist_pop(self->waiting); one != NULL; one = zlist_pop(self->waiting)) {
        finish_with(one, CHECK_COUNT_);
    }
    zlist_destroy(&self->waiting);
    zlist_destroy(&self->flight);
    close(self->program_fd);
    free(self->anchors);
    free(self);
    *self_p = NULL;
}
