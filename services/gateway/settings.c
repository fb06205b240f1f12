/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/settings.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "common/ops/http_loop.h"

enum { TERMS_MAX = 4096 };

static gateway_settings values;

/* ---- what a text must look like ---- */

static bool is_id(const char *text)
{
    return text_is_made_of(text, TEXT_ID, 0, 32);
}

static bool is_environment(const char *text)
{
    return text_is_made_of(text, TEXT_LOWER TEXT_DIGITS "-", 1, 16);
}

static bool is_origin(const char *text)
{
    return strncmp(text, "https://", 8) == 0 && text_is_made_of(text, TEXT_ID ":/._[]", 9, 128);
}

static bool is_version(const char *text)
{
    return strlen(text) >= 1 && strlen(text) <= 16;
}

static const conf_row rows[] = {
    CONF_ROW_FORM("gateway.listen", values.listen, NULL, http_loop_is_local,
                  "unix:/path, or 127.x.y.z:port or [::1]:port; edges on other hosts come through TLS "
                  "(deploy/haproxy/README.md)",
                  "HTTP for the edges of this host"),
    CONF_ROW_FORM("gateway.id", values.id, "", is_id, "0 to 32 of A-Z a-z 0-9 -",
                  "name of this gateway at the edge; empty: the instance"),
    CONF_ROW_FORM("gateway.environment", values.environment, NULL, is_environment, "1 to 16 of a-z 0-9 -",
                  "signed in each statement: dev, prod"),
    CONF_ROW_FORM("gateway.origin", values.origin, NULL, is_origin, "https:// and a host, 9 to 128 bytes",
                  "signed in each statement: where terminals reach the edge"),
    CONF_ROW_TEXT("gateway.edge_secret_file", values.edge_secret_file, NULL,
                  "file with the edge's secret: its map file or the bare secret"),
    CONF_ROW_FORM("gateway.platform_terms_version", values.platform_terms_version, NULL, is_version, "1 to 16 bytes",
                  "version of the terms of a MyKey ID"),
    CONF_ROW_TEXT("gateway.platform_terms_ja", values.platform_terms_ja, NULL,
                  "file with the terms in Japanese, UTF-8, at most 4096 bytes"),
    CONF_ROW_TEXT("gateway.platform_terms_en", values.platform_terms_en, NULL,
                  "file with the terms in English, UTF-8, at most 4096 bytes"),
    CONF_ROW_NUMBER("gateway.connections_max", values.connections_max, "4000", 1, 60000, "connections from the edge"),
    CONF_ROW_NUMBER("gateway.outstanding_max", values.outstanding_max, "500", 1, 50000,
                    "requests being answered at once"),
    CONF_ROW_NUMBER("gateway.rate", values.rate, "1000", 1, 100000, "requests a second, all terminals"),
    CONF_ROW_NUMBER("gateway.burst", values.burst, "500", 1, 100000, "requests at once above that rate"),
    CONF_ROW_NUMBER("gateway.terminal_rate", values.terminal_rate, "120", 1, 100000,
                    "requests a minute of one terminal"),
    CONF_ROW_NUMBER("gateway.terminal_burst", values.terminal_burst, "30", 1, 100000,
                    "requests at once above that rate"),
    CONF_ROW_NUMBER("gateway.enrol_rate", values.enrol_rate, "600", 1, 100000,
                    "enrolment requests a minute at this gateway"),
    CONF_ROW_NUMBER("gateway.enrol_burst", values.enrol_burst, "60", 1, 100000,
                    "enrolment requests at once above that"),
    CONF_ROW_NUMBER("gateway.challenges_max", values.challenges_max, "20000", 1, 1000000,
                    "challenges recorded at once"),
    CONF_ROW_NUMBER("gateway.terminals_max", values.terminals_max, "20000", 1, 1000000, "terminals remembered at once"),
    CONF_ROW_NUMBER("gateway.lame_duck_ms", values.lame_duck_ms, "1500", 0, 15000,
                    "least time from SIGTERM to the end, for the edge to notice, milliseconds"),
};

conf_table gateway_settings_table(void)
{
    return (conf_table){rows, sizeof rows / sizeof rows[0]};
}

const gateway_settings *gateway_settings_get(void)
{
    return &values;
}

mk_code gateway_settings_read_terms(const char *path, char **ret_text)
{
    char text[TERMS_MAX + 2];
    FILE *file = fopen(path, "re");
    MK_ENSURE(file != NULL, MK_UNAVAILABLE);
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    MK_ENSURE(size > 0 && size <= TERMS_MAX && text_is_utf8(text, size), MK_BAD_REQUEST);
    char *copy = strndup(text, size);
    MK_ENSURE(copy != NULL, MK_INTERNAL);
    *ret_text = copy;
    return MK_OK;
}
