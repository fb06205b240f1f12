/* SPDX-License-Identifier: Apache-2.0 */
/* mykey-broker: settings, key, loop, signals. */
#include "common/bus/bus_key.h"
#include "common/daemon/daemon.h"
#include "common/log/log.h"
#include "services/broker/broker.h"

static char *listen_text, *key_path, *acl_path;
static int64_t queue_count, queue_bytes, caller_count, grace_ms, peers_max, io_threads;

static const conf_row rows[] = {
    CONF_ROW_TEXT("broker.listen", listen_text, NULL, "Endpoints to bind, ipc:// or tcp://, separated by spaces."),
    CONF_ROW_TEXT("broker.key", key_path, NULL, "This broker's secret key file (mode 0400)."),
    CONF_ROW_TEXT("broker.acl", acl_path, NULL, "Principals, their keys, what they may serve and call (ZPL)."),
    CONF_ROW_NUMBER("broker.queue_count", queue_count, "4096", 1, 1000000, "Calls queued for one service."),
    CONF_ROW_NUMBER("broker.queue_bytes", queue_bytes, "33554432", 4096, 1073741824, "Bytes queued for one service."),
    CONF_ROW_NUMBER("broker.caller_count", caller_count, "2048", 1, 1000000,
                    "Calls of one caller in one service's queue."),
    CONF_ROW_NUMBER("broker.grace_ms", grace_ms, "2000", 0, 60000,
                    "How long a call waits for a worker when there is none (ms)."),
    CONF_ROW_NUMBER("broker.peers_max", peers_max, "4096", 1, 100000, "Connections served at once."),
    CONF_ROW_NUMBER("broker.io_threads", io_threads, "1", 1, 16, "Threads for sockets and encryption."),
};

typedef struct context {
    daemon_t *daemon;
    broker_t *broker;
} context;

static void on_reload(void *arg)
{
    context *self = arg;
    const char *why = "";
    mk_code code = broker_reload(self->broker, &why);
    if (code == MK_OK)
        log_info("acl_reloaded", LOG_TEXT(FILE, acl_path));
    else
        log_error("acl_refused", LOG_TEXT(FILE, acl_path), LOG_TEXT(DETAIL, why));
}

static void on_drain(void *arg)
{
    context *self = arg;
    daemon_hold(self->daemon);
    broker_drain(self->broker);
}

static void on_drained(void *arg)
{
    context *self = arg;
    daemon_release(self->daemon);
}

static mk_code start(context *self, bus_key *key, const char **ret_what, const char **ret_why)
{
    *ret_what = "broker.key";
    MK_TRY(bus_key_load_secret(key_path, key, ret_why));
    broker_options options = {listen_text, key,         acl_path,     daemon_instance(self->daemon),
                              queue_count, queue_bytes, caller_count, grace_ms,
                              peers_max,   io_threads,  on_drained,   self};
    return broker_new(daemon_loop(self->daemon), daemon_metrics(self->daemon), &options, &self->broker, ret_what,
                      ret_why);
}

int main(int argc, char **argv)
{
    static const conf_table table = {rows, sizeof rows / sizeof *rows};
    const daemon_spec spec = {"mykey-broker", "broker", &table, 1, .serves_many = true};
    int status = 0;
    context self = {daemon_new(&spec, argc, argv, &status), NULL};
    if (!self.daemon) return status;
    bus_key key = {0};
    const char *what = "", *why = "";
    if (start(&self, &key, &what, &why) == MK_OK) {
        daemon_on_reload(self.daemon, on_reload, &self);
        daemon_on_drain(self.daemon, on_drain, &self);
        status = daemon_run(self.daemon);
    } else {
        log_error("start_failed", LOG_TEXT(SETTING, what), LOG_TEXT(DETAIL, why));
        status = 1;
    }
    broker_destroy(&self.broker);
    bus_key_wipe(&key);
    daemon_destroy(&self.daemon);
    return status;
}
