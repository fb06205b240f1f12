/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates go to a sandboxed parser process and answers come back, through its crashes and through new roots and a
 * new index: a fresh parser then takes over, and nothing waits for it. Several requests are under way at once; the
 * parser answers in their order, so the oldest unanswered one is what it died of: that one gets a second chance, then
 * the answer CHECK_parser; the others are repeated. */
#ifndef MYKEY_JPKI_CHECKER_H
#define MYKEY_JPKI_CHECKER_H

#include <czmq.h>

#include "common/metrics/metrics.h"
#include "services/jpki-verify/anchors.h"
#include "services/jpki-verify/wire.h"

typedef struct checker checker_t;

typedef struct checker_options {
    const char *program;           /* path of mykey-jpki-parser */
    const char *roots, *root_pins; /* folder and file (anchors.h) … */
    const char *index;             /* … and file (index.h), all looked at every second */
    metrics_t *metrics;
    /* On every change, and at least every second: is a parser ready, is at least one root's revocation fresh? */
    void (*on_state)(bool child, bool revocation, void *arg);
    void *arg;
} checker_options;

/* Starts the first parser. UNAVAILABLE: the program or the roots can't be read; *ret_setting and *ret_why (static) say
 * which and why. */
mk_code checker_new(zloop_t *loop, const checker_options *options, checker_t **ret_checker, const char **ret_setting,
                    const char **ret_why) MK_CHECKED;
void checker_destroy(checker_t **self_p);

typedef struct checker_request {
    der_t certificate; /* 1 … PROFILE_CERTIFICATE_MAX; copied */
    der_t signature;   /* 1 … PROFILE_SIGNATURE_MAX; copied */
    const uint8_t *digest;
} checker_request;

/* check: CHECK_PASSED with issuer and serial, the row that failed, or CHECK_COUNT_: no parser could be asked in time.
 * Called once, from the loop. */
typedef struct checker_answer {
    unsigned check;
    der_t issuer, serial;
} checker_answer;
typedef void checker_fn(const checker_answer *answer, void *arg);

void checker_submit(checker_t *self, const checker_request *request, checker_fn *fn, void *arg);

#endif
