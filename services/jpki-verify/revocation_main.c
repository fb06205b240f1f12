/* SPDX-License-Identifier: Apache-2.0 */
/* mykey-jpki-revocation: from revocation lists to the index that verifiers map. */
#include "common/daemon/daemon.h"
#include "common/log/log.h"
#include "services/jpki-verify/loader.h"

static struct {
    char *lists, *roots, *root_pins, *data;
    int64_t list_max;
} set;

static const conf_row rows[] = {
    CONF_ROW_TEXT("revocation.lists", set.lists, NULL, "folder of revocation lists, *.crl, read again on every change"),
    CONF_ROW_TEXT("revocation.roots", set.roots, NULL, "folder of the trusted roots for authentication, *.der"),
    CONF_ROW_TEXT("revocation.root_pins", set.root_pins, NULL, "their SHA-256, one 'HEX64  NAME' a line"),
    CONF_ROW_TEXT("revocation.data", set.data, NULL, "folder of its own: what was taken, and the index"),
    CONF_ROW_NUMBER("revocation.list_max", set.list_max, "2147483648", 1024, INT64_C(4294967296),
                    "octets of the largest list that is read"),
};

static void on_state(bool published, void *arg)
{
    daemon_set_ready(arg, "index", published);
}

static mk_code start(daemon_t *daemon, loader_t **ret_loader)
{
    const char *setting, *why;
    loader_options options = {.folders = {set.lists},
                              .roots = set.roots,
                              .root_pins = set.root_pins,
                              .data = set.data,
                              .list_max = set.list_max,
                              .metrics = daemon_metrics(daemon),
                              .on_state = on_state,
                              .arg = daemon};
    on_state(false, daemon);
    mk_code code = loader_new(daemon_loop(daemon), &options, ret_loader, &setting, &why);
    if (code != MK_OK) log_error("start_failed", LOG_TEXT(SETTING, setting), LOG_TEXT(DETAIL, why));
    return code;
}

int main(int argc, char **argv)
{
    const conf_table table = {rows, sizeof rows / sizeof *rows};
    const daemon_spec spec = {"mykey-jpki-revocation", "jpki-revocation", &table, 1, .serves_many = true};
    int status = 1;
    loader_t *loader = NULL;
    daemon_t *daemon = daemon_new(&spec, argc, argv, &status);
    if (daemon == NULL) return status;
    if (start(daemon, &loader) == MK_OK) status = daemon_run(daemon);
    loader_destroy(&loader);
    daemon_destroy(&daemon);
    return status;
}
