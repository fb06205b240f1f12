/* SPDX-License-Identifier: Apache-2.0 */
/* mykey-jpki-parser: the only process that reads certificates and revocation lists. Started by mykey-jpki-verify with
 * one end of a socket pair as descriptor 3 and nothing else: no key, no bus, no path. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "services/jpki-verify/sandbox.h"
#include "services/jpki-verify/wire.h"

enum { CRL_FIRST_BUFFER = 1 << 20, CRL_SIZE_MAX = 1 << 29 };

typedef struct parser {
    trust_t *trust;
    wire_request request;
    uint32_t crl_count;
    int crls[WIRE_CRLS_MAX];
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

/* Takes roots and descriptors until START. */
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
        case WIRE_CRL:
            if (fd < 0 || self->crl_count == WIRE_CRLS_MAX) return false;
            self->crls[self->crl_count++] = fd;
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

/* The whole file, or NULL. The caller frees. */
static uint8_t *read_file(int fd, size_t *ret_size)
{
    size_t size = 0, capacity = CRL_FIRST_BUFFER;
    uint8_t *data = malloc(capacity);
    while (data != NULL) {
        ssize_t got = read(fd, data + size, capacity - size);
        if (got == 0) {
            *ret_size = size;
            return data;
        }
        size += got > 0 ? (size_t)got : 0;
        if (got < 0 || size == CRL_SIZE_MAX) break;
        if (size < capacity) continue;
        capacity *= 2;
        uint8_t *larger = realloc(data, capacity);
        if (larger == NULL) break;
        data = larger;
    }
    free(data);
    return NULL;
}

static crl_fault take_list(trust_t *trust, int fd)
{
    size_t size;
    uint8_t *data = read_file(fd, &size);
    close(fd);
    if (data == NULL) return CRL_FAULT_MEMORY;
    crl_fault fault = trust_add_crl(trust, (der_t){data, size}, now_s());
    free(data);
    return fault;
}

static wire_root describe_root(const root_t *root)
{
    wire_root out = {.not_after = root->certificate.not_after, .has_list = root->revocation != NULL};
    if (root->revocation == NULL) return out;
    out.revoked = (uint32_t)revocation_count(root->revocation);
    out.this_update = revocation_this_update(root->revocation);
    out.next_update = revocation_next_update(root->revocation);
    return out;
}

static bool send_packet(const void *packet, size_t size)
{
    return send(WIRE_SOCKET_FD, packet, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool report_ready(parser_t *self)
{
    wire_ready ready = {.kind = WIRE_READY, .sandboxed = 1, .crl_count = self->crl_count, .version = MYKEY_VERSION};
    for (uint32_t i = 0; i < self->crl_count; i++) ready.faults[i] = take_list(self->trust, self->crls[i]);
    ready.root_count = (uint32_t)self->trust->root_count;
    for (size_t i = 0; i < self->trust->root_count; i++) ready.roots[i] = describe_root(&self->trust->roots[i]);
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
    if (!sandbox_prepare()) return WIRE_EXIT_SANDBOX;
    self.trust = trust_new(profile_auth());
    if (self.trust == NULL || !gather(&self)) return WIRE_EXIT_PROTOCOL;
    warm_up(self.trust);
    if (!sandbox_enter()) return WIRE_EXIT_SANDBOX;
    if (!report_ready(&self)) return WIRE_EXIT_PROTOCOL;
    _exit(serve(&self)); /* no exit handlers: OpenSSL's would want more than the sandbox gives */
}
