/* SPDX-License-Identifier: Apache-2.0 */
/* One daemon a process: its settings and its log are the process's. Signals are blocked before any thread exists and
 * read from a signalfd, because czmq's own handler would end the loop. */
#include "common/daemon/daemon.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/bytes.h"
#include "common/log/log.h"
#include "common/ops/ops.h"

enum { CHECKS_MAX = 16, CALLBACKS_MAX = 16, KILLER_GRACE_S = 2, EXIT_SETTINGS = 2, EXIT_HUNG = 124, EXIT_SIGNAL = 128 };

static struct {
    char *level;
    char *listen;
    int64_t limit_s;
} common;

static const conf_row common_rows[] = {
    {.name = "log.level",
     .type = CONF_TEXT,
     .value = &common.level,
     .fallback = "info",
     .max = 5,
     .reloadable = true,
     .help = "Log lines below this level are left out.",
     .choices = "debug info warn error"},
    CONF_ROW_TEXT("ops.listen", common.listen, "", "Ops port: unix:/path or numeric host:port; empty = no ops port."),
    {.name = "drain.limit_s",
     .type = CONF_NUMBER,
     .value = &common.limit_s,
     .fallback = "25",
     .min = 1,
     .max = 3600,
     .reloadable = true,
     .help = "Seconds from SIGTERM until the process ends, whatever is still running."},
};

typedef struct callbacks {
    struct {
        daemon_fn *fn;
        void *arg;
    } list[CALLBACKS_MAX];
    unsigned count;
} callbacks;

struct daemon {
    const char *program;
    char instance[80];
    conf_t *conf;
    metrics_t *metrics;
    metric_t *ready_gauge, *log_lines, *log_dropped;
    zloop_t *loop;
    ops_t *ops;
    int signal_fd;
    zmq_pollitem_t signal_item;
    struct {
        const char *name;
        bool ready;
    } checks[CHECKS_MAX];
    unsigned check_count;
    callbacks on_drain, on_reload;
    unsigned holds;
    bool draining, ended;
    int status;
};

/* ---- ending ---- */

static int on_end(zloop_t *loop, int timer, void *arg)
{
    (void)loop;
    (void)timer;
    (void)arg;
    return -1;
}

/* May be called from anywhere; the first status counts. */
static void end_loop(daemon_t *self, int status)
{
    if (self->ended) return;
    self->ended = true;
    self->status = status;
    zloop_timer(self->loop, 0, 1, on_end, self);
}

void daemon_fail(daemon_t *self, int status)
{
    end_loop(self, status);
}

static void end_if_idle(daemon_t *self)
{
    if (self->draining && self->holds == 0) end_loop(self, 0);
}

void daemon_hold(daemon_t *self)
{
    self->holds++;
}

void daemon_release(daemon_t *self)
{
    assert(self->holds > 0);
    self->holds--;
    end_if_idle(self);
}

bool daemon_draining(const daemon_t *self)
{
    return self->draining;
}

/* ---- the drain ---- */

static const struct {
    int number;
    const char *name;
} signal_names[] = {{SIGTERM, "SIGTERM"}, {SIGINT, "SIGINT"}, {SIGHUP, "SIGHUP"}};

static const char *signal_name(int number)
{
    for (size_t i = 0; i < sizeof signal_names / sizeof signal_names[0]; i++) {
        if (signal_names[i].number == number) return signal_names[i].name;
    }
    return "signal";
}

static _Noreturn void end_now(int number)
{
    log_warn("ended_at_once", LOG_TEXT(STATE, signal_name(number)));
    _exit(EXIT_SIGNAL + number);
}

/* Waits for the drain to be over its limit or for a second signal, so that both work when the loop hangs. */
static void *kill_late(void *arg)
{
    struct timespec limit = {.tv_sec = (time_t)(intptr_t)arg};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    int number;
    do {
        number = sigtimedwait(&set, NULL, &limit);
    } while (number < 0 && errno == EINTR);
    if (number > 0) end_now(number);
    log_error("drain_hung");
    _exit(EXIT_HUNG);
}

static void start_killer(void)
{
    pthread_t thread;
    void *limit = (void *)(intptr_t)(common.limit_s + KILLER_GRACE_S);
    if (pthread_create(&thread, NULL, kill_late, limit) == 0) pthread_detach(thread);
}

static int on_drain_limit(zloop_t *loop, int timer, void *arg)
{
    daemon_t *self = arg;
    (void)loop;
    (void)timer;
    log_warn("drain_limit", LOG_NUMBER(COUNT, self->holds));
    end_loop(self, 1);
    return 0;
}

