-- SPDX-License-Identifier: Apache-2.0
-- Service IDs: link, unlink, consent, undo, resolve.
SET search_path = registry;

CREATE FUNCTION give_consent(p_holder uuid, p_operator text, p_terms text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO consent VALUES (p_holder, p_operator, p_terms, japan_today())
        ON CONFLICT (holder_id, operator_id, terms_version)
        DO UPDATE SET given_on = japan_today(), withdrawn_on = NULL WHERE consent.withdrawn_on IS NOT NULL
$$;

CREATE FUNCTION count_refusal(p_credential bytea) RETURNS void LANGUAGE sql AS $$
    INSERT INTO link_refusal VALUES (p_credential, japan_today(), 1)
        ON CONFLICT (credential_id, refused_on) DO UPDATE SET refusals = link_refusal.refusals + 1
$$;

-- OK: the number is the holder's. NUMBER_TAKEN says nothing about whose it is, or that eight are enough.
CREATE FUNCTION take_number(p_holder uuid, p_operator text, p_customer text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_count integer;
    v_next smallint;
    v_mine boolean;
BEGIN
    SELECT count(*), coalesce(max(ordinal), 0) + 1, coalesce(bool_or(customer_id = p_customer), false)
      INTO v_count, v_next, v_mine FROM service_link WHERE holder_id = p_holder AND operator_id = p_operator;
    IF v_mine THEN RETURN 'OK'; END IF;
    IF v_count >= 8 THEN RETURN 'NUMBER_TAKEN'; END IF;
    INSERT INTO service_link VALUES (p_operator, p_customer, p_holder, v_next) ON CONFLICT DO NOTHING;
    RETURN CASE WHEN FOUND THEN 'OK' ELSE 'NUMBER_TAKEN' END;
END $$;

CREATE FUNCTION link(p_credential bytea, p_operator text, p_request bytea, p_content bytea, p_customer text,
    p_terms text, OUT code text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v_holder uuid;
BEGIN
    SELECT a.code, a.r_holder INTO code, v_holder FROM holder_act(p_credential, p_request, p_content) a;
    IF code = 'REPEAT' THEN code := 'OK'; RETURN; END IF;
    IF code <> 'OK' THEN RETURN; END IF;
    IF EXISTS (SELECT FROM link_refusal
                WHERE credential_id = p_credential AND refused_on = japan_today() AND refusals >= 5) THEN
        code := 'LINK_LOCKED';
        RETURN;
    END IF;
    SELECT CASE WHEN terms_version = p_terms THEN 'OK' ELSE 'TERMS_OUTDATED' END INTO code
      FROM operator WHERE operator_id = p_operator;
    IF NOT FOUND THEN code := 'OPERATOR_UNKNOWN'; END IF;
    IF code <> 'OK' THEN RETURN; END IF;
    code := take_number(v_holder, p_operator, p_customer);
    IF code = 'OK' THEN
        PERFORM give_consent(v_holder, p_operator, p_terms), refresh_lookup(v_holder),
            request_mark(p_request, p_content);
    ELSE
        PERFORM count_refusal(p_credential);
    END IF;
END $$;

CREATE FUNCTION not_linked(p_operator text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM operator WHERE operator_id = p_operator)
                THEN 'NOT_LINKED' ELSE 'OPERATOR_UNKNOWN' END
$$;

CREATE FUNCTION unlink(p_credential bytea, p_operator text, p_request bytea, p_content bytea,
    OUT code text, OUT r_removed bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v_holder uuid;
BEGIN
    r_removed := 0;
    SELECT a.code, a.r_holder INTO code, v_holder FROM holder_act(p_credential, p_request, p_content) a;
    IF code = 'REPEAT' THEN code := 'OK'; RETURN; END IF;
    IF code <> 'OK' THEN RETURN; END IF;
    DELETE FROM service_link WHERE holder_id = v_holder AND operator_id = p_operator;
    GET DIAGNOSTICS r_removed = ROW_COUNT;
    IF r_removed = 0 THEN code := not_linked(p_operator); RETURN; END IF;
    PERFORM refresh_lookup(v_holder), request_mark(p_request, p_content);
END $$;

CREATE FUNCTION withdraw_consent(p_credential bytea, p_operator text, p_request bytea, p_content bytea,
    OUT code text, OUT r_removed bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v_holder uuid;
    v_consents bigint;
BEGIN
    r_removed := 0;
    SELECT a.code, a.r_holder INTO code, v_holder FROM holder_act(p_credential, p_request, p_content) a;
    IF code = 'REPEAT' THEN code := 'OK'; RETURN; END IF;
    IF code <> 'OK' THEN RETURN; END IF;
    DELETE FROM service_link WHERE holder_id = v_holder AND operator_id = p_operator;
    GET DIAGNOSTICS r_removed = ROW_COUNT;
    UPDATE consent SET withdrawn_on = japan_today()
     WHERE holder_id = v_holder AND operator_id = p_operator AND withdrawn_on IS NULL;
    GET DIAGNOSTICS v_consents = ROW_COUNT;
    IF r_removed + v_consents = 0 THEN code := not_linked(p_operator); RETURN; END IF;
    PERFORM refresh_lookup(v_holder), request_mark(p_request, p_content);
END $$;

-- By the operator's staff, for a link made in error; the holder is told at the next tap there.
CREATE FUNCTION undo_link(p_operator text, p_terminal text, p_customer text, p_request bytea, p_content bytea,
    OUT code text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v_holder uuid;
BEGIN
    code := check_terminal(p_terminal, p_operator);
    IF code <> 'OK' THEN RETURN; END IF;
    SELECT holder_id INTO v_holder FROM service_link WHERE operator_id = p_operator AND customer_id = p_customer;
    PERFORM FROM holder WHERE holder_id = v_holder FOR UPDATE;
    code := request_verdict(p_request, p_content);
    IF code = 'REPEAT' THEN code := 'OK'; RETURN; END IF;
    IF code <> 'NEW' THEN RETURN; END IF;
    DELETE FROM service_link
     WHERE operator_id = p_operator AND customer_id = p_customer AND holder_id = v_holder;
    IF NOT FOUND THEN code := 'NOT_LINKED'; RETURN; END IF;
    code := 'OK';
    INSERT INTO notice VALUES (v_holder, p_operator, 'link_undone') ON CONFLICT DO NOTHING;
    PERFORM refresh_lookup(v_holder), request_mark(p_request, p_content);
END $$;

-- Why a tap finds no number here, and whether a notice waits all the same (the last number was undone).
CREATE FUNCTION why_no_number(p_credential bytea, p_operator text, OUT code text, OUT r_noticed boolean)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_holder uuid;
    v_suspended boolean;
BEGIN
    SELECT h.holder_id, h.suspended INTO v_holder, v_suspended
      FROM credential c JOIN holder h USING (holder_id) WHERE c.credential_id = p_credential;
    code := CASE WHEN v_holder IS NULL THEN 'NO_MYKEY_ID'
                 WHEN v_suspended THEN 'ID_SUSPENDED'
                 ELSE not_linked(p_operator) END;
    r_noticed := code = 'NOT_LINKED'
        AND EXISTS (SELECT FROM notice n WHERE n.holder_id = v_holder AND n.operator_id = p_operator);
END $$;

-- Many taps in one statement: row i answers pair i with the asking operator's own numbers, oldest first, one a row.
-- It writes nothing. The service's session settings keep it on the index whatever the statistics say.
CREATE FUNCTION resolve(p_credentials bytea[], p_operators text[])
RETURNS TABLE (i bigint, code text, r_customer text, r_noticed boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = registry, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT k.i,
           CASE WHEN l.customer_id IS NULL THEN (why_no_number(k.c, k.o)).code ELSE 'OK' END,
           l.customer_id,
           CASE WHEN l.customer_id IS NULL THEN (why_no_number(k.c, k.o)).r_noticed ELSE l.noticed END
      FROM unnest(p_credentials, p_operators) WITH ORDINALITY AS k (c, o, i)
      LEFT JOIN lookup l ON l.credential_id = k.c AND l.operator_id = k.o
     ORDER BY k.i, l.ordinal;
END $$;

-- Notices are told once.
CREATE FUNCTION take_notices(p_credential bytea, p_operator text) RETURNS TABLE (r_kind text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v_holder uuid;
BEGIN
    SELECT holder_id INTO v_holder FROM credential WHERE credential_id = p_credential;
    PERFORM FROM holder WHERE holder_id = v_holder FOR UPDATE;
    RETURN QUERY
    DELETE FROM notice n WHERE n.holder_id = v_holder AND n.operator_id = p_operator RETURNING n.kind;
    PERFORM refresh_lookup(v_holder);
END $$;
