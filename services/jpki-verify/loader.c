/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/loader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "services/jpki-verify/parts.h"

enum {
    TICK_MS = 1000,
    READER_MS = 600000, /* a gigabyte takes a minute */
    FILES_MAX = 2 * INDEX_PARTS_MAX,
    COPY_PIECE = 1 << 26,
};

struct loader {
    zloop_t *loop;
    loader_options options;
    int timer;
    anchors_t *anchors;
    uint64_t anchors_as_seen;
    parts_t *parts;
    zhashx_t *seen; /* path → fingerprint of the file as it was last read */
    bool unpublished, unreadable;
    parts_state state;
    reader_t reader;
    int list_fd; /* what the reader reads, -1: none */
    char path[PATH_MAX];
    uint64_t started_ms;
    metric_t *taken, *ignored, *age, *left, *lists, *revoked;
};

static void next_list(loader_t *self);

static int64_t wall_s(void)
{
    return (int64_t)(clock_wall_ms() / 1000);
}

/* ---- what has been seen ---- */

static void *copy_number(const void *number)
{
    uint64_t *copy = malloc(sizeof *copy);
    if (copy == NULL) abort();
    *copy = *(const uint64_t *)number;
    return copy;
}

static void free_number(void **number_p)
{
    free(*number_p);
    *number_p = NULL;
}

static bool is_new(loader_t *self, const char *path)
{
    uint64_t now = anchors_file_fingerprint(path);
    const uint64_t *then = zhashx_lookup(self->seen, path);
    if (then != NULL && *then == now) return false;
    if (then == NULL && zhashx_size(self->seen) >= FILES_MAX) zhashx_purge(self->seen); /* names come and go */
    zhashx_update(self->seen, path, &now);
    return true;
}

static bool is_list(const char *name)
{
    size_t size = strlen(name);
    return name[0] != '.' && size > 4 && strcmp(name + size - 4, ".crl") == 0;
}

static void tell_folder(loader_t *self, bool unreadable)
{
    if (unreadable && !self->unreadable) log_error("lists_unreadable", LOG_TEXT(DETAIL, strerror(errno)));
    self->unreadable = unreadable;
}

/* The next file of folder that was not read as it is now: its path. */
static bool find_in(loader_t *self, const char *folder, char out[PATH_MAX])
{
    bool found = false;
    if (folder == NULL) return false;
    DIR *dir = opendir(folder);
    tell_folder(self, dir == NULL);
    if (dir == NULL) return false;
    for (struct dirent *entry = readdir(dir); !found && entry != NULL; entry = readdir(dir)) {
        if (!is_list(entry->d_name)) continue;
        found = snprintf(out, PATH_MAX, "%s/%s", folder, entry->d_name) < PATH_MAX && is_new(self, out);
    }
    closedir(dir);
    return found;
}

/* ---- one list ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void tell(loader_t *self, list_fault fault, const char *why)
{
    if (fault == LIST_TAKEN) {
        metric_inc(self->taken);
        log_info("revocation_list_taken", LOG_TEXT(FILE, base_name(self->path)));
        return;
    }
    const char *name = list_fault_name(fault);
    metric_add(self->ignored, 1, name, NULL, NULL, NULL);
    log_warn("revocation_list_ignored", LOG_TEXT(FILE, base_name(self->path)),
             LOG_TEXT(DETAIL, why != NULL ? why : name));
}

static bool copy(int from, int to, int64_t size_max)
{
    int64_t size = 0;
    ssize_t got = 1;
    while (got > 0 && size <= size_max) {
        got = sendfile(to, from, NULL, COPY_PIECE);
        size += got > 0 ? got : 0;
    }
    return got == 0 && size <= size_max;
}

/* A copy that has no name: what was checked is what is read. */
static int copy_list(loader_t *self)
{
    struct stat info;
    int from = open(self->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW), to = -1;
    if (from >= 0 && fstat(from, &info) == 0 && S_ISREG(info.st_mode)) to = parts_scratch(self->parts);
    if (to >= 0 && !copy(from, to, self->options.list_max)) {
        close(to);
        to = -1;
    }
    if (from >= 0) close(from);
    return to;
}

static int on_reader(zloop_t *loop, zmq_pollitem_t *item, void *arg);

static bool start_reader(loader_t *self)
{
    int part_fd = parts_begin(self->parts);
    if (part_fd < 0 || !reader_start(&self->reader, self->anchors, self->list_fd, part_fd)) return false;
    zmq_pollitem_t item = {.fd = self->reader.fd, .events = ZMQ_POLLIN};
    zloop_poller(self->loop, &item, on_reader, self);
    zloop_poller_set_tolerant(self->loop, &item);
    self->started_ms = clock_mono_ms();
    return true;
}

static void end_list(loader_t *self)
{
    zmq_pollitem_t item = {.fd = self->reader.fd};
    if (item.fd >= 0) zloop_poller_end(self->loop, &item);
    if (self->list_fd >= 0) close(self->list_fd);
    self->list_fd = -1;
}

static void read_list(loader_t *self)
{
    self->list_fd = copy_list(self);
    if (self->list_fd < 0) {
        tell(self, LIST_FAULT_SPACE, "it can't be read, is too large, or the disk is full");
        return;
    }
    if (start_reader(self)) return;
    tell(self, LIST_FAULT_SPACE, strerror(errno));
    end_list(self);
    parts_forget(self->parts);
}

static const char *reader_text(int status)
{
    return WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "its reader ended by itself";
}

