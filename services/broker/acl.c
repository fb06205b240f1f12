/* SPDX-License-Identifier: Apache-2.0 */
#include "services/broker/acl.h"

#include <czmq.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/text.h"
#include "common/bus/bus_key.h"
#include "common/bus/bus_map.h"
#include "common/conf/zpl.h"

enum { FILE_MAX = 256 * 1024 };

typedef struct pattern {
    char service[BUS_SERVICE_MAX + 1];
    char method[BUS_METHOD_MAX + 1]; /* "*" = every method */
} pattern;

typedef struct acl_key {
    bus_map_node node;
    char text[BUS_KEY_TEXT + 1];
    const acl_entry *entry;
} acl_key;

struct acl_entry {
    const principal_t *principal;
    acl_key keys[ACL_KEYS_MAX];
    char serve[ACL_SERVE_MAX][BUS_SERVICE_MAX + 1];
    pattern call[ACL_CALL_MAX];
    unsigned key_count, serve_count, call_count;
};

struct acl {
    bus_map by_key;
    acl_entry *entries;
    unsigned count;
};

struct acl_names {
    principal_t principals[ACL_PRINCIPALS_MAX];
    unsigned count;
};

acl_names_t *acl_names_new(void)
{
    acl_names_t *self = calloc(1, sizeof *self);
    if (!self) abort();
    return self;
}