static void call_all(const callbacks *all)
{
    for (unsigned i = 0; i < all->count; i++) all->list[i].fn(all->list[i].arg);
}

static void start_drain(daemon_t *self, int number)
{
    log_info("drain_started", LOG_TEXT(STATE, signal_name(number)));
    self->draining = true;
    start_killer();
    zloop_timer(self->loop, (size_t)common.limit_s * 1000, 1, on_drain_limit, self);
    self->holds++; /* a callback's release must not end the drain before all were asked */
    call_all(&self->on_drain);
    daemon_release(self);
}

/* ---- settings ---- */

static log_level level_of(const char *name)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) return (log_level)i;
    }
    return LEVEL_INFO;
}

static void reload(daemon_t *self)
{
    char *why = NULL;
    size_t size = 0;
    FILE *err = open_memstream(&why, &size);
    assert(err != NULL);
    mk_code code = conf_reload(self->conf, err);
    fclose(err);
    if (code == MK_OK) {
        log_set_level(level_of(common.level));
        log_info("reloaded");
        call_all(&self->on_reload);
    } else {
        why[strcspn(why, "\n")] = '\0'; /* the first complaint */
        log_error("reload_refused", LOG_TEXT(DETAIL, why));
    }
    free(why);
}

static void add_callback(callbacks *all, daemon_fn *fn, void *arg)
{
    assert(all->count < CALLBACKS_MAX);
    all->list[all->count].fn = fn;
    all->list[all->count++].arg = arg;
}

void daemon_on_drain(daemon_t *self, daemon_fn *fn, void *arg)
{
    add_callback(&self->on_drain, fn, arg);
}

void daemon_on_reload(daemon_t *self, daemon_fn *fn, void *arg)
{
    add_callback(&self->on_reload, fn, arg);
}

/* ---- signals ---- */

static void take_signal(daemon_t *self, int number)
{
    if (number == SIGHUP) {
        if (!self->draining) reload(self);
    } else if (self->draining) {
        end_now(number);
    } else {
        start_drain(self, number);
    }
}

static int on_signal(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    struct signalfd_siginfo info;
    (void)loop;
    while (read(item->fd, &info, sizeof info) == (ssize_t)sizeof info) take_signal(arg, (int)info.ssi_signo);
    return 0;
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof signal_names / sizeof signal_names[0]; i++) sigaddset(&set, signal_names[i].number);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ---- readiness ---- */

static bool all_ready(const daemon_t *self)
{
    for (unsigned i = 0; i < self->check_count; i++) {
        if (!self->checks[i].ready) return false;
    }
    return !self->draining;
}

static int answer_ready(void *arg, char **ret_json)
{
    daemon_t *self = arg;
    size_t size = 0;
    bool ready = all_ready(self);
    const char *separator = "";
    FILE *out = open_memstream(ret_json, &size);
    assert(out != NULL);
    fprintf(out, "{\"ready\":%s,\"reasons\":[", ready ? "true" : "false");
    for (unsigned i = 0; i < self->check_count; i++) {
        if (self->checks[i].ready) continue;
        fprintf(out, "%s\"%s\"", separator, self->checks[i].name);
        separator = ",";
    }
    if (self->draining) fprintf(out, "%s\"draining\"", separator);
    fputs("]}\n", out);
    fclose(out);
    return ready ? 200 : 503;
}

void daemon_set_ready(daemon_t *self, const char *name, bool ready)
{
    unsigned i = 0;
    while (i < self->check_count && strcmp(self->checks[i].name, name) != 0) i++;
    bool is_new = i == self->check_count;
    if (is_new) {
        assert(self->check_count < CHECKS_MAX);
        self->checks[self->check_count++].name = name;
    }
    bool changed = self->checks[i].ready != ready;
    self->checks[i].ready = ready;
    metric_set(self->ready_gauge, ready, name, NULL, NULL, NULL);
    if (changed) log_info("ready_changed", LOG_TEXT(DETAIL, name), LOG_TEXT(STATE, ready ? "ready" : "not_ready"));
}

/* ---- life ---- */

static void lock_down(void)
{
    const struct rlimit none = {0, 0};
    umask(077);
    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGPIPE, SIG_IGN);
    setenv("ZSYS_SIGHANDLER", "false", 1); /* before czmq's first call */
}

/* Woken under load, a process then waits for its turn and finds more to do at once; with a core free it runs at once
 * all the same. Before any thread is made, for they inherit it. Where it isn't allowed, all is as before. */
