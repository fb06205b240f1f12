/* SPDX-License-Identifier: Apache-2.0
 * Every statement of the registry: X(IDENTIFIER, "name", parameters, coded, "SQL"). coded: the first column is the name
 * of a row of the error table. Each is one call of one function of schema/. */
/* clang-format off */
#define REGISTRY_STATEMENTS(X) \
    X(CREATE_ID, "create_id", 8, true, "SELECT * FROM registry.create_id($1,$2,$3,$4,$5,$6,$7,$8)") \
    X(SHOW_ID, "show_id", 2, true, "SELECT * FROM registry.show_id($1,$2)") \
    X(CHANGE_ID, "change_id", 5, true, "SELECT * FROM registry.change_id($1,$2,$3,$4,$5)") \
    X(DELETE_CHECK, "delete_check", 4, true, "SELECT * FROM registry.delete_check($1,$2,$3,$4)") \
    X(DELETE_HOLDER, "delete_holder", 3, true, "SELECT * FROM registry.delete_holder($1,$2,$3)") \
    X(DELETE_HOLDERS, "delete_holders", 1, true, "SELECT * FROM registry.delete_holders($1)") \
    X(RESUME_ID, "resume_id", 4, true, "SELECT * FROM registry.resume_id($1,$2,$3,$4)") \
    X(SUSPEND, "suspend", 3, true, "SELECT * FROM registry.suspend($1,$2,$3)") \
    X(PSEUDONYM, "pseudonym", 3, true, "SELECT * FROM registry.pseudonym_for($1,$2,$3)") \
    X(SWEEP, "sweep", 0, true, "SELECT * FROM registry.sweep()") \
    X(LINK, "link", 6, true, "SELECT * FROM registry.link($1,$2,$3,$4,$5,$6)") \
    X(UNLINK, "unlink", 4, true, "SELECT * FROM registry.unlink($1,$2,$3,$4)") \
    X(WITHDRAW_CONSENT, "withdraw_consent", 4, true, "SELECT * FROM registry.withdraw_consent($1,$2,$3,$4)") \
    X(UNDO_LINK, "undo_link", 5, true, "SELECT * FROM registry.undo_link($1,$2,$3,$4,$5)") \
    X(RESOLVE, "resolve", 2, false, "SELECT * FROM registry.resolve($1,$2)") \
    X(TAKE_NOTICES, "take_notices", 2, false, "SELECT * FROM registry.take_notices($1,$2)") \
    X(PUT_OPERATOR, "put_operator", 19, true, \
      "SELECT * FROM registry.put_operator($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19)") \
    X(GET_OPERATOR, "get_operator", 1, false, "SELECT * FROM registry.get_operator($1)") \
    X(LIST_OPERATORS, "list_operators", 1, false, "SELECT * FROM registry.list_operators($1)") \
    X(INVITE, "invite", 4, true, "SELECT * FROM registry.invite_terminal($1,$2,$3,$4)") \
    X(ENROL, "enrol", 3, true, "SELECT * FROM registry.enrol($1,$2,$3)") \
    X(RENEW, "renew", 3, true, "SELECT * FROM registry.renew($1,$2,$3)") \
    X(ENROL_RESULT, "enrol_result", 1, true, "SELECT * FROM registry.enrol_result($1)") \
    X(PENDING, "pending", 0, false, "SELECT * FROM registry.pending_enrolments()") \
    X(ISSUE, "issue", 8, true, "SELECT * FROM registry.issue($1,$2,$3,$4,$5,$6,$7,$8)") \
    X(FIND_TERMINALS, "find_terminals", 1, false, \
      "SELECT f.i, f.code, f.r_terminal, f.r_revoked, f.r_key_sha256, f.r_not_after_ms, (f.r_operator).*" \
      " FROM registry.find_terminals($1) f") \
    X(LIST_TERMINALS, "list_terminals", 2, false, "SELECT * FROM registry.list_terminals($1,$2)") \
    X(REVOKE_TERMINAL, "revoke_terminal", 1, true, "SELECT * FROM registry.revoke_terminal($1)")
/* clang-format on */
