/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by counter.c (states and events), counter_tap.c (card, PIN, signature), counter_staff.c (terms, linking,
 * manual entry, typing) and snapshot.c. */
#ifndef MYKEY_AGENT_COUNTER_PRIVATE_H
#define MYKEY_AGENT_COUNTER_PRIVATE_H

#include "agent/barcode.h"
#include "agent/counter.h"
#include "agent/statement.h"
#include "common/base/bytes.h"

enum {
    VALUES_MAX = 8,
    NOTICES_MAX = 8,
    NOTICE_SIZE = 33,
    ID_SIZE = 16,
    SUSPEND_SIZE = 33,
    TERMS_VERSION_SIZE = 17,
    GATEWAY_SIZE = 129,
    CHALLENGES_MAX = 3
};

typedef enum counter_state {
    STATE_STARTING = 0,
    STATE_WAIT,
    STATE_READING,
    STATE_PIN,
    STATE_WORKING,
    STATE_NUMBER,
    STATE_TYPING,
    STATE_NOT_REGISTERED,
    STATE_TERMS,
    STATE_STAFF_SCAN,
    STATE_DONE,
    STATE_MANUAL,
    STATE_ERROR,
    STATE_COUNT
} counter_state;

/* Inside STATE_WORKING: what is being waited for. */
typedef enum counter_phase {
    PHASE_NONE = 0,
    PHASE_VERIFY,
    PHASE_CHALLENGE,
    PHASE_SIGN,
    PHASE_TAP,
    PHASE_STAFF
} counter_phase;

typedef enum counter_keys { KEYS_IDLE = 0, KEYS_COUNTDOWN, KEYS_DONE, KEYS_FAILED } counter_keys;

/* One person's business, wiped as a whole. */
typedef struct flow {
    Mykey__Purpose purpose; /* UNSPECIFIED = the default one */
    const char *staff_act;  /* "undo_link", "suspend", or NULL; static */
    counter_phase phase;
    uint8_t request_id[16];
    bool keep_request_id; /* its outcome is unknown: a retry is the same act */
    unsigned tries;
    bool last_confirmed;
    unsigned challenges;
    char gateway[GATEWAY_SIZE];
    uint8_t nonce[32];
    uint8_t certificate[JPKI_CERT_MAX];
    size_t certificate_size;
    uint8_t card_sha256[BYTES_SHA256_SIZE]; /* of the certificate that this business began with … */
    bool has_card;                          /* … if one was read */
    bool from_card;                         /* what is shown came from a card that may still be in */
    char terms_version[TERMS_VERSION_SIZE]; /* as shown; accepted if terms_accepted */
    bool terms_accepted;
    char scanned[NUMBER_MAX + 1];
    bool staff_confirmed;
    /* what came of it */
    char values[VALUES_MAX][NUMBER_MAX + 1];
    size_t value_count;
    int chosen; /* -1: several, and staff have not chosen yet */
    bool has_barcode;
    barcode code;
    char notices[NOTICES_MAX][NOTICE_SIZE];
    size_t notice_count;
    char mykey_id[ID_SIZE];
    char suspend_code[SUSPEND_SIZE];
    counter_keys keys;
    unsigned countdown;
    problem_t keys_problem;
    char manual_number[NUMBER_MAX + 1];
    problem_t manual_problem;
} flow_t;

typedef struct counter_error {
    problem_t problem;
    bool is_health; /* goes away by itself */
    unsigned tries;
    char incident[33];
    unsigned wait_s;
} counter_error;

struct counter {
    counter_options options;
    counter_ports ports;
    pin_t *pin;
    counter_state state;
    unsigned rev;
    /* the surroundings */
    terminal_health health;
    const Mykey__Terminal__TerminalInfo *info;
    output_rules rules;
    problem_t reader; /* CHECKING, MK_OK, READER_… */
    unsigned cards;
    bool fresh;       /* a card that no session has been opened with */
    bool after_stuck; /* the card that is still in made the reader hang */
    /* the present business */
    flow_t flow;
    counter_error error;
    bool clear_stopped;
    uint64_t clear_at_ms; /* monotonic; 0 = no timer */
};

/* An event's handlers get what it carries; fields that don't belong to it are NULL. */
typedef struct event_args {
    const counter_action *action;
    const card_report *report;
    const uplink_answer *answer;
    bool ok;
} event_args;

typedef problem_t event_fn(counter_t *self, const event_args *args);

/* counter.c */
void counter_enter(counter_t *self, counter_state state);
void counter_reset(counter_t *self);  /* wipes the business, ends card session and calls */
void counter_settle(counter_t *self); /* to wait, starting or a health error; begins if a fresh card is in */
void counter_fail(counter_t *self, problem_t problem);
Mykey__Purpose counter_purpose(const counter_t *self);
bool counter_is_municipality(const counter_t *self);

/* counter_tap.c */
void tap_begin(counter_t *self); /* opens the card */
event_fn tap_opened, tap_pin_digit, tap_pin_clear, tap_pin_submit, tap_confirm_last, tap_verified, tap_signed,
    tap_answered;

/* counter_staff.c */
void staff_proceed(counter_t *self); /* to the card, which may be in already */
problem_t staff_show_terms(counter_t *self);
void staff_show_number(counter_t *self);
event_fn staff_start, staff_register, staff_accept_terms, staff_scan, staff_confirm, staff_choose, staff_type,
    staff_type_cancel, staff_tick, staff_typed, staff_manual_open, staff_manual_number, staff_undo_link, staff_suspend;

#endif
