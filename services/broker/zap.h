/* SPDX-License-Identifier: Apache-2.0 */
/* The ZAP handler (ZeroMQ RFC 27) in the broker's own loop: a CURVE key is known or it is not. No file, no thread.
 * A known key becomes the connection's User-Id, as text; every message looks it up again. */
#ifndef MYKEY_BROKER_ZAP_H
#define MYKEY_BROKER_ZAP_H

#include <stdbool.h>
#include <zmq.h>

#include "common/base/code.h"
#include "common/bus/bus_key.h"

typedef bool zap_known_fn(void *arg, const char *key); /* 40 characters of Z85 */

typedef struct zap {
    void *socket;
    zap_known_fn *known;
    void *arg;
    uint64_t refused, malformed;
} zap_t;

/* Must exist before the router binds; one a context. */
mk_code zap_open(zap_t *self, void *context, zap_known_fn *known, void *arg) MK_CHECKED;
void zap_close(zap_t *self);

/* Answers what has come. */
void zap_serve(zap_t *self);

#endif