static void let_others_finish(void)
{
    (void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
}

static void refresh_log(void *arg)
{
    daemon_t *self = arg;
    metric_set(self->log_lines, (double)log_lines_total(), NULL, NULL, NULL, NULL);
    metric_set(self->log_dropped, (double)log_dropped_total(), NULL, NULL, NULL, NULL);
}

static void open_metrics(daemon_t *self)
{
    self->metrics = metrics_new();
    self->ready_gauge = metrics_declare(self->metrics, METRIC_GAUGE, "mykey_ready",
                                        "1 if this reason doesn't keep the process from being ready.", "reason");
    self->log_lines = metrics_declare(self->metrics, METRIC_COUNTER, "mykey_log_lines_total", "Log lines written.", "");
    self->log_dropped = metrics_declare(self->metrics, METRIC_COUNTER, "mykey_log_dropped_total",
                                        "Log lines dropped by the limit or a failed write.", "");
    metrics_on_render(self->metrics, refresh_log, self);
}

static void open_log(daemon_t *self, const char *service)
{
    uint8_t random[4];
    char hex[2 * sizeof random + 1];
    bytes_random(random, sizeof random);
    bytes_to_hex(random, sizeof random, hex);
    snprintf(self->instance, sizeof self->instance, "%s-%s", service, hex);
    log_open(service, self->instance, level_of(common.level));
}

static conf_verb load_settings(daemon_t *self, const daemon_spec *spec, int argc, char **argv)
{
    self->conf = conf_new(spec->program);
    conf_add(self->conf, common_rows, sizeof common_rows / sizeof common_rows[0]);
    for (size_t i = 0; i < spec->table_count; i++) conf_add(self->conf, spec->tables[i].rows, spec->tables[i].count);
    return conf_load(self->conf, argc, argv, stdout, stderr);
}

static bool open_loop(daemon_t *self)
{
    self->signal_fd = open_signals();
    self->loop = zloop_new();
    if (self->signal_fd < 0 || self->loop == NULL) return false;
    self->signal_item = (zmq_pollitem_t){.fd = self->signal_fd, .events = ZMQ_POLLIN};
    return zloop_poller(self->loop, &self->signal_item, on_signal, self) == 0;
}

static bool open_ops(daemon_t *self)
{
    if (common.listen[0] == '\0') return true;
    ops_options options = {.listen = common.listen,
                           .program = self->program,
                           .metrics = self->metrics,
                           .ready = answer_ready,
                           .arg = self};
    errno = 0;
    mk_code code = ops_new(self->loop, &options, &self->ops);
    if (code == MK_OK) return true;
    log_error("ops_listen_failed", LOG_TEXT(SETTING, "ops.listen"), LOG_TEXT(CODE, mk_code_name(code)),
              LOG_TEXT(DETAIL, errno != 0 ? strerror(errno) : NULL));
    return false;
}

daemon_t *daemon_new(const daemon_spec *spec, int argc, char **argv, int *ret_exit)
{
    lock_down();
    daemon_t *self = calloc(1, sizeof *self);
    assert(self != NULL);
    self->program = spec->program;
    self->signal_fd = -1;
    if (spec->serves_many) let_others_finish();
    conf_verb verb = load_settings(self, spec, argc, argv);
    if (verb == CONF_RUN) {
        open_log(self, spec->service);
        open_metrics(self);
        if (open_loop(self) && open_ops(self)) return self;
    }
    *ret_exit = verb == CONF_DONE ? 0 : EXIT_SETTINGS;
    daemon_destroy(&self);
    return NULL;
}

void daemon_destroy(daemon_t **self_p)
{
    daemon_t *self = *self_p;
    if (self == NULL) return;
    ops_destroy(&self->ops);
    zloop_destroy(&self->loop);
    if (self->signal_fd >= 0) close(self->signal_fd);
    metrics_destroy(&self->metrics);
    conf_destroy(&self->conf);
    free(self);
    *self_p = NULL;
}

zloop_t *daemon_loop(daemon_t *self)
{
    return self->loop;
}

metrics_t *daemon_metrics(daemon_t *self)
{
    return self->metrics;
}

const char *daemon_instance(daemon_t *self)
{
    return self->instance;
}

int daemon_run(daemon_t *self)
{
    log_info("started", LOG_TEXT(VERSION, MYKEY_VERSION));
    while (!self->ended) {
        if (zloop_start(self->loop) == 0) continue; /* interrupted, not ended */
        if (!self->ended) end_loop(self, 1);        /* a handler gave up */
    }
    log_info("ended", LOG_NUMBER(COUNT, self->status));
    return self->status;
}
