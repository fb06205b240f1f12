/* SPDX-License-Identifier: Apache-2.0
 *
 * What a tap can be for, and the registry's method that does it:
 *   X(PURPOSE_…, field, Method, at municipal counters only, has an object (docs/tap.md), changes something) */
/* clang-format off */
#define PURPOSE_TABLE(X) \
    X(RESOLVE,          resolve,          Resolve,         false, false, false) \
    X(CREATE_ID,        create_id,        CreateId,        true,  true,  true)  \
    X(SHOW_ID,          show_id,          ShowId,          true,  false, false) \
    X(CHANGE_ID,        change_id,        ChangeId,        true,  false, true)  \
    X(DELETE_ID,        delete_id,        DeleteId,        true,  false, true)  \
    X(RESUME_ID,        resume_id,        ResumeId,        true,  false, true)  \
    X(LINK,             link,             Link,            false, true,  true)  \
    X(UNLINK,           unlink,           Unlink,          false, false, true)  \
    X(WITHDRAW_CONSENT, withdraw_consent, WithdrawConsent, false, false, true)
/* clang-format on */
