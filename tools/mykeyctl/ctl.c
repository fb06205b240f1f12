/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/mykeyctl/ctl.h"

#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/bus/bus.h"
#include "common/metrics/metrics.h"
#include "common/pb/pb.h"

enum { CONNECT_MS = 5000, CALL_MS = 10000, STOP_CHECK_MS = 250, ARGV_MAX = 4 + 2 * ARGS_SETS_MAX };

struct ctl {
    args_t args;
    ctl_exit status;
    ctl_verb_fn *verb; /* NULL once it has begun */
    conf_t *conf;
    zloop_t *loop;
    metrics_t *metrics;
    bus_peer_t *peer;
};

ctl_t *ctl_new(const args_t *args)
{
    ctl_t *self = calloc(1, sizeof *self);
    assert(self != NULL);
    self->args = *args;
    return self;
}

void ctl_destroy(ctl_t **self_p)
{
    ctl_t *self = *self_p;
    if (self == NULL) return;
    if (self->peer != NULL) bus_peer_destroy(&self->peer);
    if (self->metrics != NULL) metrics_destroy(&self->metrics);
    if (self->loop != NULL) zloop_destroy(&self->loop);
    if (self->conf != NULL) conf_destroy(&self->conf);
    free(self);
    *self_p = NULL;
}

const args_t *ctl_args(const ctl_t *self)
{
    return &self->args;
}

const char *ctl_word(const ctl_t *self, size_t index)
{
    return index + 2 < self->args.word_count ? self->args.words[index + 2] : NULL;
}

zloop_t *ctl_loop(ctl_t *self)
{
    return self->loop;
}

/* ---- telling ---- */

static void complain(ctl_t *self, const char *format, va_list list) __attribute__((format(printf, 2, 0)));
static void complain(ctl_t *self, const char *format, va_list list)
{
    fputs("mykeyctl: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    if (self->status == CTL_OK) self->status = CTL_FAILED;
}

void ctl_complain(ctl_t *self, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    complain(self, format, list);
    va_end(list);
}

void ctl_fail(ctl_t *self, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    complain(self, format, list);
    va_end(list);
    ctl_finish(self, CTL_FAILED);
}

/* Who can fix it, where the code's own text is not meant for the one who types. */
static const struct hint_row {
    mk_code code;
    const char *text;
} hints[] = {
    {MK_DENIED,
     " The principal of bus.key may not do this: use another key, or the platform operator changes the brokers' "
     "ACL file."},
    {MK_NO_WORKERS, " Start the service, then repeat the command."},
    {MK_UNAVAILABLE, " Start the brokers, or correct bus.broker_a and bus.broker_b."},
    {MK_OPERATOR_UNKNOWN, " mykeyctl operator list shows them."},
    {MK_TERMINAL_UNKNOWN, " mykeyctl terminal list shows them."},
};

static const char *hint_of(mk_code code)
{
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
        if (hints[i].code == code) return hints[i].text;
    }
    return "";
}

void ctl_complain_code(ctl_t *self, const char *what, mk_code code, const char *detail)
{
    const mk_code_info *info = mk_code_find(code);
    bool has_detail = detail != NULL && *detail != 0;
    ctl_complain(self, "%s: %s%s%s%s%s [%s]", what, info->text_en, has_detail ? " (" : "", has_detail ? detail : "",
                 has_detail ? ")" : "", hint_of(code), info->name);
}

void ctl_print_json(json_t *value)
{
    assert(value != NULL);
    json_dumpf(value, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(value);
}

/* ---- running ---- */

static int stop_loop(zloop_t *loop, int timer, void *arg)
{
    (void)loop, (void)timer, (void)arg;
    return -1;
}

void ctl_finish(ctl_t *self, ctl_exit status)
{
    if (status > self->status) self->status = status;
    if (self->loop != NULL) zloop_timer(self->loop, 1, 1, stop_loop, NULL);
}

/* A signal ends the poll that it interrupts; the timer sees one that came at another moment. */
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static int check_stopped(zloop_t *loop, int timer, void *arg)
{
    (void)loop, (void)timer, (void)arg;
    return stopped ? -1 : 0;
}

void ctl_stop_on_signals(ctl_t *self)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    zloop_timer(self->loop, STOP_CHECK_MS, 0, check_stopped, NULL);
}

