/* SPDX-License-Identifier: Apache-2.0 */
/* mykey-jpki-verify: from a card's certificate and signature to a tap ticket. */
#include "common/bus/bus.h"
#include "services/jpki-verify/service.h"

static service_settings set;

static const conf_row rows[] = {
    CONF_ROW_TEXT("jpki.roots", set.roots, NULL, "folder of the trusted roots for authentication, *.der"),
    CONF_ROW_TEXT("jpki.root_pins", set.root_pins, NULL, "their SHA-256, one 'HEX64  NAME' a line"),
    CONF_ROW_TEXT("jpki.index", set.index, NULL,
                  "file of revoked certificates, written by mykey-jpki-revocation, read again on every change"),
    CONF_ROW_TEXT("jpki.environment", set.environment, NULL, "what taps must have been signed for: dev, prod"),
    CONF_ROW_TEXT("jpki.credential_keys", set.credential_keys, NULL,
                  "key file of the keyed hash of certificates, 0400"),
    CONF_ROW_TEXT("jpki.ticket_keys_registry", set.ticket_keys_registry, NULL, "key file of registry's tickets, 0400"),
    CONF_ROW_TEXT("jpki.parser", set.parser, "", "the parser's program; empty = mykey-jpki-parser beside this one"),
};

int main(int argc, char **argv)
{
    const conf_table tables[] = {bus_conf_table(), {rows, sizeof rows / sizeof *rows}};
    const daemon_spec spec = {"mykey-jpki-verify", "jpki-verify", tables, sizeof tables / sizeof *tables,
                              .serves_many = true};
    int status = 1;
    service_t *service = NULL;
    daemon_t *daemon = daemon_new(&spec, argc, argv, &status);
    if (daemon == NULL) return status;
    if (service_new(daemon, &set, &service) == MK_OK) status = daemon_run(daemon);
    service_destroy(&service);
    daemon_destroy(&daemon);
    return status;
}
