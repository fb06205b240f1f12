/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"

/* ---- starting ---- */

enum { PROGRAM_FD = WIRE_SOCKET_FD + 1, FD_HIGH = 10 };

/* Both descriptors lie above the places that they are copied to. The program closes its own. */
static bool prepare_actions(posix_spawn_file_actions_t *actions, int program_fd, int socket_fd)
{
    return posix_spawn_file_actions_addopen(actions, 0, "/dev/null", 0, 0) == 0 &&
           posix_spawn_file_actions_adddup2(actions, 0, 1) == 0 &&
           posix_spawn_file_actions_adddup2(actions, 0, 2) == 0 &&
           posix_spawn_file_actions_adddup2(actions, socket_fd, WIRE_SOCKET_FD) == 0 &&
           posix_spawn_file_actions_adddup2(actions, program_fd, PROGRAM_FD) == 0 &&
           posix_spawn_file_actions_addclosefrom_np(actions, PROGRAM_FD + 1) == 0;
}

/* A group of its own, so that a Ctrl-C for the service doesn't end it before the drain; no signal stays blocked. */
static bool prepare_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigemptyset(&none);
    return posix_spawnattr_setsigmask(attributes, &none) == 0 && posix_spawnattr_setpgroup(attributes, 0) == 0 &&
           posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP) == 0;
}

static bool spawn(int program_fd, int socket_fd, pid_t *ret_pid)
{
    char path[32], name[] = "mykey-jpki-parser";
    char *argv[] = {name, NULL}, *envp[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    snprintf(path, sizeof path, "/proc/self/fd/%d", PROGRAM_FD);
    if (posix_spawn_file_actions_init(&actions) != 0) return false;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return false;
    }
    bool done = prepare_actions(&actions, program_fd, socket_fd) && prepare_attributes(&attributes) &&
                posix_spawn(ret_pid, path, &actions, &attributes, argv, envp) == 0;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return done;
}

int child_open_program(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_HIGH);
    if (fd >= 0) close(fd);
    return high;
}

static bool send_root(int fd, const anchor_t *root)
{
    wire_request request = {.kind = WIRE_ROOT, .certificate_size = (uint32_t)root->size};
    memcpy(request.payload, root->bytes, root->size);
    size_t size = WIRE_REQUEST_HEAD + root->size;
    return send(fd, &request, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
}

static bool send_descriptor(int fd, int sent_fd)
{
    wire_request request = {.kind = WIRE_INDEX};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {&request, WIRE_REQUEST_HEAD};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &sent_fd, sizeof sent_fd);
    return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)WIRE_REQUEST_HEAD;
}

/* Without one the parser starts too, and says that it knows nothing. */
static bool send_index(int fd, const char *path)
{
    int index = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (index < 0) return errno == ENOENT;
    bool sent = send_descriptor(fd, index);
    close(index);
    return sent;
}

static bool send_data(const child_t *self, const char *index_path)
{
    const wire_request start = {.kind = WIRE_START};
    bool sent = true;
    for (size_t i = 0; sent && i < self->anchors->count; i++) sent = send_root(self->fd, &self->anchors->roots[i]);
    return sent && send_index(self->fd, index_path) &&
           send(self->fd, &start, WIRE_REQUEST_HEAD, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
}

static anchors_t *copy_anchors(const anchors_t *anchors)
{
    anchors_t *copy = malloc(sizeof *copy);
    if (copy == NULL) abort();
    *copy = *anchors;
    return copy;
}

bool child_start(child_t *self, int program_fd, const anchors_t *anchors, const char *index_path)
{
    int pair[2];
    *self = (child_t){.fd = -1, .started_ms = clock_mono_ms()};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return false;
    int theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, FD_HIGH);
    close(pair[1]);
    self->fd = pair[0];
    self->anchors = copy_anchors(anchors);
    bool spawned = theirs >= 0 && spawn(program_fd, theirs, &self->pid);
    if (theirs >= 0) close(theirs);
    if (spawned && send_data(self, index_path)) return true;
    if (!spawned) self->pid = 0;
    child_stop(self);
    return false;
}

int child_stop(child_t *self)
{
    int status = 0;
    if (self->fd >= 0) close(self->fd);
    if (self->pid > 0) {
        kill(self->pid, SIGKILL);
        waitpid(self->pid, &status, 0);
    }
    free(self->anchors);
    *self = (child_t){.fd = -1};
    return status;
}

bool child_is_running(const child_t *self)
{
    return self->fd >= 0;
}

bool child_send(child_t *self, const wire_request *request)
{
    size_t size = WIRE_REQUEST_HEAD + request->certificate_size + request->signature_size;
    return send(self->fd, request, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
}

bool child_is_fresh(const child_t *self, int64_t now_s)
{
    for (uint32_t i = 0; self->is_ready && i < self->ready.root_count; i++) {
        const wire_root *root = &self->ready.roots[i];
        if (root->parts > 0 && now_s <= root->last_next_update && now_s <= root->not_after) return true;
    }
    return false;
}