static void begin(ctl_t *self)
{
    ctl_verb_fn *verb = self->verb;
    self->verb = NULL;
    if (verb != NULL) verb(self);
}

static void on_state(bool connected, void *arg)
{
    if (connected) begin(arg);
}

static int on_timeout(zloop_t *loop, int timer, void *arg)
{
    ctl_t *self = arg;
    (void)loop, (void)timer;
    if (self->verb == NULL) return 0;
    ctl_fail(self, "no broker answers. Are they running, at bus.broker_a or bus.broker_b, and do they know the key in "
                   "bus.key? The platform operator can tell from the brokers' logs.");
    return 0;
}

static bool load_settings(ctl_t *self)
{
    char *argv[ARGV_MAX] = {"mykeyctl"};
    int argc = 1;
    conf_table rows = bus_conf_table();
    if (self->args.config != NULL) {
        argv[argc++] = "--config";
        argv[argc++] = (char *)(uintptr_t)self->args.config;
    }
    for (size_t i = 0; i < self->args.set_count; i++) {
        argv[argc++] = "--set";
        argv[argc++] = (char *)(uintptr_t)self->args.sets[i];
    }
    self->conf = conf_new("mykeyctl");
    conf_add(self->conf, rows.rows, rows.count);
    return conf_load(self->conf, argc, argv, stdout, stderr) == CONF_RUN;
}

static ctl_exit open_bus(ctl_t *self)
{
    const char *why = "";
    if (!load_settings(self)) {
        ctl_complain(self, "this verb needs the settings bus.*: give --config FILE (the platform operator has it)");
        return CTL_USAGE;
    }
    /* Signals end the process at once, as with any command. */
    zsys_init();
    zsys_handler_set(NULL);
    self->loop = zloop_new();
    assert(self->loop != NULL);
    self->metrics = metrics_new();
    if (bus_peer_new(self->loop, self->metrics, "mykeyctl", &self->peer, &why) == MK_OK) return CTL_OK;
    ctl_complain(self, "%s: check bus.key and the brokers' public key files", why);
    return CTL_FAILED;
}

ctl_exit ctl_run(ctl_t *self, ctl_verb_fn *verb, bool bus)
{
    self->verb = verb;
    if (!bus) {
        begin(self);
        return self->status;
    }
    ctl_exit opened = open_bus(self);
    if (opened != CTL_OK) return opened;
    bus_peer_on_state(self->peer, on_state, self);
    zloop_timer(self->loop, CONNECT_MS, 1, on_timeout, self);
    zloop_start(self->loop);
    return stopped ? CTL_OK : self->status;
}

/* ---- calling ---- */

typedef struct waiting {
    ctl_reply_fn *fn;
    void *arg;
    const ProtobufCMessageDescriptor *reply_type;
} waiting_t;

static void on_reply(const bus_reply *reply, void *arg)
{
    waiting_t *waiting = arg;
    mk_code code = reply->code;
    ProtobufCMessage *message = NULL;
    if (code == MK_OK && waiting->reply_type != NULL) {
        code = pb_unpack(waiting->reply_type, reply->body, reply->body_size, &message);
    }
    waiting->fn(code, reply->detail, message, waiting->arg);
    pb_free(message);
    free(waiting);
}

void ctl_send(ctl_t *self, const ctl_call *call, ctl_reply_fn *fn, void *arg)
{
    waiting_t *kept = malloc(sizeof *kept);
    assert(kept != NULL);
    *kept = (waiting_t){fn, arg, call->reply_type};
    bus_request request = {.service = call->service,
                           .method = call->method,
                           .timeout_ms = CALL_MS,
                           .repeatable = call->repeatable,
                           .broker = call->broker,
                           .message = call->request};
    bus_call(self->peer, &request, on_reply, kept);
}

bool ctl_has_broker(const ctl_t *self, const char *name)
{
    return bus_has_broker(self->peer, name);
}
