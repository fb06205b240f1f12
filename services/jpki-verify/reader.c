/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/reader.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "services/jpki-verify/sandbox.h"

enum { LIST_FD = 3, PART_FD, PIPE_FD, FDS_END, FD_HIGH = 32 };
enum { EXIT_SANDBOX = 3, EXIT_ROOT, EXIT_FILE, EXIT_PIPE };

#define PART_MAX ((uint64_t)1 << 34)

/* ---- in the child ---- */

/* Gives the pages of a mapped file back, so that a list of a gigabyte doesn't fill the memory. */
static void let_go(const uint8_t *data, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)data + page - 1) / page * page, to = ((uintptr_t)data + size) / page * page;
    if (to > from) (void)madvise((void *)from, to - from, MADV_DONTNEED);
}

static trust_t *make_trust(const anchors_t *anchors)
{
    trust_t *trust = trust_new(profile_auth());
    if (trust == NULL) _exit(EXIT_ROOT);
    for (size_t i = 0; i < anchors->count; i++) {
        if (!trust_add_root(trust, (der_t){anchors->roots[i].bytes, anchors->roots[i].size})) _exit(EXIT_ROOT);
    }
    return trust;
}

static list_fault read_list(der_t data, const trust_t *trust)
{
    list_t list;
    const root_t *root;
    list_fault fault = list_read(data, trust->profile, &list);
    if (fault != LIST_TAKEN) return fault;
    fault = list_check(&list, trust, (int64_t)(clock_wall_ms() / 1000), let_go, &root);
    if (fault != LIST_TAKEN) return fault;
    index_part part = list_part(&list, root);
    return list_write(&list, &part, PART_FD, let_go);
}

/* Places from low to high: none is overwritten before it is copied, for all of them lie above. */
static void take_descriptors(int list_fd, int part_fd, int pipe_fd)
{
    const int from[] = {list_fd, part_fd, pipe_fd};
    int high[3];
    for (int i = 0; i < 3; i++) high[i] = fcntl(from[i], F_DUPFD, FD_HIGH);
    for (int i = 0; i < 3; i++) {
        if (high[i] < 0 || dup2(high[i], LIST_FD + i) < 0) _exit(EXIT_FILE);
    }
    closefrom(FDS_END);
    for (int i = 0; i < LIST_FD; i++) close(i);
}

static der_t map_list(void)
{
    struct stat info;
    if (fstat(LIST_FD, &info) != 0) _exit(EXIT_FILE);
    if (info.st_size == 0) return (der_t){0};
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, LIST_FD, 0);
    if (data == MAP_FAILED) _exit(EXIT_FILE);
    return (der_t){data, (size_t)info.st_size};
}

/* OpenSSL and the C library load what they need from files when they first need it. */
static void warm_up(const trust_t *trust)
{
    static const uint8_t wrong[PROFILE_SIGNATURE_MAX] = {1};
    static const uint8_t digest[RSA_DIGEST_SIZE];
    for (size_t i = 0; i < trust->root_count; i++) {
        if (rsa_key_verify(trust->roots[i].key, digest, (der_t){wrong, trust->profile->key_bits / 8})) abort();
    }
    (void)sysconf(_SC_PAGESIZE);
}

static void unblock_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void run(const anchors_t *anchors, int list_fd, int part_fd, int pipe_fd)
{
    unblock_signals();
    (void)setpgid(0, 0); /* a Ctrl-C is for the loader */
    take_descriptors(list_fd, part_fd, pipe_fd);
    if (!sandbox_prepare(PART_MAX)) _exit(EXIT_SANDBOX);
    trust_t *trust = make_trust(anchors);
    der_t data = map_list();
    warm_up(trust);
    if (!sandbox_enter()) _exit(EXIT_SANDBOX);
    uint8_t fault = (uint8_t)read_list(data, trust);
    _exit(write(PIPE_FD, &fault, 1) == 1 ? EXIT_SUCCESS : EXIT_PIPE);
}

/* ---- in the loader ---- */

bool reader_start(reader_t *self, const anchors_t *anchors, int list_fd, int part_fd)
{
    int pipe_fds[2];
    *self = (reader_t){.fd = -1};
    if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0) return false;
    self->pid = fork();
    if (self->pid == 0) run(anchors, list_fd, part_fd, pipe_fds[1]);
    close(pipe_fds[1]);
    self->fd = pipe_fds[0];
    if (self->pid > 0) return true;
    self->pid = 0;
    reader_kill(self);
    return false;
}

list_fault reader_end(reader_t *self, int *ret_status)
{
    uint8_t fault;
    bool said = read(self->fd, &fault, 1) == 1 && fault < LIST_FAULT_COUNT_;
    kill(self->pid, SIGKILL); /* one that has said it all has nothing left to do; one that has died keeps its status */
    waitpid(self->pid, ret_status, 0);
    self->pid = 0;
    reader_kill(self);
    return said ? (list_fault)fault : LIST_FAULT_READER;
}

void reader_kill(reader_t *self)
{
    if (self->pid > 0) {
        kill(self->pid, SIGKILL);
        waitpid(self->pid, NULL, 0);
    }
    if (self->fd >= 0) close(self->fd);
    *self = (reader_t){.fd = -1};
}
