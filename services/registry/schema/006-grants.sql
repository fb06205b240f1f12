-- SPDX-License-Identifier: Apache-2.0
-- What the service's role may do: call these, and nothing else. And two doors of the owner alone.
SET search_path = registry;

GRANT EXECUTE ON FUNCTION create_id, show_id, change_id, delete_check, delete_holder, delete_holders, resume_id, suspend,
    pseudonym_for, sweep, link, unlink, withdraw_consent, undo_link, resolve, take_notices, put_operator, get_operator,
    list_operators, invite_terminal, enrol, renew, enrol_result, pending_enrolments, issue, find_terminals,
    list_terminals, revoke_terminal TO registry;
GRANT USAGE ON TYPE operator TO registry;

-- Loading holders and links that exist already (a move from another system, demonstration data): owner only.
CREATE FUNCTION load_holder(p_credential bytea, p_key_version integer, p_mykey_id text) RETURNS uuid LANGUAGE plpgsql
SET search_path = registry, pg_temp AS $$
DECLARE
    v_holder uuid;
BEGIN
    SELECT holder_id INTO v_holder FROM credential WHERE credential_id = p_credential;
    IF FOUND THEN RETURN v_holder; END IF;
    v_holder := gen_random_uuid();
    INSERT INTO credential VALUES (p_credential, p_key_version, v_holder);
    INSERT INTO holder VALUES (v_holder);
    INSERT INTO mykey_id VALUES (p_mykey_id, v_holder);
    RETURN v_holder;
END $$;

CREATE FUNCTION load_link(p_credential bytea, p_operator text, p_customer text) RETURNS void LANGUAGE plpgsql
SET search_path = registry, pg_temp AS $$
DECLARE
    v_holder uuid;
    v_terms text;
BEGIN
    SELECT holder_id INTO STRICT v_holder FROM credential WHERE credential_id = p_credential;
    SELECT terms_version INTO STRICT v_terms FROM operator WHERE operator_id = p_operator;
    IF take_number(v_holder, p_operator, p_customer) <> 'OK' THEN
        RAISE EXCEPTION 'the number is linked to another holder' USING ERRCODE = 'unique_violation';
    END IF;
    PERFORM give_consent(v_holder, p_operator, v_terms), refresh_lookup(v_holder);
END $$;
