/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, gauges and histograms in the Prometheus text format. Names begin with mykey_; label values come from
 * closed sets (codes, methods), never from a person or a peer's text. One thread. */
#ifndef MYKEY_METRICS_METRICS_H
#define MYKEY_METRICS_METRICS_H

#include <stddef.h>
#include <stdint.h>

typedef enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM } metric_kind;

typedef struct metrics metrics_t;
typedef struct metric metric_t;

metrics_t *metrics_new(void);
void metrics_destroy(metrics_t **self_p);

/* Declares a metric; name, help and label_names (comma-separated, at most 4, "" for none) must be static. Aborts if
 * the name is declared twice (our own bug). Histograms count seconds in buckets 0.0005 … 10. */
metric_t *metrics_declare(metrics_t *self, metric_kind kind, const char *name, const char *help,
                          const char *label_names);

/* label values in the order of the names, "" or NULL where there is none. At most 512 series a metric: further ones
 * are counted in the series whose labels are all "other". */
void metric_add(metric_t *metric, double value, const char *a, const char *b, const char *c, const char *d);
void metric_set(metric_t *metric, double value, const char *a, const char *b, const char *c, const char *d);
void metric_observe(metric_t *metric, double seconds, const char *a, const char *b, const char *c, const char *d);

#define metric_inc(metric) metric_add((metric), 1, NULL, NULL, NULL, NULL)

/* Called before each rendering to refresh gauges. */
typedef void metrics_refresh_fn(void *arg);
void metrics_on_render(metrics_t *self, metrics_refresh_fn *fn, void *arg);

/* The whole text; NUL-terminated, malloc'ed, the caller frees. process_* metrics are included. */
char *metrics_render(metrics_t *self, size_t *ret_size);

#endif
