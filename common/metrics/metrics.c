/* SPDX-License-Identifier: Apache-2.0 */
#include "common/metrics/metrics.h"

#include <assert.h>
#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/clock.h"

enum { LABELS_MAX = 4, SERIES_MAX = 512, INDEX_SIZE = 1024, METRICS_MAX = 256, REFRESH_MAX = 16, BUCKETS = 14 };

static const double bucket_bounds[BUCKETS] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                              0.1,    0.25,  0.5,    1,     2.5,  5,     10};

typedef struct series {
    char *labels[LABELS_MAX];
    double value;     /* the sum of a histogram */
    uint64_t *counts; /* histogram: one a bucket, the last is +Inf */
} series;

struct metric {
    metric_kind kind;
    const char *name, *help;
    char label_names[LABELS_MAX][32];
    unsigned label_count;
    series *series;
    unsigned count;
    uint16_t index[INDEX_SIZE]; /* open addressing by the labels' hash: position + 1, 0 = free */
};

struct metrics {
    metric_t *list[METRICS_MAX];
    unsigned count;
    struct {
        metrics_refresh_fn *fn;
        void *arg;
    } refresh[REFRESH_MAX];
    unsigned refresh_count;
    metric_t *cpu, *memory, *open_fds, *max_fds;
};

typedef const char *const label_values[LABELS_MAX];

/* ---- series ---- */

static uint32_t hash_labels(const metric_t *self, label_values labels)
{
    uint32_t hash = 2166136261u;
    for (unsigned i = 0; i < self->label_count; i++) {
        for (const char *p = labels[i]; *p != '\0'; p++) hash = (hash ^ (uint8_t)*p) * 16777619u;
        hash = (hash ^ 0xffu) * 16777619u;
    }
    return hash;
}

static bool has_labels(const metric_t *self, const series *s, label_values labels)
{
    for (unsigned i = 0; i < self->label_count; i++) {
        if (strcmp(s->labels[i], labels[i]) != 0) return false;
    }
    return true;
}

/* The place of these labels in the index: taken by them or free. */
static uint16_t *find_place(metric_t *self, label_values labels)
{
    uint32_t at = hash_labels(self, labels) % INDEX_SIZE;
    while (self->index[at] != 0 && !has_labels(self, &self->series[self->index[at] - 1], labels)) {
        at = (at + 1) % INDEX_SIZE;
    }
    return &self->index[at];
}

static series *add_series(metric_t *self, uint16_t *place, label_values labels)
{
    if ((self->count & (self->count - 1)) == 0) { /* 0, 1, 2, 4, …: grow to twice */
        size_t room = self->count == 0 ? 1 : 2 * (size_t)self->count;
        self->series = realloc(self->series, room * sizeof *self->series);
        assert(self->series != NULL);
    }
    series *s = &self->series[self->count++];
    *s = (series){.value = 0};
    for (unsigned i = 0; i < self->label_count; i++) s->labels[i] = strdup(labels[i]);
    if (self->kind == METRIC_HISTOGRAM) s->counts = calloc(BUCKETS + 1, sizeof *s->counts);
    *place = (uint16_t)self->count;
    return s;
}

static series *find_series(metric_t *self, const char *a, const char *b, const char *c, const char *d)
{
    label_values labels = {a == NULL ? "" : a, b == NULL ? "" : b, c == NULL ? "" : c, d == NULL ? "" : d};
    static label_values other = {"other", "other", "other", "other"};
    uint16_t *place = find_place(self, labels);
    if (*place != 0) return &self->series[*place - 1];
    if (self->count < SERIES_MAX - 1) return add_series(self, place, labels);
    place = find_place(self, other);
    return *place != 0 ? &self->series[*place - 1] : add_series(self, place, other);
}

void metric_add(metric_t *metric, double value, const char *a, const char *b, const char *c, const char *d)
{
    assert(metric->kind != METRIC_HISTOGRAM);
    find_series(metric, a, b, c, d)->value += value;
}

void metric_set(metric_t *metric, double value, const char *a, const char *b, const char *c, const char *d)
{
    assert(metric->kind != METRIC_HISTOGRAM);
    find_series(metric, a, b, c, d)->value = value;
}

void metric_observe(metric_t *metric, double seconds, const char *a, const char *b, const char *c, const char *d)
{
    assert(metric->kind == METRIC_HISTOGRAM);
    series *s = find_series(metric, a, b, c, d);
    unsigned bucket = 0;
    while (bucket < BUCKETS && seconds > bucket_bounds[bucket]) bucket++;
    s->counts[bucket]++;
    s->value += seconds;
}

/* ---- declaring ---- */

static void read_label_names(metric_t *self, const char *names)
{
    while (*names != '\0') {
        size_t size = strcspn(names, ",");
        assert(self->label_count < LABELS_MAX && size > 0 && size < sizeof self->label_names[0]);
        memcpy(self->label_names[self->label_count++], names, size);
        names += size + (names[size] == ',');
    }
}

metric_t *metrics_declare(metrics_t *self, metric_kind kind, const char *name, const char *help,
                          const char *label_names)
{
    assert(self->count < METRICS_MAX);
    for (unsigned i = 0; i < self->count; i++) {
        if (strcmp(self->list[i]->name, name) == 0) abort();
    }
    metric_t *metric = calloc(1, sizeof *metric);
    assert(metric != NULL);
    *metric = (metric_t){.kind = kind, .name = name, .help = help};
    read_label_names(metric, label_names);
    self->list[self->count++] = metric;
    if (metric->label_count == 0) find_series(metric, NULL, NULL, NULL, NULL); /* 0 is shown from the start */
    return metric;
}

