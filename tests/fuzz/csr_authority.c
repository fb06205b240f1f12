/* SPDX-License-Identifier: Apache-2.0 */
/* The authority: signs a request, and requests as the registry answers them. */
#include "common/pb/pb.h"
#include "proto/registry.pb-c.h"
#include "tests/fuzz/csr.h"
#include "tests/fuzz/fuzz.h"
#include "tools/mykeyctl/authority.c"

static authority_t *get_authority(void)
{
    static authority_t self;
    if (self.key != NULL) return &self;
    const profile_t root = {.days = 1, .usage = "critical,keyCertSign", .constraints = "critical,CA:TRUE"};
    self.key = EVP_EC_gen("P-256");
    HOLDS(self.key != NULL);
    self.certificate = make_certificate(make_name("fuzz", NULL, "MyKey"), self.key, NULL, self.key, &root);
    HOLDS(self.certificate != NULL);
    self.der_size = (size_t)i2d_X509(self.certificate, &self.der);
    return &self;
}

static void check_signed(const uint8_t *csr, size_t csr_size, const char *terminal_id, const uint8_t *der, size_t size)
{
    const uint8_t *at = der;
    csr_check_signed(csr, csr_size, terminal_id, der, size);
    X509 *certificate = d2i_X509(NULL, &at, (long)size);
    HOLDS(certificate != NULL && at == der + size && X509_verify(certificate, get_authority()->key) == 1);
    HOLDS(X509_check_ca(certificate) == 0 && X509_get_extended_key_usage(certificate) == XKU_SSL_CLIENT);
    X509_free(certificate);
}

bool csr_is_signed(const uint8_t *csr, size_t size)
{
    uint8_t *der = NULL;
    size_t der_size = 0;
    const char *why = NULL;
    mk_code code = authority_sign_terminal(get_authority(), "t-1", "library-1", csr, size, &der, &der_size, &why);
    HOLDS((code == MK_OK) == (der != NULL) && (code == MK_OK || why != NULL));
    if (code == MK_OK) check_signed(csr, size, "t-1", der, der_size);
    free(der);
    return code == MK_OK;
}

/* ---- mykeyctl ca sign-pending, with a registry that asks once ---- */

#define authority_destroy(self_p) ((void)(self_p)) /* ours stays */
#include "tools/mykeyctl/verb_ca.c"

static args_t args;
static const Mykey__Registry__PendingReply *asking;
static unsigned issued;

const args_t *ctl_args(const ctl_t *self)
{
    (void)self;
    return &args;
}

const char *ctl_word(const ctl_t *self, size_t index)
{
    (void)self, (void)index;
    return NULL;
}

void ctl_complain(ctl_t *self, const char *format, ...)
{
    (void)self, (void)format;
}

void ctl_complain_code(ctl_t *self, const char *what, mk_code code, const char *detail)
{
    (void)self, (void)what, (void)code, (void)detail;
    abort(); /* nothing fails here */
}

void ctl_fail(ctl_t *self, const char *format, ...)
{
    (void)self, (void)format;
    abort();
}

void ctl_print_json(json_t *value)
{
    json_decref(value);
}

void ctl_finish(ctl_t *self, ctl_exit status)
{
    (void)self, (void)status;
}

void ctl_stop_on_signals(ctl_t *self)
{
    (void)self;
}

zloop_t *ctl_loop(ctl_t *self)
{
    (void)self;
    abort();
}

static const pending_t *find_pending(const Mykey__Registry__IssueRequest *issue)
{
    for (size_t i = 0; i < asking->n_pending; i++) {
        const pending_t *one = asking->pending[i];
        if (one->enrolment_id.len == BYTES_ID_SIZE && one->terminal_id != NULL && one->operator_id != NULL &&
            strcmp(one->terminal_id, state.items[state.next].terminal) == 0 &&
            memcmp(one->enrolment_id.data, issue->enrolment_id.data, BYTES_ID_SIZE) == 0)
            return one;
    }
    return NULL;
}

/* What is handed back answers a request of the registry's, and once more it has nothing. */
void ctl_send(ctl_t *self, const ctl_call *call, ctl_reply_fn *fn, void *arg)
{
    static const Mykey__Registry__PendingReply nothing = MYKEY__REGISTRY__PENDING_REPLY__INIT;
    (void)self;
    if (call->reply_type != NULL) {
        fn(MK_OK, "", &nothing.base, arg);
        return;
    }
    const Mykey__Registry__IssueRequest *issue = (const Mykey__Registry__IssueRequest *)call->request;
    const pending_t *asked = find_pending(issue);
    HOLDS(asked != NULL && ++issued <= BATCH_MAX && issue->authority.len == get_authority()->der_size);
    check_signed(asked->csr.data, asked->csr.len, asked->terminal_id, issue->certificate.data, issue->certificate.len);
    fn(MK_OK, "", NULL, arg);
}

void csr_take_pending(const uint8_t *data, size_t size)
{
    ProtobufCMessage *message = NULL;
    if (pb_unpack(&mykey__registry__pending_reply__descriptor, data, size, &message) != MK_OK) return;
    asking = (const Mykey__Registry__PendingReply *)message;
    issued = 0;
    args.json = true;
    state.authority = get_authority();
    on_pending(MK_OK, "", message, NULL);
    HOLDS(issued <= asking->n_pending);
    pb_free(message);
}
