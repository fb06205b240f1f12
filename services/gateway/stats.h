/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's metrics. */
#ifndef MYKEY_GATEWAY_STATS_H
#define MYKEY_GATEWAY_STATS_H

#include "common/metrics/metrics.h"

typedef struct stats {
    metric_t *requests;          /* method, code */
    metric_t *duration;          /* method */
    metric_t *challenges_issued; /* purpose */
    metric_t *challenges_taken;  /* result */
    metric_t *taps;              /* purpose, code */
    metric_t *admission_refused; /* reason */
    metric_t *terminal_lookups;  /* code */
    metric_t *edge_refused;
    metric_t *challenges_open, *outstanding, *terminals;
} stats_t;

stats_t stats_declare(metrics_t *metrics);

#endif
