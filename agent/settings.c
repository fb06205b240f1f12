/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/settings.h"

#include <string.h>

agent_settings settings;

static const conf_row rows[] = {
    CONF_ROW_TEXT("agent.profile", settings.profile, NULL, "Directory of the terminal's key and certificate (0700)."),
    CONF_ROW_TEXT("agent.listen", settings.listen, "127.0.0.1:0",
                  "Counter page: 127.0.0.1:PORT; port 0 = any free one."),
    CONF_ROW_TEXT("agent.page_dir", settings.page_dir, "",
                  "Serve the page's files from here; empty = those compiled in."),
    CONF_ROW_TEXT("agent.edge_a", settings.edge_a, NULL, "First edge address: https://host:port."),
    CONF_ROW_TEXT("agent.edge_b", settings.edge_b, "", "Second edge address; empty = none."),
    CONF_ROW_TEXT("agent.server_ca", settings.server_ca, NULL, "PEM file of the only authority trusted for the edge."),
    CONF_ROW_TEXT("agent.proxy", settings.proxy, "",
                  "HTTP proxy http://host:port; empty = none (the environment's is ignored)."),
    CONF_ROW_TEXT("agent.environment", settings.environment, NULL,
                  "The platform's environment, as in what cards sign: dev, prod."),
    CONF_ROW_TEXT("agent.origin", settings.origin, NULL, "The platform's origin, as in what cards sign: https://…"),
    CONF_ROW_TEXT("agent.invite_file", settings.invite_file, "",
                  "File (0600) with an invite, used while there is no certificate."),
    CONF_ROW_TEXT("agent.reader", settings.reader, "", "Use only card readers whose name contains this; empty = all."),
    CONF_ROW_NUMBER("agent.card_timeout_ms", settings.card_timeout_ms, "10000", 3000, 60000,
                    "Milliseconds of silence after which the reader counts as stuck."),
    CONF_ROW_NUMBER("agent.pin_timeout_s", settings.pin_timeout_s, "60", 10, 600,
                    "Seconds without a key until PIN entry ends."),
    CONF_ROW_FLAG("agent.clear_on_removal", settings.clear_on_removal, "true",
                  "Taking the card out clears the number."),
    CONF_ROW_TEXT("agent.uinput", settings.uinput, "/dev/uinput", "Device for keyboard entry."),
    {.name = "agent.keyboard_layout",
     .type = CONF_TEXT,
     .value = &settings.keyboard_layout,
     .fallback = "jp",
     .max = 2,
     .help = "Layout that the desktop uses for keyboard entry.",
     .choices = "jp us"},
};

const conf_table settings_table = {rows, sizeof rows / sizeof rows[0]};

static bool is_https(const char *url)
{
    return strncmp(url, "https://", 8) == 0 && url[8] != '\0' && strlen(url) < 256 && !strpbrk(url + 8, "/?#@ \t");
}

const char *settings_fault(void)
{
    if (settings.profile[0] == '\0') return "agent.profile";
    if (strncmp(settings.listen, "127.0.0.1:", 10) != 0) return "agent.listen";
    if (!is_https(settings.edge_a)) return "agent.edge_a";
    if (settings.edge_b[0] && !is_https(settings.edge_b)) return "agent.edge_b";
    return NULL;
}
