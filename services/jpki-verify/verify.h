/* SPDX-License-Identifier: Apache-2.0 */
/* The bus method Verify: what the request itself must hold, the parser's answer, the ticket. */
#ifndef MYKEY_JPKI_VERIFY_H
#define MYKEY_JPKI_VERIFY_H

#include "common/bus/bus.h"
#include "common/keyfile/keyfile.h"
#include "common/metrics/metrics.h"
#include "services/jpki-verify/checker.h"

enum { VERIFY_CREDIT = 64 };

typedef struct verify verify_t;

typedef struct verify_consumer {
    const char *name;      /* "registry" */
    const keyring_t *keys; /* its ticket keys */
} verify_consumer;

typedef struct verify_options {
    const char *environment; /* what statements must be for */
    const keyring_t *credential_keys;
    const verify_consumer *consumers;
    size_t consumer_count;
    checker_t *checker;
    metrics_t *metrics;
} verify_options;

/* What options point to outlives the service. Aborts when out of memory. */
verify_t *verify_new(const verify_options *options);
void verify_destroy(verify_t **self_p);

/* For bus_serve; lives as long as self. */
const bus_service *verify_service(verify_t *self);

#endif