static int on_reader(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    loader_t *self = arg;
    int status = 0;
    bool changed = false;
    (void)loop, (void)item;
    end_list(self);
    list_fault fault = reader_end(&self->reader, &status);
    const char *why = fault == LIST_FAULT_READER ? reader_text(status) : NULL;
    if (fault == LIST_TAKEN) {
        fault = parts_take(self->parts, &changed);
    } else {
        parts_forget(self->parts);
    }
    if (fault != LIST_TAKEN || changed) tell(self, fault, why);
    self->unpublished |= changed;
    next_list(self);
    return 0;
}

/* ---- the index ---- */

static void publish(loader_t *self)
{
    self->unpublished = !parts_publish(self->parts, wall_s(), &self->state);
    if (self->unpublished) {
        log_error("index_not_written", LOG_TEXT(DETAIL, "no space, or two parts of one key"));
    } else {
        log_info("index_written", LOG_NUMBER(COUNT, self->state.parts));
    }
    self->options.on_state(!self->unpublished && self->state.parts > 0, self->options.arg);
}

static void next_list(loader_t *self)
{
    while (self->reader.pid == 0 && (find_in(self, self->options.folders[0], self->path) ||
                                     find_in(self, self->options.folders[1], self->path))) {
        read_list(self);
    }
    if (self->reader.pid == 0 && self->unpublished) publish(self);
}

/* ---- time ---- */

/* Other roots may believe other lists: all are read again. */
static void look_at_anchors(loader_t *self)
{
    const char *why;
    anchors_t *found;
    uint64_t now = anchors_fingerprint(self->options.roots, self->options.root_pins);
    if (now == self->anchors_as_seen) return;
    self->anchors_as_seen = now;
    if (anchors_load(self->options.roots, self->options.root_pins, &found, &why) != MK_OK) {
        log_error("roots_kept", LOG_TEXT(DETAIL, why));
        return;
    }
    free(self->anchors);
    self->anchors = found;
    zhashx_purge(self->seen);
}

static int on_tick(zloop_t *loop, int timer, void *arg)
{
    loader_t *self = arg;
    (void)loop, (void)timer;
    if (self->reader.pid != 0) {
        if (clock_mono_ms() - self->started_ms < READER_MS) return 0;
        end_list(self);
        reader_kill(&self->reader);
        parts_forget(self->parts);
        tell(self, LIST_FAULT_READER, "not read in ten minutes");
    }
    look_at_anchors(self);
    next_list(self);
    return 0;
}

/* ---- life ---- */

static void refresh_metrics(void *arg)
{
    loader_t *self = arg;
    double now_s = (double)clock_wall_ms() / 1000;
    metric_set(self->lists, (double)self->state.parts, NULL, NULL, NULL, NULL);
    metric_set(self->revoked, (double)self->state.revoked, NULL, NULL, NULL, NULL);
    if (self->state.parts == 0) return;
    metric_set(self->age, now_s - (double)self->state.this_update, NULL, NULL, NULL, NULL);
    metric_set(self->left, (double)self->state.next_update - now_s, NULL, NULL, NULL, NULL);
}

static void declare_metrics(loader_t *self, metrics_t *metrics)
{
    self->taken = metrics_declare(metrics, METRIC_COUNTER, "mykey_revocation_lists_taken_total", "Lists taken.", "");
    self->ignored = metrics_declare(metrics, METRIC_COUNTER, "mykey_revocation_lists_ignored_total",
                                    "Lists that were not taken.", "fault");
    self->lists = metrics_declare(metrics, METRIC_GAUGE, "mykey_revocation_lists", "Lists in the index.", "");
    self->revoked = metrics_declare(metrics, METRIC_GAUGE, "mykey_revocation_serials", "Serials in the index.", "");
    self->age = metrics_declare(metrics, METRIC_GAUGE, "mykey_revocation_age_seconds",
                                "Time since thisUpdate of the oldest list in the index.", "");
    self->left = metrics_declare(metrics, METRIC_GAUGE, "mykey_revocation_left_seconds",
                                 "Time until the first nextUpdate; below 0 that list's cards are refused.", "");
    metrics_on_render(metrics, refresh_metrics, self);
}

static mk_code open_files(loader_t *self, const char **ret_setting, const char **ret_why)
{
    *ret_setting = "revocation.roots";
    self->anchors_as_seen = anchors_fingerprint(self->options.roots, self->options.root_pins);
    MK_TRY(anchors_load(self->options.roots, self->options.root_pins, &self->anchors, ret_why));
    *ret_setting = "revocation.data";
    self->parts = parts_new(self->options.data, ret_why);
    return self->parts != NULL ? MK_OK : MK_UNAVAILABLE;
}

mk_code loader_new(zloop_t *loop, const loader_options *options, loader_t **ret_loader, const char **ret_setting,
                   const char **ret_why)
{
    loader_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    *self = (loader_t){.loop = loop, .options = *options, .timer = -1, .list_fd = -1, .reader = {.fd = -1}};
    mk_code code = open_files(self, ret_setting, ret_why);
    if (code != MK_OK) {
        loader_destroy(&self);
        return code;
    }
    self->seen = zhashx_new();
    zhashx_set_duplicator(self->seen, copy_number);
    zhashx_set_destructor(self->seen, free_number);
    declare_metrics(self, options->metrics);
    self->timer = zloop_timer(loop, TICK_MS, 0, on_tick, self);
    self->unpublished = true; /* what an earlier process took is there */
    next_list(self);
    *ret_loader = self;
    return MK_OK;
}

void loader_destroy(loader_t **self_p)
{
    loader_t *self = *self_p;
    if (self == NULL) return;
    if (self->timer >= 0) zloop_timer_end(self->loop, self->timer);
    end_list(self);
    reader_kill(&self->reader);
    parts_destroy(&self->parts);
    zhashx_destroy(&self->seen);
    free(self->anchors);
    free(self);
    *self_p = NULL;
}
