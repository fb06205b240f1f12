/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest real service: for the tests of common/daemon. What it does on signals is set by its own rows. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/daemon/daemon.h"
#include "common/log/log.h"

static char *word, *drain, *start;
static int64_t release_ms;
static daemon_t *self;

static const conf_row rows[] = {
    {.name = "tiny.word",
     .type = CONF_TEXT,
     .value = &word,
     .fallback = "one",
     .min = 1,
     .max = 8,
     .reloadable = true,
     .help = "Told in the log at each reload."},
    {.name = "tiny.drain",
     .type = CONF_TEXT,
     .value = &drain,
     .fallback = "none",
     .help = "What happens in the drain.",
     .choices = "none hold hang"},
    {.name = "tiny.start",
     .type = CONF_TEXT,
     .value = &start,
     .fallback = "ready",
     .help = "What happens at the start.",
     .choices = "ready wait fail cancel"},
    CONF_ROW_NUMBER("tiny.release_ms", release_ms, "0", 0, 60000, "A hold is let go after this time."),
};

static int on_release(zloop_t *loop, int timer, void *arg)
{
    (void)loop;
    (void)timer;
    (void)arg;
    daemon_release(self);
    return 0;
}

static void on_drain(void *arg)
{
    (void)arg;
    if (strcmp(drain, "hang") == 0) {
        for (;;) pause();
    }
    if (strcmp(drain, "hold") != 0) return;
    daemon_hold(self);
    zloop_timer(daemon_loop(self), (size_t)release_ms, 1, on_release, NULL);
}

static void on_reload(void *arg)
{
    (void)arg;
    log_info("word", LOG_TEXT(DETAIL, word));
}

static int on_start(zloop_t *loop, int timer, void *arg)
{
    (void)loop;
    (void)timer;
    (void)arg;
    if (strcmp(start, "fail") == 0) daemon_fail(self, 7);
    if (strcmp(start, "cancel") == 0) return -1;
    if (strcmp(start, "ready") == 0) daemon_set_ready(self, "database", true);
    return 0;
}

static void ignore_signal(int number)
{
    (void)number;
}

/* An interrupted poll and a closed pipe must not end the loop. */
static void disturb(void)
{
    const struct sigaction action = {.sa_handler = ignore_signal};
    int pair[2];
    sigaction(SIGUSR1, &action, NULL);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) abort();
    close(pair[0]);
    if (write(pair[1], "x", 1) > 0) abort();
    close(pair[1]);
}

int main(int argc, char **argv)
{
    const conf_table tables[] = {{rows, sizeof rows / sizeof rows[0]}};
    const daemon_spec spec = {.program = "mykey-tiny", .service = "tiny", .tables = tables, .table_count = 1};
    int status = 0;
    self = daemon_new(&spec, argc, argv, &status);
    if (self == NULL) return status;
    disturb();
    daemon_set_ready(self, "database", false);
    daemon_set_ready(self, "broker", true);
    daemon_on_drain(self, on_drain, NULL);
    daemon_on_reload(self, on_reload, NULL);
    zloop_timer(daemon_loop(self), 1, 1, on_start, NULL);
    status = daemon_run(self);
    daemon_destroy(&self);
    return status;
}
