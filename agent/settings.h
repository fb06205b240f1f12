/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's settings (section "agent" of its file). */
#ifndef MYKEY_AGENT_SETTINGS_H
#define MYKEY_AGENT_SETTINGS_H

#include "common/conf/conf.h"

typedef struct agent_settings {
    char *profile, *listen, *page_dir;
    char *edge_a, *edge_b, *server_ca, *proxy;
    char *environment, *origin;
    char *invite_file;
    char *reader;
    int64_t card_timeout_ms, pin_timeout_s;
    bool clear_on_removal;
    char *uinput, *keyboard_layout;
} agent_settings;

/* Filled by conf_load through this table. */
extern agent_settings settings;
extern const conf_table settings_table;

/* What a range can't say: NULL, or the name of the setting that is wrong. */
const char *settings_fault(void);

#endif
