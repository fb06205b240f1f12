/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/options.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "usage: mykey-load --terminals DIR --cards FILE --edge HOST:PORT --server-ca FILE --operator ID --connections N\n"
    "                  (--rate R | --in-flight N | --wave N) (--taps N | --seconds S) [more]\n"
    "\n"
    "PIN taps (resolve) against the terminal API; prints one JSON object.\n"
    "\n"
    "  --terminals DIR    sub-directories with terminal.pem and terminal.key\n"
    "  --cards FILE       lines: a card's directory (auth.der, auth.key), a tab, the expected customer number\n"
    "  --edge HOST:PORT   twice: connections alternate between the two\n"
    "  --server-ca FILE   PEM of the authority of the edge's certificate\n"
    "  --operator ID      the terminals' operator\n"
    "  --connections N    kept alive; connection i is terminal i mod their number (the gateway answers BUSY to a "
    "second tap of\n"
    "                     a terminal meanwhile)\n"
    "  --rate R           open loop: Poisson arrivals at R a second, each at a random idle connection or waiting for "
    "one;\n"
    "                     a tap's latency counts from its arrival\n"
    "  --in-flight N      closed loop: N taps under way at any time\n"
    "  --wave N           N challenges at once, all signatures, then N redemptions at once; then the next wave\n"
    "  --taps N           ends after N taps\n"
    "  --seconds S        no arrival after S seconds\n"
    "  --remake PERCENT   of the connections are closed and made again, each second (0)\n"
    "  --resume           these resume their TLS session\n"
    "  --timeout S        of an answer and of a connection being made (10)\n"
    "  --seed N           of arrivals and choices (1)\n"
    "  --wait             prints \"ready\" once connected, begins when a line comes on stdin, and after the report "
    "keeps\n"
    "                     its connections until stdin ends\n"
    "\n"
    "Exit status: 0 every tap ended well, 1 not, 2 wrong usage.\n";

enum { CONNECTIONS_MAX = 100000 };

static int wrong(const char *name, const char *why)
{
    (void)fprintf(stderr, "mykey-load: --%s: %s\n", name, why);
    return 2;
}

static bool read_real(const char *text, double min, double max, double *ret_value)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= min && value <= max)) return false;
    *ret_value = value;
    return true;
}

static bool read_count(const char *text, double max, unsigned *ret_value)
{
    double value = 0;
    if (!read_real(text, 1, max, &value) || value != floor(value)) return false;
    *ret_value = (unsigned)value;
    return true;
}

static bool read_seconds(const char *text, uint64_t *ret_us)
{
    double value = 0;
    if (!read_real(text, 0.001, 1e6, &value)) return false;
    *ret_us = (uint64_t)(value * 1e6);
    return true;
}

/* ---- one function an option ---- */

static bool take_terminals(options_t *self, const char *text)
{
    self->terminals = text;
    return true;
}

static bool take_cards(options_t *self, const char *text)
{
    self->cards = text;
    return true;
}

static bool take_edge(options_t *self, const char *text)
{
    if (self->client.edge_count == CLIENT_EDGES_MAX) return false;
    self->client.edges[self->client.edge_count++] = text;
    return true;
}

static bool take_server_ca(options_t *self, const char *text)
{
    self->client.server_ca = text;
    return true;
}

static bool take_operator(options_t *self, const char *text)
{
    self->operator_id = text;
    return true;
}

static bool take_connections(options_t *self, const char *text)
{
    return read_count(text, CONNECTIONS_MAX, &self->connections);
}

/* Only one of the three patterns. */
static bool take_pattern(options_t *self, schedule_kind kind)
{
    if (self->schedule.rate > 0 || self->schedule.at_once > 0) return false;
    self->schedule.kind = kind;
    return true;
}

static bool take_rate(options_t *self, const char *text)
{
    return take_pattern(self, SCHEDULE_OPEN) && read_real(text, 0.001, 1e6, &self->schedule.rate);
}

static bool take_in_flight(options_t *self, const char *text)
{
    return take_pattern(self, SCHEDULE_CLOSED) && read_count(text, CONNECTIONS_MAX, &self->schedule.at_once);
}

