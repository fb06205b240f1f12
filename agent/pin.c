/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/pin.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/bytes.h"

typedef struct pin_page {
    uint8_t count; /* digits gathered; never trusted above PIN_LENGTH */
    uint8_t digits[PIN_LENGTH];
    uint8_t apdu[PIN_APDU_SIZE];
} pin_page;

struct pin {
    pin_page *page;
    size_t size;
    int fd;
};

static void unmap(pin_t *self)
{
    if (!self->page) return;
    bytes_wipe(self->page, sizeof *self->page);
    (void)munmap(self->page, self->size);
}

void pin_destroy(pin_t **self_p)
{
    if (!self_p || !*self_p) return;
    unmap(*self_p);
    if ((*self_p)->fd >= 0) (void)close((*self_p)->fd);
    free(*self_p);
    *self_p = NULL;
}

pin_t *pin_map(int fd)
{
    pin_t *self = calloc(1, sizeof *self);
    if (!self) {
        (void)close(fd);
        return NULL;
    }
    self->fd = fd;
    self->size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, self->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED) self->page = page;
    if (!self->page || mlock(page, self->size) || madvise(page, self->size, MADV_DONTDUMP)) pin_destroy(&self);
    return self;
}

pin_t *pin_new(void)
{
    int fd = memfd_create("pin", MFD_CLOEXEC);
    if (fd < 0) return NULL;
    if (ftruncate(fd, sysconf(_SC_PAGESIZE))) {
        (void)close(fd);
        return NULL;
    }
    return pin_map(fd);
}

int pin_fd(const pin_t *self)
{
    return self->fd;
}

unsigned pin_count(const pin_t *self)
{
    return self->page->count <= PIN_LENGTH ? self->page->count : PIN_LENGTH;
}

bool pin_complete(const pin_t *self)
{
    return pin_count(self) == PIN_LENGTH;
}

bool pin_push(pin_t *self, char digit)
{
    if (digit < '0' || digit > '9' || pin_complete(self)) return false;
    self->page->digits[self->page->count++] = (uint8_t)digit;
    return true;
}

const uint8_t *pin_verify_apdu(pin_t *self)
{
    static const uint8_t head[5] = {0x00, 0x20, 0x00, 0x80, PIN_LENGTH};
    if (!pin_complete(self)) return NULL;
    for (size_t i = 0; i < sizeof head; i++) self->page->apdu[i] = head[i];
    for (size_t i = 0; i < PIN_LENGTH; i++) self->page->apdu[sizeof head + i] = self->page->digits[i];
    return self->page->apdu;
}

void pin_wipe(pin_t *self)
{
    bytes_wipe(self->page, sizeof *self->page);
}
