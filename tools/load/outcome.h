/* SPDX-License-Identifier: Apache-2.0 */
/* How a tap ended: a code of the platform's table, or one of ours behind it. */
#ifndef MYKEY_LOAD_OUTCOME_H
#define MYKEY_LOAD_OUTCOME_H

#include "common/base/code.h"

#define OUTCOME_OWN_TABLE(X)                                                                        \
    X(NETWORK, "network")     /* not reached, or broken during the request */                       \
    X(TIMEOUT, "timeout")     /* no answer, or no connection free, within the time */               \
    X(HTTP, "http")           /* not HTTP as the platform writes it, or not the gateway's answer */ \
    X(BODY, "body")           /* not the message that was asked for */                              \
    X(STATEMENT, "statement") /* a statement that an agent would not sign */                        \
    X(SIGN, "sign")           /* our own library could not sign */                                  \
    X(WRONG, "wrong")         /* another customer's number: worse than any error */

#define OUTCOME_ROW_ENUM(name, text) OUTCOME_##name,
typedef enum outcome {
    OUTCOME_OK = MK_OK,
    OUTCOME_BEFORE_OWN = MK_CODE_MAX,
    OUTCOME_OWN_TABLE(OUTCOME_ROW_ENUM) OUTCOME_COUNT
} outcome_t;
#undef OUTCOME_ROW_ENUM

/* "BUSY", "network". Static. */
const char *outcome_name(unsigned outcome);

#endif
