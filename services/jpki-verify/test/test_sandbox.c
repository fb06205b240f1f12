/* SPDX-License-Identifier: Apache-2.0 */
/* In the sandbox: what a parser needs goes on, everything else kills the process. */
#include "services/jpki-verify/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int pair_of[2];

static void do_open(void)
{
    (void)!open("/etc/passwd", O_RDONLY);
}

static void do_socket(void)
{
    (void)!socket(AF_INET, SOCK_STREAM, 0);
}

static void do_exec(void)
{
    char *argv[] = {"/bin/true", NULL}, *envp[] = {NULL};
    execve(argv[0], argv, envp);
}

static void do_fork(void)
{
    if (fork() == 0) _exit(0);
}

static void do_kill(void)
{
    kill(getppid(), 0);
}

static void do_receive_descriptor(void)
{
    char octet;
    struct iovec part = {&octet, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    (void)!recvmsg(pair_of[1], &message, MSG_DONTWAIT);
}

static void do_map_code(void)
{
    (void)!mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_protect_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void do_what_a_parser_does(void)
{
    char octet = 1;
    (void)!send(pair_of[1], &octet, 1, 0);
    (void)!recv(pair_of[0], &octet, 1, 0);
    void *large = malloc(8 << 20);
    if (large == NULL) _exit(9);
    free(large);
}

/* The wait status of a process that does this inside. */
static int status_of(void (*act)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (!sandbox_prepare(0) || !sandbox_enter()) _exit(8);
        act();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void forbidden_calls_kill(void **state)
{
    (void)state;
    static void (*const acts[])(void) = {do_open,     do_socket,      do_exec, do_fork, do_kill, do_receive_descriptor,
                                         do_map_code, do_protect_code};
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        int status = status_of(acts[i]);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS) fail_msg("act %zu: status %x", i, status);
    }
}

static void a_parsers_work_goes_on(void **state)
{
    (void)state;
    assert_int_equal(status_of(do_what_a_parser_does), 0);
}

static int setup(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair_of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forbidden_calls_kill),
        cmocka_unit_test(a_parsers_work_goes_on),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
