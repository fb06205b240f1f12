/* SPDX-License-Identifier: Apache-2.0 */
/* A list whose links live in the members: taking a member off needs no search. */
#ifndef MYKEY_BUS_BUS_LIST_H
#define MYKEY_BUS_BUS_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct bus_list {
    struct bus_list *prev, *next; /* of a member: NULL while it is in no list */
} bus_list;

#define BUS_OWNER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void bus_list_init(bus_list *head)
{
    head->prev = head->next = head;
}

static inline bool bus_list_empty(const bus_list *head)
{
    return head->next == head;
}

static inline bool bus_list_linked(const bus_list *node)
{
    return node->next != NULL;
}

static inline void bus_list_insert(bus_list *before, bus_list *node)
{
    node->prev = before->prev;
    node->next = before;
    before->prev->next = node;
    before->prev = node;
}

static inline void bus_list_push(bus_list *head, bus_list *node)
{
    bus_list_insert(head, node);
}

static inline void bus_list_push_front(bus_list *head, bus_list *node)
{
    bus_list_insert(head->next, node);
}

static inline void bus_list_remove(bus_list *node)
{
    if (!node->next) return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = NULL;
}

static inline bus_list *bus_list_first(const bus_list *head)
{
    return head->next == head ? NULL : head->next; /* NOLINT(clang-analyzer-unix.Malloc): it can't follow the links */
}

static inline bus_list *bus_list_pop(bus_list *head)
{
    bus_list *node = bus_list_first(head);
    if (node) bus_list_remove(node);
    return node;
}

/* The body may remove `node` itself, no other member. */
#define BUS_LIST_EACH(node, head)                                                  \
    for (bus_list *node = (head)->next, *node##_next = node->next; node != (head); \
         node = node##_next, node##_next = node->next)

#endif
