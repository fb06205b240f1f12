/* SPDX-License-Identifier: Apache-2.0 */
/* One request from its job to its one reply: the opened ticket, the statement under way, the metrics. */
#ifndef MYKEY_REGISTRY_CALL_H
#define MYKEY_REGISTRY_CALL_H

#include "proto/registry.pb-c.h"
#include "proto/tap.pb-c.h"
#include "services/registry/context.h"

typedef struct call call_t;

/* Begins the work. Anything but MK_OK is the answer; after MK_OK the call is answered by call_reply, once. */
typedef mk_code call_start_fn(call_t *call);
typedef void call_rows_fn(call_t *call, const PGresult *rows);

typedef struct method {
    const char *name;
    call_start_fn *start;
    uint32_t purpose_from, purpose_to;
} method_t;

enum { CALL_TEXT_MAX = 80 };

struct call {
    call_t *next; /* in a batch's queue */
    registry_t *registry;
    bus_job_t *job;
    const method_t *method;
    const ProtobufCMessage *message;
    Mykey__TapTicket *ticket; /* NULL if the method takes none */
    uint64_t started_us;
    const char *detail; /* static, told with a refusal */
    statement_id statement;
    call_rows_fn *on_rows;
    void (*on_failed)(call_t *call);  /* before the answer to a statement that failed; may be NULL */
    uint8_t request[32], content[32]; /* of an act (act.h), or of an undo */
    char text[CALL_TEXT_MAX];         /* kept by the method until its reply */
    bool noticed;                     /* Resolve: a notice was taken for this answer */
};

/* Opens the ticket if the method takes one, starts it, answers if it is refused at once. */
void call_run(const method_t *method, bus_job_t *job, registry_t *registry);

/* Runs a statement; on_rows is called only if it succeeded and its code (if it has one) is OK; else the call is
 * answered with what went wrong. on_rows NULL: answered OK without a body. */
void call_query(call_t *call, statement_id statement, const db_param *params, call_rows_fn *on_rows);

/* Answers and frees the call. */
void call_reply(call_t *call, mk_code code, const ProtobufCMessage *message);

/* Sets the detail of a refusal and returns its code. */
mk_code call_refuse(call_t *call, mk_code code, const char *detail);

/* The ticket's object is exactly this hash (NULL: none). TICKET_INVALID. */
mk_code call_check_object(call_t *call, const uint8_t *object) MK_CHECKED;

/* The code of this name in the error table; INTERNAL if there is none. */
mk_code call_code_of(const char *name);

/* "" for NULL. */
static inline const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

#define METHOD_START(name, start, request, from, to) call_start_fn start;
#include "services/registry/methods.tbl.h"
REGISTRY_METHODS(METHOD_START)
#undef METHOD_START

#endif
