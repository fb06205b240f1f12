/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/problem.h"

#include <stddef.h>

typedef struct problem_row {
    problem_t problem;
    const char *name;
    bool retry;
} problem_row;

#define ROW(name, number, retry) {(number), #name, (retry) != 0},
static const problem_row rows[] = {PROBLEM_TABLE(ROW)};
#undef ROW

/* Rows of the platform's table after which the person at the counter can usefully begin again. */
static const problem_t begin_again[] = {MK_BUSY,           MK_NO_WORKERS,        MK_DEADLINE_EXCEEDED,
                                        MK_UNAVAILABLE,    MK_INTERNAL,          MK_REVOCATION_STALE,
                                        MK_CHALLENGE_GONE, MK_CHALLENGE_EXPIRED, MK_TERMS_OUTDATED,
                                        MK_NUMBER_INVALID, MK_TICKET_EXPIRED,    MK_SIGNATURE_INVALID};

static const problem_row *find(problem_t problem)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].problem == problem) return &rows[i];
    return NULL;
}

const char *problem_name(problem_t problem)
{
    const problem_row *row = find(problem);
    return row ? row->name : mk_code_name(problem);
}

bool problem_retry(problem_t problem)
{
    const problem_row *row = find(problem);
    if (row) return row->retry;
    for (size_t i = 0; i < sizeof begin_again / sizeof begin_again[0]; i++)
        if (begin_again[i] == problem) return true;
    return false;
}
