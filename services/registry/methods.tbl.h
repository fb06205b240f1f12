/* SPDX-License-Identifier: Apache-2.0
 * Every method of the registry: X(Name, start function, request type, first purpose, last purpose).
 * Purposes: what a tap ticket must have been made for; 0, 0: the method takes no ticket. */
/* clang-format off */
#define REGISTRY_METHODS(X) \
    X(Resolve, resolve_start, resolve_request, 1, 1) \
    X(FindTerminal, find_terminal_start, find_terminal_request, 0, 0) \
    X(CreateId, create_id_start, create_id_request, 2, 2) \
    X(ShowId, show_id_start, show_id_request, 3, 3) \
    X(ChangeId, change_id_start, change_id_request, 4, 4) \
    X(DeleteId, delete_id_start, delete_id_request, 5, 5) \
    X(ResumeId, resume_id_start, resume_id_request, 6, 6) \
    X(Suspend, suspend_start, suspend_request, 0, 0) \
    X(Pseudonym, pseudonym_start, pseudonym_request, 20, 39) \
    X(Link, link_start, link_request, 7, 7) \
    X(Unlink, unlink_start, unlink_request, 8, 8) \
    X(WithdrawConsent, withdraw_consent_start, withdraw_consent_request, 9, 9) \
    X(UndoLink, undo_link_start, undo_link_request, 0, 0) \
    X(PutOperator, put_operator_start, put_operator_request, 0, 0) \
    X(GetOperator, get_operator_start, get_operator_request, 0, 0) \
    X(ListOperators, list_operators_start, list_operators_request, 0, 0) \
    X(Invite, invite_start, invite_request, 0, 0) \
    X(Enrol, enrol_start, enrol_request, 0, 0) \
    X(Renew, renew_start, renew_request, 0, 0) \
    X(EnrolResult, enrol_result_start, enrol_result_request, 0, 0) \
    X(Pending, pending_start, pending_request, 0, 0) \
    X(Issue, issue_start, issue_request, 0, 0) \
    X(ListTerminals, list_terminals_start, list_terminals_request, 0, 0) \
    X(RevokeTerminal, revoke_terminal_start, revoke_terminal_request, 0, 0)
/* clang-format on */
