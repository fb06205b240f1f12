/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "proto/registry.pb-c.h"
#include "tools/mykeyctl/operator_form.h"
#include "tools/mykeyctl/verbs.h"

typedef Mykey__Registry__Operator operator_t;

enum { PAGE_SIZE = 32, ID_MAX = 64 };

/* One verb runs in a process: its state is here. */
static struct {
    ctl_t *ctl;
    operator_form_t *form;
    char after[ID_MAX + 1]; /* the last id of the page before */
} state;

/* ---- add ---- */

static void on_added(mk_code code, const char *detail, const ProtobufCMessage *reply, void *arg)
{
    const char *id = operator_form_message(state.form)->operator_id;
    (void)reply, (void)arg;
    if (code != MK_OK) ctl_complain_code(state.ctl, id ? id : "operator", code, detail);
    if (code == MK_OK && ctl_args(state.ctl)->json) ctl_print_json(json_pack("{s:s}", "operator_id", id));
    operator_form_destroy(&state.form);
    ctl_finish(state.ctl, CTL_OK);
}

/* Words with an equals sign are fields, others files; the later counts. */
static mk_code gather(ctl_t *ctl, operator_form_t *form, char *why)
{
    for (size_t i = 0; ctl_word(ctl, i) != NULL; i++) {
        const char *word = ctl_word(ctl, i);
        MK_TRY(strchr(word, '=') ? operator_form_set(form, word, why) : operator_form_read(form, word, why));
    }
    return MK_OK;
}

void operator_add(ctl_t *ctl)
{
    char why[OPERATOR_WHY_MAX] = "not understood";
    state.ctl = ctl;
    state.form = operator_form_new();
    if (gather(ctl, state.form, why) != MK_OK) {
        operator_form_destroy(&state.form);
        ctl_complain(ctl, "%s", why);
        ctl_finish(ctl, CTL_USAGE);
        return;
    }
    Mykey__Registry__PutOperatorRequest request = MYKEY__REGISTRY__PUT_OPERATOR_REQUEST__INIT;
    request.operator_ = operator_form_message(state.form);
    ctl_call call = {"registry", "PutOperator", &request.base, NULL, true};
    ctl_send(ctl, &call, on_added, NULL);
}

/* ---- list ---- */

static void ask_page(void);

static void print_line(const operator_t *operator)
{
    if (ctl_args(state.ctl)->json) {
        ctl_print_json(operator_form_json(operator));
        return;
    }
    printf("%-32s  %-12s  %s\n", operator->operator_id ? operator->operator_id : "?", operator_form_kind(operator),
           operator->name_ja ? operator->name_ja : operator->name_en ? operator->name_en : "");
}

static void on_page(mk_code code, const char *detail, const ProtobufCMessage *message, void *arg)
{
    const Mykey__Registry__ListOperatorsReply *reply = (const Mykey__Registry__ListOperatorsReply *)message;
    (void)arg;
    if (code != MK_OK) ctl_complain_code(state.ctl, "operators", code, detail);
    for (size_t i = 0; code == MK_OK && i < reply->n_operators; i++) print_line(reply->operators[i]);
    if (code != MK_OK || reply->n_operators < PAGE_SIZE) {
        ctl_finish(state.ctl, CTL_OK);
        return;
    }
    const char *last = reply->operators[PAGE_SIZE - 1]->operator_id;
    snprintf(state.after, sizeof state.after, "%s", last ? last : "");
    ask_page();
}

static void ask_page(void)
{
    Mykey__Registry__ListOperatorsRequest request = MYKEY__REGISTRY__LIST_OPERATORS_REQUEST__INIT;
    request.after = state.after;
    ctl_call call = {"registry", "ListOperators", &request.base, &mykey__registry__list_operators_reply__descriptor,
                     true};
    ctl_send(state.ctl, &call, on_page, NULL);
}

void operator_list(ctl_t *ctl)
{
    state.ctl = ctl;
    ask_page();
}

/* ---- show ---- */

static void on_shown(mk_code code, const char *detail, const ProtobufCMessage *message, void *arg)
{
    const Mykey__Registry__GetOperatorReply *reply = (const Mykey__Registry__GetOperatorReply *)message;
    (void)arg;
    if (code == MK_OK && reply->operator_ == NULL) code = MK_OPERATOR_UNKNOWN;
    if (code != MK_OK) {
        ctl_complain_code(state.ctl, ctl_word(state.ctl, 0), code, detail);
    } else if (ctl_args(state.ctl)->json) {
        ctl_print_json(operator_form_json(reply->operator_));
    } else {
        operator_form_print(reply->operator_, stdout);
    }
    ctl_finish(state.ctl, CTL_OK);
}

void operator_show(ctl_t *ctl)
{
    Mykey__Registry__GetOperatorRequest request = MYKEY__REGISTRY__GET_OPERATOR_REQUEST__INIT;
    state.ctl = ctl;
    request.operator_id = (char *)(uintptr_t)ctl_word(ctl, 0);
    ctl_call call = {"registry", "GetOperator", &request.base, &mykey__registry__get_operator_reply__descriptor, true};
    ctl_send(ctl, &call, on_shown, NULL);
}
