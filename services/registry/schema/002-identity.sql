-- SPDX-License-Identifier: Apache-2.0
-- MyKey IDs: create, show, change, delete, suspend, resume; pseudonyms. `code` is a name of proto/errors.tbl.h.
-- A holder's row is locked before anything that hangs on it is changed, so acts for one holder are one after another.
SET search_path = registry;

CREATE FUNCTION japan_today() RETURNS date LANGUAGE sql STABLE AS $$
    SELECT (now() AT TIME ZONE 'Asia/Tokyo')::date
$$;

-- NEW, REPEAT (this very act was done) or CONFLICT (the request id stood for another act).
CREATE FUNCTION request_verdict(p_request bytea, p_content bytea) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT CASE WHEN content_hash = p_content THEN 'REPEAT' ELSE 'CONFLICT' END
                       FROM request_done WHERE request_hash = p_request), 'NEW')
$$;

CREATE FUNCTION request_mark(p_request bytea, p_content bytea) RETURNS void LANGUAGE sql AS $$
    INSERT INTO request_done VALUES (p_request, p_content, japan_today()) ON CONFLICT DO NOTHING
$$;

CREATE FUNCTION check_municipality(p_operator text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT CASE WHEN kind = 6 THEN 'OK' ELSE 'OPERATOR_KIND' END
                       FROM operator WHERE operator_id = p_operator), 'OPERATOR_UNKNOWN')
$$;

CREATE FUNCTION check_terminal(p_terminal text, p_operator text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT CASE WHEN revoked THEN 'TERMINAL_REVOKED' ELSE 'OK' END FROM terminal
                      WHERE terminal_id = p_terminal AND operator_id = p_operator), 'TERMINAL_UNKNOWN')
$$;

-- Locks the holder behind a credential for an act. REPEAT before all else: a repeat changes nothing.
CREATE FUNCTION holder_act(p_credential bytea, p_request bytea, p_content bytea, OUT code text, OUT r_holder uuid)
LANGUAGE plpgsql AS $$
DECLARE
    v_suspended boolean;
    v_verdict text;
BEGIN
    SELECT holder_id INTO r_holder FROM credential WHERE credential_id = p_credential;
    SELECT suspended INTO v_suspended FROM holder WHERE holder_id = r_holder FOR UPDATE;
    v_verdict := request_verdict(p_request, p_content);
    code := CASE WHEN v_verdict <> 'NEW' THEN v_verdict
                 WHEN v_suspended IS NULL THEN 'NO_MYKEY_ID'
                 WHEN v_suspended THEN 'ID_SUSPENDED'
                 ELSE 'OK' END;
END $$;

-- The first candidate that was never issued becomes the holder's. None: the whole act is undone and answered BUSY.
CREATE FUNCTION take_mykey_id(p_holder uuid, p_candidates text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_candidate text;
BEGIN
    FOREACH v_candidate IN ARRAY p_candidates LOOP
        CONTINUE WHEN EXISTS (SELECT FROM retired_id WHERE id_hash = sha256(convert_to(v_candidate, 'UTF8')));
        INSERT INTO mykey_id VALUES (v_candidate, p_holder) ON CONFLICT DO NOTHING;
        IF FOUND THEN RETURN v_candidate; END IF;
    END LOOP;
    RAISE EXCEPTION 'every candidate is taken' USING ERRCODE = 'lock_not_available';
END $$;

CREATE FUNCTION retire_mykey_id(p_holders uuid[]) RETURNS void LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM mykey_id WHERE holder_id = ANY (p_holders) RETURNING mykey_id)
    INSERT INTO retired_id SELECT sha256(convert_to(mykey_id, 'UTF8')) FROM gone ON CONFLICT DO NOTHING
$$;

CREATE FUNCTION give_suspend_code(p_holder uuid, p_suspend_hash bytea) RETURNS void LANGUAGE sql AS $$
    DELETE FROM suspend_code WHERE holder_id = p_holder;
    INSERT INTO suspend_code VALUES (p_suspend_hash, p_holder);
$$;

-- The holder's row is locked by every caller: nothing under it moves meanwhile.
CREATE FUNCTION refresh_lookup(p_holder uuid) RETURNS void LANGUAGE sql AS $$
    DELETE FROM lookup WHERE credential_id IN (SELECT credential_id FROM credential WHERE holder_id = p_holder);
    INSERT INTO lookup
    SELECT c.credential_id, l.operator_id, l.ordinal, l.customer_id,
           EXISTS (SELECT FROM notice n WHERE n.holder_id = p_holder AND n.operator_id = l.operator_id)
      FROM holder h JOIN credential c USING (holder_id) JOIN service_link l USING (holder_id)
     WHERE h.holder_id = p_holder AND NOT h.suspended;
