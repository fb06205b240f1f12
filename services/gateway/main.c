/* SPDX-License-Identifier: Apache-2.0 */
/* mykey-gateway: the terminals' HTTP API behind the edge (docs/terminal-api.md). */
#include "common/log/log.h"
#include "services/gateway/gateway.h"

int main(int argc, char **argv)
{
    const conf_table tables[] = {gateway_settings_table(), bus_conf_table()};
    const daemon_spec spec = {.program = "mykey-gateway",
                              .service = "gateway",
                              .tables = tables,
                              .table_count = sizeof tables / sizeof tables[0],
                              .serves_many = true};
    int status = 2;
    const char *what = NULL, *why = NULL;
    gateway_t *gateway = NULL;
    daemon_t *daemon = daemon_new(&spec, argc, argv, &status);
    if (daemon == NULL) return status;
    mk_code code = gateway_new(daemon, &gateway, &what, &why);
    if (code == MK_OK) {
        log_info("started", LOG_TEXT(PEER, gateway->settings->listen));
        status = daemon_run(daemon);
        log_info("stopped");
    } else {
        log_error("start_failed", LOG_TEXT(SETTING, what), LOG_TEXT(DETAIL, why), LOG_TEXT(CODE, mk_code_name(code)));
        status = 2;
    }
    gateway_destroy(&gateway);
    daemon_destroy(&daemon);
    return status;
}
