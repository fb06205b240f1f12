/* SPDX-License-Identifier: Apache-2.0 */
/* mykey-load: PIN taps in numbers, against the terminal API. */
#include <signal.h>
#include <stdio.h>

#include "tools/load/load.h"

/* Until a line has come, or stdin has ended. */
static bool wait_for_line(void)
{
    int c;
    do c = getchar();
    while (c != '\n' && c != EOF);
    return c == '\n';
}

static bool begin(load_t *load, bool wait)
{
    if (!load_connect(load)) return false;
    if (!wait) return true;
    (void)puts("ready");
    /* Connections may have ended meanwhile. */
    return fflush(stdout) == 0 && wait_for_line() && load_connect(load);
}

int main(int argc, char **argv)
{
    options_t options;
    int status = 0;
    if (!options_read(argc, argv, &options, &status)) return status;
    (void)signal(SIGPIPE, SIG_IGN);
    load_t *load = load_new(&options);
    if (!load) return 2;
    bool clean = begin(load, options.wait) && load_run(load);
    while (options.wait && wait_for_line()) {
    }
    load_destroy(&load);
    return clean ? 0 : 1;
}
