/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's own settings (gateway.*). */
#ifndef MYKEY_GATEWAY_SETTINGS_H
#define MYKEY_GATEWAY_SETTINGS_H

#include <stdint.h>

#include "common/conf/conf.h"

typedef struct gateway_settings {
    char *listen, *id, *environment, *origin, *edge_secret_file;
    char *platform_terms_version, *platform_terms_ja, *platform_terms_en;
    int64_t connections_max, outstanding_max, rate, burst;
    int64_t terminal_rate, terminal_burst, enrol_rate, enrol_burst;
    int64_t challenges_max, terminals_max, lame_duck_ms;
} gateway_settings;

/* The rows, and the variables that conf_load writes. One set a process. */
conf_table gateway_settings_table(void);
const gateway_settings *gateway_settings_get(void);

/* The platform's terms: a UTF-8 text of 1 to 4096 bytes, read whole. *ret_text is malloc'ed. */
mk_code gateway_settings_read_terms(const char *path, char **ret_text) MK_CHECKED;

#endif
