/* SPDX-License-Identifier: Apache-2.0 */
/* What every verb has: its arguments, where to print, how to end, and calls over the bus. A verb ends with ctl_finish,
 * at once or from the callback of its last call; the loop runs once (czmq's can't be started again safely). */
#ifndef MYKEY_MYKEYCTL_CTL_H
#define MYKEY_MYKEYCTL_CTL_H

#include <czmq.h>
#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#include "common/base/code.h"
#include "tools/mykeyctl/args.h"

typedef enum ctl_exit { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 } ctl_exit;

typedef struct ctl ctl_t;
typedef void ctl_verb_fn(ctl_t *ctl);

ctl_t *ctl_new(const args_t *args);
void ctl_destroy(ctl_t **self_p);

/* Runs a verb to its end; with bus: after connecting by the settings bus.* of --config, --set and the environment (at
 * most 5 s). The exit status. */
ctl_exit ctl_run(ctl_t *self, ctl_verb_fn *verb, bool bus);

/* The verb is done. The worst status told counts. */
void ctl_finish(ctl_t *self, ctl_exit status);

/* For a verb that goes on until SIGTERM or SIGINT; being stopped is no failure, whatever it complained about before. */
void ctl_stop_on_signals(ctl_t *self);

const args_t *ctl_args(const ctl_t *self);

/* The word after group and verb, from 0; NULL if there are fewer. */
const char *ctl_word(const ctl_t *self, size_t index);

/* Writes "mykeyctl: …" to stderr; the exit status becomes CTL_FAILED. */
void ctl_complain(ctl_t *self, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with the code's own text and who can fix it. */
void ctl_complain_code(ctl_t *self, const char *what, mk_code code, const char *detail);

/* ctl_complain and ctl_finish. */
void ctl_fail(ctl_t *self, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the value as JSON on a line and releases it. */
void ctl_print_json(json_t *value);

/* ---- for verbs on the bus ---- */

zloop_t *ctl_loop(ctl_t *self);

/* reply: of the type asked for, NULL unless code is MK_OK; freed after the callback. detail: "" if none. */
typedef void ctl_reply_fn(mk_code code, const char *detail, const ProtobufCMessage *reply, void *arg);

typedef struct ctl_call {
    const char *service, *method;
    const ProtobufCMessage *request;
    const ProtobufCMessageDescriptor *reply_type; /* NULL: the body doesn't matter */
    bool repeatable;
    const char *broker; /* NULL = either; "a" or "b" */
} ctl_call;

/* Is a broker of this name set? */
bool ctl_has_broker(const ctl_t *self, const char *name);

/* fn is called once, from the loop. */
void ctl_send(ctl_t *self, const ctl_call *call, ctl_reply_fn *fn, void *arg);

#endif
