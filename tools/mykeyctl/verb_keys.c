/* SPDX-License-Identifier: Apache-2.0 */
/* Keys are made in files and never shown. */
#include "common/bus/bus_key.h"
#include "common/keyfile/keyfile.h"
#include "tools/mykeyctl/verbs.h"

static void finish(ctl_t *ctl, mk_code code, const char *path)
{
    if (code == MK_CONFLICT) ctl_complain(ctl, "%s: exists already; a key is never overwritten", path);
    if (code != MK_OK && code != MK_CONFLICT)
        ctl_complain(ctl, "%s: can't be written: check the folder and its owner", path);
    if (code == MK_OK && ctl_args(ctl)->json) ctl_print_json(json_pack("{s:s}", "file", path));
    ctl_finish(ctl, CTL_OK);
}

void keys_bus(ctl_t *ctl)
{
    finish(ctl, bus_key_create(ctl_word(ctl, 0), ctl_word(ctl, 1)), ctl_word(ctl, 0));
}

void keys_ring(ctl_t *ctl)
{
    finish(ctl, keyring_create(ctl_word(ctl, 0)), ctl_word(ctl, 0));
}
