/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/service.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log/log.h"
#include "services/jpki-verify/verify.h"

struct service {
    daemon_t *daemon;
    service_settings settings;
    keyring_t *credential_keys, *registry_keys;
    verify_consumer consumers[1];
    checker_t *checker;
    verify_t *verify;
    bus_peer_t *bus;
};

static void on_bus_state(bool connected, void *arg)
{
    daemon_set_ready(arg, "broker", connected);
}

static void on_checker_state(bool child, bool revocation, void *arg)
{
    daemon_set_ready(arg, "child", child);
    daemon_set_ready(arg, "revocation", revocation);
}

static void on_drained(void *arg)
{
    daemon_release(arg);
}

static void on_drain(void *arg)
{
    service_t *self = arg;
    bus_drain(self->bus, on_drained, self->daemon);
}

static mk_code fail(mk_code code, const char *setting, const char *why)
{
    log_error("start_failed", LOG_TEXT(SETTING, setting), LOG_TEXT(DETAIL, why));
    return code;
}

static const char *parser_path(const char *parser, char out[PATH_MAX])
{
    if (parser[0] != '\0') return parser;
    ssize_t size = readlink("/proc/self/exe", out, PATH_MAX - 32);
    out[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(out, '/');
    snprintf(slash != NULL ? slash + 1 : out, 32, "mykey-jpki-parser");
    return out;
}

static mk_code load_files(service_t *self)
{
    const char *why = NULL;
    mk_code code = keyring_load(self->settings.credential_keys, &self->credential_keys, &why);
    if (code != MK_OK) return fail(code, "jpki.credential_keys", why);
    code = keyring_load(self->settings.ticket_keys_registry, &self->registry_keys, &why);
    return code == MK_OK ? MK_OK : fail(code, "jpki.ticket_keys_registry", why);
}

static mk_code start_checker(service_t *self)
{
    char path[PATH_MAX];
    checker_options options = {.program = parser_path(self->settings.parser, path),
                               .roots = self->settings.roots,
                               .root_pins = self->settings.root_pins,
                               .index = self->settings.index,
                               .metrics = daemon_metrics(self->daemon),
                               .on_state = on_checker_state,
                               .arg = self->daemon};
    const char *setting, *why;
    mk_code code = checker_new(daemon_loop(self->daemon), &options, &self->checker, &setting, &why);
    return code == MK_OK ? MK_OK : fail(code, setting, why);
}

static mk_code start(service_t *self)
{
    const char *why = NULL;
    metrics_t *metrics = daemon_metrics(self->daemon);
    daemon_set_ready(self->daemon, "broker", false);
    on_checker_state(false, false, self->daemon);
    MK_TRY(load_files(self));
    MK_TRY(start_checker(self));
    self->consumers[0] = (verify_consumer){"registry", self->registry_keys};
    self->verify = verify_new(&(verify_options){self->settings.environment, self->credential_keys, self->consumers, 1,
                                                self->checker, metrics});
    mk_code code = bus_peer_new(daemon_loop(self->daemon), metrics, daemon_instance(self->daemon), &self->bus, &why);
    if (code != MK_OK) return fail(code, "bus", why);
    bus_peer_on_state(self->bus, on_bus_state, self->daemon);
    bus_serve(self->bus, verify_service(self->verify));
    daemon_hold(self->daemon);
    daemon_on_drain(self->daemon, on_drain, self);
    return MK_OK;
}

mk_code service_new(daemon_t *daemon, const service_settings *settings, service_t **ret_service)
{
    service_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->daemon = daemon;
    self->settings = *settings;
    mk_code code = start(self);
    if (code != MK_OK) {
        service_destroy(&self);
        return code;
    }
    *ret_service = self;
    return MK_OK;
}

void service_destroy(service_t **self_p)
{
    service_t *self = *self_p;
    if (self == NULL) return;
    checker_destroy(&self->checker);
    bus_peer_destroy(&self->bus);
    verify_destroy(&self->verify);
    keyring_destroy(&self->credential_keys);
    keyring_destroy(&self->registry_keys);
    free(self);
    *self_p = NULL;
}
