/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/simcard/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static FILE *open_control(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return NULL;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fdopen(fd, "r+");
    close(fd);
    return NULL;
}

static int print_answer(FILE *stream)
{
    char line[1024];
    if (fgets(line, sizeof line, stream) == NULL) {
        fprintf(stderr, "mykey-simcard: no answer\n");
        return 1;
    }
    int failed = strncmp(line, "error", 5) == 0;
    do fputs(line, failed ? stderr : stdout);
    while (fgets(line, sizeof line, stream) != NULL);
    return failed;
}

int client_run(const char *control, int count, char **words)
{
    FILE *stream = open_control(control);
    if (stream == NULL) {
        fprintf(stderr, "mykey-simcard: %s: %s (is the simulated card running?)\n", control, strerror(errno));
        return 1;
    }
    for (int i = 0; i < count; i++) fprintf(stream, "%s%s", i > 0 ? " " : "", words[i]);
    fprintf(stream, "\n");
    fflush(stream);
    shutdown(fileno(stream), SHUT_WR);
    int exit_status = print_answer(stream);
    fclose(stream);
    return exit_status;
}