void acl_names_destroy(acl_names_t **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

static const principal_t *intern(acl_names_t *names, const char *name)
{
    for (unsigned i = 0; i < names->count; i++)
        if (strcmp(names->principals[i].name, name) == 0) return &names->principals[i];
    if (names->count == ACL_PRINCIPALS_MAX) return NULL;
    principal_t *one = &names->principals[names->count];
    bus_slice_copy(bus_slice_text(name), one->name, sizeof one->name);
    one->index = names->count++;
    return one;
}

static uint64_t key_hash(const char *key)
{
    return bus_hash(0, key, BUS_KEY_TEXT);
}

static const char *add_key(acl_t *self, acl_entry *entry, const char *value)
{
    if (!bus_key_text_valid(value)) return "key: not 40 characters of Z85";
    if (entry->key_count == ACL_KEYS_MAX) return "key: more than two";
    if (acl_find(self, value)) return "key: used twice";
    acl_key *key = &entry->keys[entry->key_count++];
    memcpy(key->text, value, sizeof key->text);
    key->entry = entry;
    bus_map_add(&self->by_key, &key->node, key_hash(value));
    return NULL;
}

static const char *add_serve(acl_entry *entry, const char *value)
{
    if (!text_is_made_of(value, TEXT_ID, 1, BUS_SERVICE_MAX)) return "serve: not a service name";
    if (strcmp(value, "bus") == 0) return "serve: bus is the broker's own";
    if (entry->serve_count == ACL_SERVE_MAX) return "serve: too many";
    bus_slice_copy(bus_slice_text(value), entry->serve[entry->serve_count++], BUS_SERVICE_MAX + 1);
    return NULL;
}

static const char *add_call(acl_entry *entry, const char *value)
{
    const char *dot = strchr(value, '.');
    if (!dot) return "call: not service.Method or service.*";
    if (entry->call_count == ACL_CALL_MAX) return "call: too many";
    pattern *one = &entry->call[entry->call_count];
    if ((size_t)(dot - value) > BUS_SERVICE_MAX) return "call: not a service name";
    bus_slice_copy((bus_slice){(const uint8_t *)value, (size_t)(dot - value)}, one->service, sizeof one->service);
    bus_slice_copy(bus_slice_text(dot + 1), one->method, sizeof one->method);
    if (!text_is_made_of(one->service, TEXT_ID, 1, BUS_SERVICE_MAX)) return "call: not a service name";
    if (strcmp(dot + 1, "*") != 0 && !text_is_made_of(dot + 1, TEXT_ID, 1, BUS_METHOD_MAX))
        return "call: not a method name";
    entry->call_count++;
    return NULL;
}

static const char *add_line(acl_t *self, acl_entry *entry, zconfig_t *line)
{
    const char *name = zconfig_name(line), *value = zconfig_value(line);
    if (!name || !value || zconfig_child(line)) return "a line without a value";
    if (strcmp(name, "key") == 0) return add_key(self, entry, value);
    if (strcmp(name, "serve") == 0) return add_serve(entry, value);
    if (strcmp(name, "call") == 0) return add_call(entry, value);
    return "a line that is not key, serve or call";
}

static const char *add_principal(acl_t *self, acl_names_t *names, zconfig_t *section)
{
    const char *name = zconfig_name(section), *why = NULL;
    if (!text_is_made_of(name, TEXT_ID, 1, ACL_NAME_MAX)) return "not a principal's name";
    if (self->count == ACL_PRINCIPALS_MAX) return "too many principals";
    acl_entry *entry = &self->entries[self->count];
    entry->principal = intern(names, name);
    if (!entry->principal) return "too many principals since the start";
    for (unsigned i = 0; i < self->count; i++)
        if (self->entries[i].principal == entry->principal) return "a principal twice";
    self->count++;
    for (zconfig_t *line = zconfig_child(section); line && !why; line = zconfig_next(line))
        why = add_line(self, entry, line);
    if (!why && !entry->key_count) why = "a principal without a key";
    return why;
}

static const char *add_all(acl_t *self, acl_names_t *names, zconfig_t *root)
{
    const char *why = NULL;
    for (zconfig_t *top = zconfig_child(root); top && !why; top = zconfig_next(top)) {
        if (strcmp(zconfig_name(top), "principal") != 0) return "a section that is not principal";
        zconfig_t *section = zconfig_child(top);
        for (; section && !why; section = zconfig_next(section)) why = add_principal(self, names, section);
    }
    return why ? why : self->count ? NULL : "no principal";
}

static acl_t *acl_new(void)
{
    acl_t *self = calloc(1, sizeof *self);
    if (self) self->entries = calloc(ACL_PRINCIPALS_MAX, sizeof *self->entries);
    if (!self || !self->entries) abort();
    bus_map_init(&self->by_key);
    return self;
}

mk_code acl_parse(acl_names_t *names, const char *text, acl_t **ret_acl, const char **ret_why)
{
    const char *why = NULL;
    zconfig_t *root = zpl_parse(text, 2, zpl_keep_reason, &why);
    acl_t *acl = acl_new();
    if (root) why = add_all(acl, names, root);
    if (root) zconfig_destroy(&root);
    if (!why) {
        *ret_acl = acl;
        return MK_OK;
    }
    acl_destroy(&acl);
    *ret_why = why;
    return MK_BAD_REQUEST;
}

static ssize_t read_whole(const char *path, char *text, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return -1;
    size_t size = 0;
    ssize_t got = 0;
    while (size < cap && (got = read(fd, text + size, cap - size)) > 0) size += (size_t)got;
    close(fd);
    return got < 0 ? -1 : (ssize_t)size;
}

mk_code acl_load(acl_names_t *names, const char *path, acl_t **ret_acl, const char **ret_why)
{
    char *text = malloc(FILE_MAX + 1);
    if (!text) abort();
    ssize_t size = read_whole(path, text, FILE_MAX);
    mk_code code = MK_UNAVAILABLE;
    *ret_why = size < 0 ? "can't be read" : "not UTF-8 text without NUL below 256 KiB";
    if (size >= 0 && size < FILE_MAX && text_is_utf8(text, (size_t)size)) {
        text[size] = '\0';
        code = acl_parse(names, text, ret_acl, ret_why);
    }
    free(text);
    return code;
}

void acl_destroy(acl_t **self_p)
{
    if (!*self_p) return;
    bus_map_free(&(*self_p)->by_key);
    free((*self_p)->entries);
    free(*self_p);
    *self_p = NULL;
}

const acl_entry *acl_find(const acl_t *self, const char *key)
{
    uint64_t hash = key_hash(key);
    for (bus_map_node *node = NULL; (node = bus_map_find(&self->by_key, hash, node));) {
        const acl_key *one = (const acl_key *)(const void *)node; /* node is its first member */
        if (memcmp(one->text, key, BUS_KEY_TEXT) == 0) return one->entry;
    }
    return NULL;
}

const principal_t *acl_principal(const acl_entry *entry)
{
    return entry->principal;
}

bool acl_may_call(const acl_entry *entry, bus_slice service, bus_slice method)
{
    for (unsigned i = 0; i < entry->call_count; i++) {
        const pattern *one = &entry->call[i];
        if (!bus_slice_is(service, one->service)) continue;
        if (strcmp(one->method, "*") == 0 || bus_slice_is(method, one->method)) return true;
    }
    return false;
}

bool acl_may_serve(const acl_entry *entry, bus_slice service)
{
    for (unsigned i = 0; i < entry->serve_count; i++)
        if (bus_slice_is(service, entry->serve[i])) return true;
    return false;
}

void acl_each_service(const acl_t *self, void (*fn)(const char *service, void *arg), void *arg)
{
    for (unsigned i = 0; i < self->count; i++)
        for (unsigned s = 0; s < self->entries[i].serve_count; s++) fn(self->entries[i].serve[s], arg);
}