static bool take_wave(options_t *self, const char *text)
{
    return take_pattern(self, SCHEDULE_WAVES) && read_count(text, CONNECTIONS_MAX, &self->schedule.at_once);
}

static bool take_taps(options_t *self, const char *text)
{
    unsigned taps = 0;
    if (!read_count(text, 1e9, &taps)) return false;
    self->schedule.taps = taps;
    return true;
}

static bool take_run(options_t *self, const char *text)
{
    return read_seconds(text, &self->schedule.run_us);
}

static bool take_remake(options_t *self, const char *text)
{
    return read_real(text, 0, 100, &self->remake);
}

static bool take_resume(options_t *self, const char *text)
{
    (void)text;
    return self->client.resume = true;
}

static bool take_timeout(options_t *self, const char *text)
{
    return read_seconds(text, &self->client.timeout_us);
}

static bool take_seed(options_t *self, const char *text)
{
    char *end = NULL;
    self->schedule.seed = strtoull(text, &end, 10);
    return end != text && *end == '\0';
}

static bool take_wait(options_t *self, const char *text)
{
    (void)text;
    return self->wait = true;
}

static const struct {
    const char *name;
    int argument;
    bool (*take)(options_t *self, const char *text);
} rows[] = {
    {"terminals", required_argument, take_terminals},
    {"cards", required_argument, take_cards},
    {"edge", required_argument, take_edge},
    {"server-ca", required_argument, take_server_ca},
    {"operator", required_argument, take_operator},
    {"connections", required_argument, take_connections},
    {"rate", required_argument, take_rate},
    {"in-flight", required_argument, take_in_flight},
    {"wave", required_argument, take_wave},
    {"taps", required_argument, take_taps},
    {"seconds", required_argument, take_run},
    {"remake", required_argument, take_remake},
    {"resume", no_argument, take_resume},
    {"timeout", required_argument, take_timeout},
    {"seed", required_argument, take_seed},
    {"wait", no_argument, take_wait},
};

enum { ROWS = sizeof rows / sizeof *rows, HELP = ROWS, UNKNOWN = '?' };

static int read_all(int argc, char **argv, options_t *self)
{
    struct option list[ROWS + 2] = {0};
    int index;
    for (int i = 0; i < ROWS; i++) list[i] = (struct option){rows[i].name, rows[i].argument, NULL, i};
    list[ROWS] = (struct option){"help", no_argument, NULL, HELP};
    while ((index = getopt_long(argc, argv, "", list, NULL)) != -1) {
        if (index == UNKNOWN || index == HELP) return index;
        if (!rows[index].take(self, optarg)) return wrong(rows[index].name, "not a value that can be used"), UNKNOWN;
    }
    return optind == argc ? -1 : UNKNOWN;
}

static const char *missing(const options_t *self)
{
    if (!self->terminals) return "terminals";
    if (!self->cards) return "cards";
    if (self->client.edge_count == 0) return "edge";
    if (!self->client.server_ca) return "server-ca";
    if (!self->operator_id) return "operator";
    if (self->connections == 0) return "connections";
    if (self->schedule.rate == 0 && self->schedule.at_once == 0) return "rate";
    if (self->schedule.taps == 0 && self->schedule.run_us == 0) return "taps";
    return NULL;
}

static int check(const options_t *self)
{
    const char *name = missing(self);
    if (name) return wrong(name, "needed, or another of its kind (--help)");
    if (self->schedule.at_once > self->connections) return wrong("connections", "fewer than taps at once");
    return 0;
}

bool options_read(int argc, char **argv, options_t *ret_options, int *ret_status)
{
    options_t self = {.client = {.timeout_us = 10000000}, .schedule = {.seed = 1}};
    int stopped = read_all(argc, argv, &self);
    *ret_status = 2;
    if (stopped == UNKNOWN) return false;
    *ret_status = stopped == HELP ? 0 : check(&self);
    if (stopped == HELP) (void)fputs(help, stdout);
    if (stopped == HELP || *ret_status != 0) return false;
    *ret_options = self;
    return true;
}
