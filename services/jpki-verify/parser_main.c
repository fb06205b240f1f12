/* SPDX-License-Identifier: Apache-2.0 */
/* mykey-jpki-parser: the only process that reads certificates. Started by mykey-jpki-verify with
 * one end of a socket pair as descriptor 3 and nothing else: no key, no bus, no path. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "services/jpki-verify/sandbox.h"
#include "services/jpki-verify/wire.h"

typedef struct parser {
    trust_t *trust;
    wire_request request;
    const void *index; /* mapped, and not looked into yet */
    size_t index_size;
} parser_t;

static int64_t now_s(void)
{
    return (int64_t)(clock_wall_ms() / 1000);
}

/* ---- before the sandbox ---- */

static int descriptor_of(struct msghdr *message)
{
    int fd = -1;
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    if (control != NULL && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS) {
        memcpy(&fd, CMSG_DATA(control), sizeof fd);
    }
    return fd;
}

/* *ret_fd is -1 where none came along. Zero: the other end has gone. */
static ssize_t receive_with_descriptor(wire_request *request, int *ret_fd)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {request, sizeof *request};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t size = recvmsg(WIRE_SOCKET_FD, &message, MSG_CMSG_CLOEXEC);
    *ret_fd = size > 0 ? descriptor_of(&message) : -1;
    return size;
}

static bool is_whole(const wire_request *request, ssize_t size)
{
    return size >= (ssize_t)WIRE_REQUEST_HEAD && request->certificate_size <= PROFILE_CERTIFICATE_MAX &&
           request->signature_size <= PROFILE_SIGNATURE_MAX &&
           (size_t)size == WIRE_REQUEST_HEAD + request->certificate_size + request->signature_size;
}

static bool map_index(parser_t *self, int fd)
{
    struct stat info;
    if (fd < 0 || self->index != NULL || fstat(fd, &info) != 0) return false;
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0); /* fails for an empty file */
    close(fd);
    if (data == MAP_FAILED) return true;
    self->index = data;
    self->index_size = (size_t)info.st_size;
    return true;
}

/* Takes roots and the index until START. */
static bool gather(parser_t *self)
{
    int fd;
    for (;;) {
        ssize_t size = receive_with_descriptor(&self->request, &fd);
        if (!is_whole(&self->request, size)) return false;
        switch (self->request.kind) {
        case WIRE_ROOT:
            if (!trust_add_root(self->trust, (der_t){self->request.payload, self->request.certificate_size})) {
                _exit(WIRE_EXIT_ROOT);
            }
            break;
        case WIRE_INDEX:
            if (!map_index(self, fd)) return false;
            break;
        case WIRE_START: return true;
        default: return false;
        }
    }
}

/* OpenSSL loads providers, tables and error texts when it first needs them, from files: once through with a signature
 * that holds (each root's own) and one that doesn't. */
static void warm_up(const trust_t *trust)
{
    static const uint8_t digest[RSA_DIGEST_SIZE];
    uint8_t wrong[PROFILE_SIGNATURE_MAX] = {1};
    for (size_t i = 0; i < trust->root_count; i++) {
        const certificate_t *root = &trust->roots[i].certificate;
        der_t modulus;
        uint32_t exponent;
        if (!trust_key_numbers(root->key, &modulus, &exponent)) continue;
        rsa_key_t *key = rsa_key_new(modulus, exponent);
        if (key != NULL && rsa_key_verify(key, digest, (der_t){wrong, modulus.size})) abort();
        rsa_key_destroy(&key);
    }
}

/* ---- in the sandbox ---- */

static void add_part(wire_root *out, const index_view *index, const index_part *part)
{
    bool first = out->parts++ == 0;
    out->revoked += index_count(index, part);
    if (first || part->this_update < out->this_update) out->this_update = part->this_update;
    if (first || part->next_update < out->first_next_update) out->first_next_update = part->next_update;
    if (first || part->next_update > out->last_next_update) out->last_next_update = part->next_update;
}

static wire_root describe_root(const index_view *index, const root_t *root)
{
    wire_root out = {.not_after = root->certificate.not_after};
    for (size_t i = 0; i < index->part_count; i++) {
        const index_part *part = &index->parts[i];
        if (memcmp(part->key.issuer_key, root->key_sha256, sizeof root->key_sha256) == 0) add_part(&out, index, part);
    }
    return out;
}

static bool send_packet(const void *packet, size_t size)
{
    return send(WIRE_SOCKET_FD, packet, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool report_ready(parser_t *self)
{
    trust_t *trust = self->trust;
    wire_ready ready = {.kind = WIRE_READY, .sandboxed = 1, .version = MYKEY_VERSION};
    ready.has_index = self->index != NULL && index_open(&trust->index, self->index, self->index_size);
    ready.root_count = (uint32_t)trust->root_count;
    for (size_t i = 0; i < trust->root_count; i++) ready.roots[i] = describe_root(&trust->index, &trust->roots[i]);
    return send_packet(&ready, sizeof ready);
}

static void copy_identity(const certificate_t *fields, wire_verdict *verdict)
{
    verdict->issuer_size = (uint32_t)fields->issuer.size;
    verdict->serial_size = (uint32_t)fields->serial.size;
    memcpy(verdict->issuer, fields->issuer.data, fields->issuer.size); /* a root's name, checked when it was added */
    memcpy(verdict->serial, fields->serial.data, fields->serial.size); /* at most five octets: row "serial" */
}

static bool answer(const parser_t *self)
{
    const wire_request *request = &self->request;
    wire_verdict verdict = {.kind = WIRE_VERDICT, .id = request->id};
    check_subject subject = {
        .trust = self->trust,
        .now_s = now_s(),
        .certificate = {request->payload, request->certificate_size},
        .signature = {request->payload + request->certificate_size, request->signature_size},
        .digest = request->digest,
    };
    size_t count;
    const check_row *rows = check_certificate_rows(&count);
    verdict.check = check_run(rows, count, &subject);
    if (verdict.check == CHECK_PASSED) copy_identity(&subject.fields, &verdict);
    return send_packet(&verdict, sizeof verdict);
}

static int serve(parser_t *self)
{
    for (;;) {
        ssize_t size = recv(WIRE_SOCKET_FD, &self->request, sizeof self->request, 0);
        if (size == 0) return 0;
        if (!is_whole(&self->request, size) || self->request.kind != WIRE_VERIFY) return WIRE_EXIT_PROTOCOL;
        if (!answer(self)) return WIRE_EXIT_PROTOCOL;
    }
}

int main(void)
{
    static parser_t self;
    closefrom(WIRE_SOCKET_FD + 1); /* the program's own file */
    if (!sandbox_prepare(0)) return WIRE_EXIT_SANDBOX;
    self.trust = trust_new(profile_auth());
    if (self.trust == NULL || !gather(&self)) return WIRE_EXIT_PROTOCOL;
    warm_up(self.trust);
    if (!sandbox_enter()) return WIRE_EXIT_SANDBOX;
    if (!report_ready(&self)) return WIRE_EXIT_PROTOCOL;
    _exit(serve(&self)); /* no exit handlers: OpenSSL's would want more than the sandbox gives */
}
