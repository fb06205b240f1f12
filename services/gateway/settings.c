/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/settings.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"

enum { TERMS_MAX = 4096 };

static gateway_settings values;

static const conf_row rows[] = {
    CONF_ROW_TEXT("gateway.listen", values.listen, NULL, "HTTP for the edge: unix:/path or host:port"),
    CONF_ROW_TEXT("gateway.id", values.id, "", "name of this gateway at the edge, A-Z a-z 0-9 -; empty: the instance"),
    CONF_ROW_TEXT("gateway.environment", values.environment, NULL, "signed in each statement: dev, prod (a-z 0-9 -)"),
    CONF_ROW_TEXT("gateway.origin", values.origin, NULL, "signed in each statement: https://... of the edge"),
    CONF_ROW_TEXT("gateway.edge_secret_file", values.edge_secret_file, NULL,
                  "file with the edge's secret: its map file or the bare secret"),
    CONF_ROW_TEXT("gateway.platform_terms_version", values.platform_terms_version, NULL,
                  "version of the terms of a MyKey ID, 1 to 16 characters"),
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

mk_code gateway_settings_check(const gateway_settings *self, const char **ret_name)
{
    *ret_name = "gateway.id";
    MK_ENSURE(text_is_made_of(self->id, TEXT_ID, 0, 32), MK_BAD_REQUEST);
    *ret_name = "gateway.environment";
    MK_ENSURE(text_is_made_of(self->environment, TEXT_LOWER TEXT_DIGITS "-", 1, 16), MK_BAD_REQUEST);
    *ret_name = "gateway.origin";
    MK_ENSURE(strncmp(self->origin, "https://", 8) == 0, MK_BAD_REQUEST);
    MK_ENSURE(text_is_made_of(self->origin, TEXT_ID ":/._[]", 9, 128), MK_BAD_REQUEST);
    *ret_name = "gateway.platform_terms_version";
    MK_ENSURE(strlen(self->platform_terms_version) >= 1 && strlen(self->platform_terms_version) <= 16, MK_BAD_REQUEST);
    return MK_OK;
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
