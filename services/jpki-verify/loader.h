/* SPDX-License-Identifier: Apache-2.0 */
/* From folders of revocation lists to the index: sees what is new, has each list read by a process of its own, one
 * after the other, and publishes the union. Reads no list itself. */
#ifndef MYKEY_JPKI_LOADER_H
#define MYKEY_JPKI_LOADER_H

#include <czmq.h>

#include "common/metrics/metrics.h"
#include "services/jpki-verify/reader.h"

typedef struct loader loader_t;

typedef struct loader_options {
    const char *folders[2];        /* *.crl files in them are looked at every second; NULL: none */
    const char *roots, *root_pins; /* anchors.h */
    const char *data;              /* folder of parts and index (parts.h) */
    int64_t list_max;              /* octets: a larger list is not copied */
    metrics_t *metrics;
    void (*on_state)(bool published, void *arg); /* is there an index of this process's making? */
    void *arg;
} loader_options;

/* UNAVAILABLE: *ret_setting and *ret_why (static) say which and why. */
mk_code loader_new(zloop_t *loop, const loader_options *options, loader_t **ret_loader, const char **ret_setting,
                   const char **ret_why) MK_CHECKED;
void loader_destroy(loader_t **self_p);

#endif
