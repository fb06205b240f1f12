/* SPDX-License-Identifier: Apache-2.0 */
/* What the counter page can be told went wrong: the platform's error table plus the agent's own rows (cards, readers,
 * network), in one number space. */
#ifndef MYKEY_AGENT_PROBLEM_H
#define MYKEY_AGENT_PROBLEM_H

#include <stdbool.h>

#include "common/base/code.h"

/* X(NAME, number, may the page offer "retry"?); numbers above every row of proto/errors.tbl.h, never on the wire. */
#define PROBLEM_TABLE(X)            \
    X(PIN_WRONG, 300, 1)            \
    X(PIN_BLOCKED, 301, 0)          \
    X(CARD_REMOVED, 310, 0)         \
    X(CARD_NOT_MYNUMBER, 311, 0)    \
    X(CARD_OLD_JUKI, 312, 0)        \
    X(CARD_PHONE, 313, 0)           \
    X(CARD_UNREADABLE, 314, 1)      \
    X(CARD_SEVERAL, 315, 0)         \
    X(READER_MISSING, 320, 0)       \
    X(READER_BUSY, 321, 0)          \
    X(READER_SERVICE_DOWN, 322, 0)  \
    X(READER_STUCK, 323, 1)         \
    X(NETWORK_DOWN, 330, 1)         \
    X(KEYBOARD_UNAVAILABLE, 340, 0) \
    X(CHECKING, 350, 0) /* not known yet; only inside "checks" */

#define PROBLEM_ROW_ENUM(name, number, retry) PROBLEM_##name = (number),
enum { PROBLEM_TABLE(PROBLEM_ROW_ENUM) };
#undef PROBLEM_ROW_ENUM

/* MK_OK (0), an mk_code, or a PROBLEM_ row. */
typedef unsigned problem_t;

/* "CARD_REMOVED", "CERT_REVOKED"; "INTERNAL" for a number of neither table. Static. */
const char *problem_name(problem_t problem);

/* Does doing the same again help, without anybody else's work? */
bool problem_retry(problem_t problem);

/* Guard and leave, for functions that answer a problem_t. */
#define PROBLEM_TRY(expr)                      \
    do {                                       \
        problem_t try_problem_ = (expr);       \
        if (try_problem_) return try_problem_; \
    } while (0)

#endif
