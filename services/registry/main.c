/* SPDX-License-Identifier: Apache-2.0 */
/* mykey-registry: MyKey IDs, links, operators and terminals. */
#include "common/bus/bus.h"
#include "common/daemon/daemon.h"
#include "common/log/log.h"
#include "services/registry/registry.h"

typedef struct program {
    daemon_t *daemon;
    bus_peer_t *peer;
    registry_t *registry;
    bool serving;
} program;

static void on_broker(bool connected, void *arg)
{
    daemon_set_ready(((program *)arg)->daemon, "broker", connected);
}

/* Offered at the bus from the first time that the database answers: no caller is sent here before. */
static void on_registry(bool ready, void *arg)
{
    program *self = arg;
    daemon_set_ready(self->daemon, "database", ready);
    if (ready && !self->serving && !daemon_draining(self->daemon)) {
        bus_serve(self->peer, registry_service(self->registry));
        self->serving = true;
    }
}

static void on_drained(void *arg)
{
    daemon_release(((program *)arg)->daemon);
}

static void on_drain(void *arg)
{
    program *self = arg;
    daemon_hold(self->daemon);
    bus_drain(self->peer, on_drained, self);
}

static mk_code start(program *self, const char **ret_why)
{
    zloop_t *loop = daemon_loop(self->daemon);
    metrics_t *metrics = daemon_metrics(self->daemon);
    MK_TRY(bus_peer_new(loop, metrics, daemon_instance(self->daemon), &self->peer, ret_why));
    MK_TRY(registry_new(loop, metrics, on_registry, self, &self->registry, ret_why));
    daemon_set_ready(self->daemon, "broker", false);
    daemon_set_ready(self->daemon, "database", false);
    bus_peer_on_state(self->peer, on_broker, self);
    daemon_on_drain(self->daemon, on_drain, self);
    return MK_OK;
}

int main(int argc, char **argv)
{
    conf_table tables[] = {bus_conf_table(), registry_conf_table()};
    daemon_spec spec = {"mykey-registry", "registry", tables, sizeof tables / sizeof tables[0], .serves_many = true};
    program self = {0};
    const char *why = "";
    int status = 2;
    self.daemon = daemon_new(&spec, argc, argv, &status);
    if (self.daemon == NULL) return status;
    if (start(&self, &why) == MK_OK) {
        status = daemon_run(self.daemon);
    } else {
        log_error("start_failed", LOG_TEXT(DETAIL, why));
        status = 1;
    }
    bus_peer_destroy(&self.peer);
    registry_destroy(&self.registry);
    daemon_destroy(&self.daemon);
    return status;
}
