/* SPDX-License-Identifier: Apache-2.0 */
#include "common/ops/test/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

static int connect_tcp(const char *listen)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    address.sin_port = htons((uint16_t)strtoul(strrchr(listen, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

int http_client_connect(const char *listen)
{
    const struct timeval limit = {.tv_sec = 5};
    int fd = strncmp(listen, "unix:", 5) == 0 ? connect_unix(listen + 5) : connect_tcp(listen);
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

static int count_marks(const char *text, const char *mark)
{
    int count = 0;
    for (const char *p = text; (p = strstr(p, mark)) != NULL; p++) count++;
    return count;
}

int http_client_read(int fd, const char *mark, int wanted, char *out, size_t cap)
{
    size_t used = 0;
    int seen = 0;
    out[0] = '\0';
    while (seen < wanted && used + 1 < cap) {
        ssize_t got = read(fd, out + used, cap - 1 - used);
        if (got <= 0) break;
        used += (size_t)got;
        out[used] = '\0';
        seen = count_marks(out, mark);
    }
    return seen;
}

int http_client_get(const char *listen, const char *method, const char *path, char *out, size_t cap)
{
    char request[512];
    int status = 0;
    int fd = http_client_connect(listen);
    out[0] = '\0';
    if (fd < 0) return 0;
    int size =
        snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);
    if (send(fd, request, (size_t)size, MSG_NOSIGNAL) == size) http_client_read(fd, "\x01", 1, out, cap);
    close(fd);
    if (sscanf(out, "HTTP/1.1 %d", &status) != 1) return 0;
    return status;
}
