/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate parser: packets (two bytes of size each). Whatever it is told, what it says is what the bus process
 * takes for right and sound, and one answer goes out for each request. */
#include <setjmp.h>
#include <sys/socket.h>

#include "services/jpki-verify/sandbox.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/said.h"
#include "tests/fuzz/wire.h"

static size_t verdicts;
static bool is_ready;
static jmp_buf ended;

/* A descriptor comes along with each: nothing that could be mapped. */
static ssize_t fuzz_recvmsg(int fd, struct msghdr *message, int flags)
{
    (void)fd;
    (void)flags;
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    int index = 1000000;
    *head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &index, sizeof index);
    return fuzz_hear_packet(message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
}

static ssize_t fuzz_send(int fd, const void *data, size_t size, int flags)
{
    (void)fd;
    (void)flags;
    if (size == sizeof(wire_verdict)) {
        verdicts++;
        HOLDS(is_ready && wire_verdict_is_sound(data));
    } else {
        HOLDS(!is_ready && size == sizeof(wire_ready));
        HOLDS(wire_ready_is_right(data, ((const wire_ready *)data)->root_count));
        is_ready = true;
    }
    return (ssize_t)size;
}

static _Noreturn void fuzz_exit(int status)
{
    longjmp(ended, 1 + status);
}

int parser_program(void);
#define main parser_program
#define recv(fd, out, cap, flags) fuzz_hear_packet(out, cap)
#define recvmsg fuzz_recvmsg
#define send fuzz_send
#define _exit fuzz_exit
#define closefrom(fd) ((void)(fd))
#define sandbox_prepare(size) true
#define sandbox_enter() true
#include "services/jpki-verify/parser_main.c"

void fuzz_parser(const uint8_t *data, size_t size)
{
    static parser_t self;
    self = (parser_t){.trust = trust_new(profile_auth())};
    HOLDS(self.trust != NULL);
    fuzz_say(data, size);
    verdicts = 0;
    is_ready = false;
    if (setjmp(ended) == 0 && gather(&self) && report_ready(&self)) {
        int status = serve(&self);
        HOLDS(status == 0 || status == WIRE_EXIT_PROTOCOL);
    }
    HOLDS(verdicts <= size / WIRE_REQUEST_HEAD + 1);
    trust_destroy(&self.trust);
}
