/* SPDX-License-Identifier: Apache-2.0 */
/* For the test of the checker: speaks as mykey-jpki-parser does, passes every certificate, and obeys some: "CRASH"
 * dies, "HANG" never answers, "WRONG" answers another id, "EXPIRED" is expired, "NOBODY" passes without a name.
 * The index holds a thisUpdate as text, and a nextUpdate where it isn't far; "DIE" ends the parser, "SLOW" makes it
 * late. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/jpki-verify/wire.h"

static wire_request request;
static wire_ready ready = {.kind = WIRE_READY, .sandboxed = 1, .version = MYKEY_VERSION};

static void take_index(int fd)
{
    char text[64] = {0};
    if (read(fd, text, sizeof text - 1) < 0) _exit(1);
    if (strcmp(text, "DIE") == 0) _exit(1);
    if (strstr(text, "SLOW") != NULL) sleep(3);
    char *end;
    long update = strtol(text, &end, 10), next = strtol(end, NULL, 10);
    ready.has_index = update > 0;
    if (next <= 0) next = INT64_MAX;
    if (update > 0) ready.roots[0] = (wire_root){1, 1, update, next, next, INT64_MAX};
}

static ssize_t receive(int *ret_fd)
{
    char control[64];
    struct iovec part = {&request, sizeof request};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t size = recvmsg(WIRE_SOCKET_FD, &message, 0);
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head != NULL) memcpy(ret_fd, CMSG_DATA(head), sizeof *ret_fd);
    return size;
}

static int is(const char *word)
{
    return request.certificate_size >= strlen(word) && memcmp(request.payload, word, strlen(word)) == 0;
}

static void answer(void)
{
    wire_verdict verdict = {.kind = WIRE_VERDICT, .id = request.id, .check = CHECK_PASSED};
    if (is("CRASH")) raise(SIGSEGV);
    if (is("HANG")) pause();
    if (is("WRONG")) verdict.id++;
    if (is("EXPIRED")) {
        verdict.check = CHECK_not_after;
    } else if (!is("NOBODY")) {
        verdict.issuer_size = 1;
        verdict.serial_size = request.certificate_size < 8 ? request.certificate_size : 8;
        memcpy(verdict.serial, request.payload, verdict.serial_size);
    }
    if (send(WIRE_SOCKET_FD, &verdict, sizeof verdict, 0) < 0) _exit(1);
}

int main(void)
{
    prctl(PR_SET_DUMPABLE, 0); /* as the parser: writing a core file takes seconds */
    for (;;) {
        int fd = -1;
        if (receive(&fd) <= 0) return 0;
        switch (request.kind) {
        case WIRE_ROOT: ready.root_count++; break;
        case WIRE_INDEX: take_index(fd); break;
        case WIRE_START:
            if (send(WIRE_SOCKET_FD, &ready, sizeof ready, 0) < 0) return 1;
            break;
        default: answer();
        }
    }
}