static metric_t *declare_gauge(metrics_t *self, const char *name, const char *help)
{
    return metrics_declare(self, METRIC_GAUGE, name, help, "");
}

metrics_t *metrics_new(void)
{
    metrics_t *self = calloc(1, sizeof *self);
    assert(self != NULL);
    self->cpu = metrics_declare(self, METRIC_COUNTER, "process_cpu_seconds_total", "User and system time used.", "");
    self->memory = declare_gauge(self, "process_resident_memory_bytes", "Resident memory.");
    self->open_fds = declare_gauge(self, "process_open_fds", "Open file descriptors.");
    self->max_fds = declare_gauge(self, "process_max_fds", "Limit of open file descriptors.");
    metric_t *start = declare_gauge(self, "process_start_time_seconds", "Start of the process, Unix time.");
    metric_set(start, (double)clock_wall_ms() / 1000, NULL, NULL, NULL, NULL);
    metric_t *build = metrics_declare(self, METRIC_GAUGE, "mykey_build_info", "Always 1; the version.", "version");
    metric_set(build, 1, MYKEY_VERSION, NULL, NULL, NULL);
    return self;
}

static void destroy_metric(metric_t *metric)
{
    for (unsigned i = 0; i < metric->count; i++) {
        for (unsigned k = 0; k < metric->label_count; k++) free(metric->series[i].labels[k]);
        free(metric->series[i].counts);
    }
    free(metric->series);
    free(metric);
}

void metrics_destroy(metrics_t **self_p)
{
    metrics_t *self = *self_p;
    if (self == NULL) return;
    for (unsigned i = 0; i < self->count; i++) destroy_metric(self->list[i]);
    free(self);
    *self_p = NULL;
}

void metrics_on_render(metrics_t *self, metrics_refresh_fn *fn, void *arg)
{
    assert(self->refresh_count < REFRESH_MAX);
    self->refresh[self->refresh_count].fn = fn;
    self->refresh[self->refresh_count++].arg = arg;
}

/* ---- the process ---- */

static double resident_bytes(void)
{
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) return 0;
    if (fscanf(file, "%ld %ld", &total, &resident) != 2) resident = 0;
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double count_open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL) return 0;
    double count = -1; /* the directory itself */
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void refresh_process(metrics_t *self)
{
    struct rusage usage = {0};
    struct rlimit limit = {0};
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &limit);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    metric_set(self->cpu, cpu, NULL, NULL, NULL, NULL);
    metric_set(self->memory, resident_bytes(), NULL, NULL, NULL, NULL);
    metric_set(self->open_fds, count_open_fds(), NULL, NULL, NULL, NULL);
    metric_set(self->max_fds, (double)limit.rlim_cur, NULL, NULL, NULL, NULL);
}

/* ---- the text ---- */

/* Label values and help: backslash, quote and line end are escaped. */
static void print_escaped(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            fputs("\\n", out);
            continue;
        }
        if (*text == '\\' || *text == '"') fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_number(FILE *out, double value)
{
    if (isnan(value)) {
        fputs("NaN\n", out);
    } else if (isinf(value)) {
        fputs(value > 0 ? "+Inf\n" : "-Inf\n", out);
    } else {
        fprintf(out, fabs(value) < 1e15 && value == (double)(int64_t)value ? "%.0f\n" : "%.15g\n", value);
    }
}

/* le: the bound of a bucket or NULL. */
static void print_name(FILE *out, const metric_t *metric, const series *s, const char *suffix, const char *le)
{
    const char *separator = "{";
    fprintf(out, "%s%s", metric->name, suffix);
    for (unsigned i = 0; i < metric->label_count; i++, separator = ",") {
        fprintf(out, "%s%s=\"", separator, metric->label_names[i]);
        print_escaped(out, s->labels[i]);
        fputc('"', out);
    }
    if (le != NULL) fprintf(out, "%sle=\"%s\"", separator, le);
    fputs(metric->label_count > 0 || le != NULL ? "} " : " ", out);
}

static void print_histogram(FILE *out, const metric_t *metric, const series *s)
{
    uint64_t total = 0;
    for (unsigned i = 0; i <= BUCKETS; i++) {
        char bound[32] = "+Inf";
        if (i < BUCKETS) snprintf(bound, sizeof bound, "%g", bucket_bounds[i]);
        total += s->counts[i];
        print_name(out, metric, s, "_bucket", bound);
        print_number(out, (double)total);
    }
    print_name(out, metric, s, "_sum", NULL);
    print_number(out, s->value);
    print_name(out, metric, s, "_count", NULL);
    print_number(out, (double)total);
}

static void print_metric(FILE *out, const metric_t *metric)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    fprintf(out, "# HELP %s ", metric->name);
    for (const char *p = metric->help; *p != '\0'; p++) fputs(*p == '\n' ? " " : (char[]){*p, 0}, out);
    fprintf(out, "\n# TYPE %s %s\n", metric->name, kinds[metric->kind]);
    for (unsigned i = 0; i < metric->count; i++) {
        const series *s = &metric->series[i];
        if (metric->kind == METRIC_HISTOGRAM) {
            print_histogram(out, metric, s);
        } else {
            print_name(out, metric, s, "", NULL);
            print_number(out, s->value);
        }
    }
}

char *metrics_render(metrics_t *self, size_t *ret_size)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert(out != NULL);
    refresh_process(self);
    for (unsigned i = 0; i < self->refresh_count; i++) self->refresh[i].fn(self->refresh[i].arg);
    for (unsigned i = 0; i < self->count; i++) print_metric(out, self->list[i]);
    fclose(out);
    *ret_size = size;
    return text;
}