$$;

CREATE FUNCTION create_id(p_credential bytea, p_key_version bigint, p_operator text, p_request bytea, p_content bytea,
    p_holder uuid, p_candidates text[], p_suspend_hash bytea, OUT code text, OUT r_mykey_id text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v_holder uuid;
BEGIN
    code := check_municipality(p_operator);
    IF code <> 'OK' THEN RETURN; END IF;
    -- The key makes parallel creates for one card wait for each other.
    INSERT INTO credential VALUES (p_credential, p_key_version, p_holder) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        INSERT INTO holder VALUES (p_holder);
        r_mykey_id := take_mykey_id(p_holder, p_candidates);
        PERFORM give_suspend_code(p_holder, p_suspend_hash), request_mark(p_request, p_content);
        RETURN;
    END IF;
    SELECT a.code, a.r_holder INTO code, v_holder FROM holder_act(p_credential, p_request, p_content) a;
    IF code = 'REPEAT' AND v_holder IS NOT NULL THEN
        PERFORM give_suspend_code(v_holder, p_suspend_hash);
        SELECT mykey_id INTO r_mykey_id FROM mykey_id WHERE holder_id = v_holder;
        code := 'OK';
    ELSIF code <> 'CONFLICT' THEN
        code := 'ALREADY_HAS_ID';
    END IF;
END $$;

CREATE FUNCTION show_id(p_credential bytea, p_operator text, OUT code text, OUT r_mykey_id text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v_suspended boolean;
BEGIN
    code := check_municipality(p_operator);
    IF code <> 'OK' THEN RETURN; END IF;
    SELECT h.suspended, m.mykey_id INTO v_suspended, r_mykey_id
      FROM credential c JOIN holder h USING (holder_id) JOIN mykey_id m USING (holder_id)
     WHERE c.credential_id = p_credential;
    IF NOT FOUND THEN
        code := 'NO_MYKEY_ID';
    ELSIF v_suspended THEN
        code := 'ID_SUSPENDED';
        r_mykey_id := NULL;
    END IF;
END $$;

CREATE FUNCTION change_id(p_credential bytea, p_operator text, p_request bytea, p_content bytea, p_candidates text[],
    OUT code text, OUT r_mykey_id text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v_holder uuid;
BEGIN
    code := check_municipality(p_operator);
    IF code <> 'OK' THEN RETURN; END IF;
    SELECT a.code, a.r_holder INTO code, v_holder FROM holder_act(p_credential, p_request, p_content) a;
    IF code = 'REPEAT' THEN
        SELECT mykey_id INTO r_mykey_id FROM mykey_id WHERE holder_id = v_holder;
        code := CASE WHEN r_mykey_id IS NULL THEN 'NO_MYKEY_ID' ELSE 'OK' END;
    ELSIF code = 'OK' THEN
        PERFORM retire_mykey_id(ARRAY[v_holder]);
        r_mykey_id := take_mykey_id(v_holder, p_candidates);
        PERFORM request_mark(p_request, p_content);
    END IF;
END $$;

-- May this holder be deleted? The caller writes r_holder to the deletion log, then calls delete_holder. No r_holder: it
-- was done already.
CREATE FUNCTION delete_check(p_credential bytea, p_operator text, p_request bytea, p_content bytea,
    OUT code text, OUT r_holder uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
BEGIN
    code := check_municipality(p_operator);
    IF code <> 'OK' THEN RETURN; END IF;
    SELECT a.code, a.r_holder INTO code, r_holder FROM holder_act(p_credential, p_request, p_content) a;
    IF code = 'REPEAT' THEN code := 'OK'; r_holder := NULL; END IF;
END $$;

-- Removes all that hangs on these holders. Idempotent: unknown ones are passed over.
CREATE FUNCTION delete_holders(p_holders uuid[], OUT code text, OUT r_deleted bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
BEGIN
    PERFORM FROM holder WHERE holder_id = ANY (p_holders) ORDER BY holder_id FOR UPDATE;
    DELETE FROM link_refusal r USING credential c
     WHERE r.credential_id = c.credential_id AND c.holder_id = ANY (p_holders);
    DELETE FROM lookup k USING credential c
     WHERE k.credential_id = c.credential_id AND c.holder_id = ANY (p_holders);
    DELETE FROM credential WHERE holder_id = ANY (p_holders);
    DELETE FROM service_link WHERE holder_id = ANY (p_holders);
    DELETE FROM suspend_code WHERE holder_id = ANY (p_holders);
    PERFORM retire_mykey_id(p_holders);
    DELETE FROM holder WHERE holder_id = ANY (p_holders);  -- and consents, pseudonyms, notices with it
    GET DIAGNOSTICS r_deleted = ROW_COUNT;
    code := 'OK';
END $$;

CREATE FUNCTION delete_holder(p_holder uuid, p_request bytea, p_content bytea, OUT code text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
BEGIN
    PERFORM delete_holders(ARRAY[p_holder]);
    PERFORM request_mark(p_request, p_content);
    code := 'OK';
END $$;

CREATE FUNCTION resume_id(p_credential bytea, p_operator text, p_request bytea, p_content bytea, OUT code text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v_holder uuid;
BEGIN
    code := check_municipality(p_operator);
    IF code <> 'OK' THEN RETURN; END IF;
    SELECT a.code, a.r_holder INTO code, v_holder FROM holder_act(p_credential, p_request, p_content) a;
    IF code = 'REPEAT' THEN
        code := 'OK';
    ELSIF code IN ('OK', 'ID_SUSPENDED') THEN
        UPDATE holder SET suspended = false WHERE holder_id = v_holder;
        PERFORM refresh_lookup(v_holder);
        PERFORM request_mark(p_request, p_content);
        code := 'OK';
    END IF;
END $$;

-- p_hashes: the code under each version of the key. Five wrong ones an hour close this door for the terminal.
CREATE FUNCTION suspend(p_operator text, p_terminal text, p_hashes bytea[], OUT code text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v_hour timestamptz := date_trunc('hour', now());
    v_holder uuid;
BEGIN
    code := check_municipality(p_operator);
    IF code = 'OK' THEN code := check_terminal(p_terminal, p_operator); END IF;
    IF code <> 'OK' THEN RETURN; END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(p_terminal, 0));
    IF EXISTS (SELECT FROM suspend_refusal
                WHERE terminal_id = p_terminal AND refused_hour = v_hour AND refusals >= 5) THEN
        code := 'SUSPEND_LOCKED';
        RETURN;
    END IF;
    SELECT holder_id INTO v_holder FROM suspend_code WHERE suspend_hash = ANY (p_hashes);
    IF FOUND THEN
        UPDATE holder SET suspended = true WHERE holder_id = v_holder;
        PERFORM refresh_lookup(v_holder);
        RETURN;
    END IF;
    INSERT INTO suspend_refusal VALUES (p_terminal, v_hour, 1)
        ON CONFLICT (terminal_id, refused_hour) DO UPDATE SET refusals = suspend_refusal.refusals + 1;
    code := 'SUSPEND_CODE_WRONG';
END $$;

CREATE FUNCTION pseudonym_for(p_credential bytea, p_party text, p_candidate bytea,
    OUT code text, OUT r_pseudonym bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v_holder uuid;
    v_suspended boolean;
BEGIN
    SELECT holder_id INTO v_holder FROM credential WHERE credential_id = p_credential;
    SELECT suspended INTO v_suspended FROM holder WHERE holder_id = v_holder FOR KEY SHARE;
    code := CASE WHEN v_suspended IS NULL THEN 'NO_MYKEY_ID' WHEN v_suspended THEN 'ID_SUSPENDED' ELSE 'OK' END;
    IF code <> 'OK' THEN RETURN; END IF;
    INSERT INTO pseudonym VALUES (v_holder, p_party, p_candidate) ON CONFLICT DO NOTHING;
    SELECT pseudonym INTO r_pseudonym FROM pseudonym WHERE holder_id = v_holder AND party = p_party;
END $$;

-- Rows that are kept for two days at most, and what has expired.
CREATE FUNCTION sweep(OUT code text, OUT r_removed bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
BEGIN
    WITH a AS (DELETE FROM request_done WHERE done_on < japan_today() - 1 RETURNING 1),
         b AS (DELETE FROM link_refusal WHERE refused_on < japan_today() RETURNING 1),
         c AS (DELETE FROM suspend_refusal WHERE refused_hour < now() - interval '1 hour' RETURNING 1),
         d AS (DELETE FROM invite WHERE expires_at < now() RETURNING 1),
         e AS (DELETE FROM enrolment WHERE asked_at < now() - interval '7 days' RETURNING 1),
         f AS (DELETE FROM terminal_certificate WHERE not_after < now() - interval '1 day' RETURNING 1)
    SELECT count(*) INTO r_removed
      FROM (TABLE a UNION ALL TABLE b UNION ALL TABLE c UNION ALL TABLE d UNION ALL TABLE e UNION ALL TABLE f) x;
    code := 'OK';
END $$;
