/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/keyboard.h"

#include <fcntl.h>
#include <linux/uinput.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/bytes.h"

enum { EVENTS_MAX = 8, KEYS_END = KEY_SPACE + 1 };

struct keyboard {
    zloop_t *loop;
    const char *path;
    keymap_layout layout;
    int fd; /* -1 = not plugged in */
    int timer;
    key_stroke strokes[KEYMAP_STROKES_MAX];
    size_t count, next;
    unsigned delay_ms;
    keyboard_done_fn *done;
    void *arg;
};

keyboard_t *keyboard_new(zloop_t *loop, const char *path, keymap_layout layout)
{
    keyboard_t *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->loop = loop;
    self->path = path;
    self->layout = layout;
    self->fd = -1;
    self->timer = -1;
    return self;
}

void keyboard_unplug(keyboard_t *self)
{
    if (self->timer >= 0) zloop_timer_end(self->loop, self->timer);
    self->timer = -1;
    if (self->fd >= 0) (void)close(self->fd);
    self->fd = -1;
    bytes_wipe(self->strokes, sizeof self->strokes);
    self->count = 0;
}

void keyboard_destroy(keyboard_t **self_p)
{
    if (!self_p || !*self_p) return;
    keyboard_unplug(*self_p);
    free(*self_p);
    *self_p = NULL;
}

static bool create_device(int fd)
{
    struct uinput_setup setup = {.id = {.bustype = BUS_VIRTUAL, .vendor = 0x1209, .product = 0x4d4b, .version = 1},
                                 .name = "MyKey counter keyboard"};
    if (ioctl(fd, UI_SET_EVBIT, EV_KEY) < 0) return false;
    for (int key = KEY_1; key < KEYS_END; key++)
        if (ioctl(fd, UI_SET_KEYBIT, key) < 0) return false;
    return ioctl(fd, UI_DEV_SETUP, &setup) == 0 && ioctl(fd, UI_DEV_CREATE) == 0;
}

problem_t keyboard_plug(keyboard_t *self)
{
    if (self->fd >= 0) return MK_OK;
    int fd = open(self->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return PROBLEM_KEYBOARD_UNAVAILABLE;
    if (!create_device(fd)) {
        (void)close(fd);
        return PROBLEM_KEYBOARD_UNAVAILABLE;
    }
    self->fd = fd;
    return MK_OK;
}

static size_t put(struct input_event *out, size_t count, unsigned short type, unsigned short code, int value)
{
    out[count] = (struct input_event){.type = type, .code = code, .value = value};
    return count + 1;
}

size_t keyboard_events(key_stroke stroke, struct input_event *out)
{
    size_t n = 0;
    if (stroke.shift) n = put(out, n, EV_KEY, KEY_LEFTSHIFT, 1);
    n = put(out, n, EV_KEY, stroke.code, 1);
    n = put(out, n, EV_SYN, SYN_REPORT, 0);
    n = put(out, n, EV_KEY, stroke.code, 0);
    if (stroke.shift) n = put(out, n, EV_KEY, KEY_LEFTSHIFT, 0);
    return put(out, n, EV_SYN, SYN_REPORT, 0);
}

static int on_stroke(zloop_t *loop, int timer, void *arg)
{
    keyboard_t *self = arg;
    if (timer != self->timer) return 0; /* stopped in this very turn */
    struct input_event events[EVENTS_MAX];
    self->timer = -1;
    size_t size = keyboard_events(self->strokes[self->next], events) * sizeof events[0];
    bool ok = write(self->fd, events, size) == (ssize_t)size;
    bytes_wipe(events, sizeof events);
    self->next++;
    if (ok && self->next < self->count) {
        self->timer = zloop_timer(loop, self->delay_ms > 0 ? self->delay_ms : 1, 1, on_stroke, self);
        if (self->timer >= 0) return 0;
        ok = false;
    }
    bytes_wipe(self->strokes, sizeof self->strokes);
    self->done(ok, self->arg);
    return 0;
}

problem_t keyboard_type(keyboard_t *self, const output_rules *rules, const char *number, keyboard_done_fn *done,
                        void *arg)
{
    if (self->fd < 0 || self->timer >= 0) return PROBLEM_KEYBOARD_UNAVAILABLE;
    PROBLEM_TRY(keymap_plan(self->layout, rules, number, self->strokes, &self->count));
    self->next = 0;
    self->delay_ms = rules->key_delay_ms;
    self->done = done;
    self->arg = arg;
    self->timer = zloop_timer(self->loop, 1, 1, on_stroke, self);
    return self->timer >= 0 ? MK_OK : PROBLEM_KEYBOARD_UNAVAILABLE;
}
