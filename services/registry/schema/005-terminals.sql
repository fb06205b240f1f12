-- SPDX-License-Identifier: Apache-2.0
-- Terminals: invited, enrolled (request kept until the terminal authority signs), renewed, revoked, found.
SET search_path = registry;

CREATE FUNCTION epoch_ms(p_time timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT (extract(epoch FROM p_time) * 1000)::bigint
$$;

CREATE FUNCTION invite_terminal(p_operator text, p_code_hash bytea, p_terminal text, p_label text,
    OUT code text, OUT r_expires_ms bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v_expires timestamptz := now() + interval '24 hours';
BEGIN
    code := 'OPERATOR_UNKNOWN';
    IF NOT EXISTS (SELECT FROM operator WHERE operator_id = p_operator) THEN RETURN; END IF;
    INSERT INTO invite VALUES (p_code_hash, p_terminal, p_operator, p_label, v_expires);
    code := 'OK';
    r_expires_ms := epoch_ms(v_expires);
END $$;

-- An invite serves once; the same request again (an answer was lost) gets the same enrolment.
CREATE FUNCTION enrol(p_code_hash bytea, p_enrolment bytea, p_csr bytea,
    OUT code text, OUT r_enrolment bytea, OUT r_terminal text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v invite;
BEGIN
    code := 'INVITE_INVALID';
    SELECT * INTO v FROM invite WHERE code_hash = p_code_hash AND expires_at > now() FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;
    IF v.enrolment_id IS NULL THEN
        INSERT INTO terminal VALUES (v.terminal_id, v.operator_id, v.label);
        INSERT INTO enrolment VALUES (p_enrolment, v.terminal_id, p_csr);
        UPDATE invite SET enrolment_id = p_enrolment WHERE code_hash = p_code_hash;
    ELSIF NOT EXISTS (SELECT FROM enrolment WHERE enrolment_id = v.enrolment_id AND csr = p_csr) THEN
        RETURN;
    END IF;
    code := 'OK';
    r_enrolment := coalesce(v.enrolment_id, p_enrolment);
    r_terminal := v.terminal_id;
END $$;

-- One open request a terminal: a newer one takes the place of the older, the same one again is the same.
CREATE FUNCTION renew(p_terminal text, p_enrolment bytea, p_csr bytea, OUT code text, OUT r_enrolment bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v_revoked boolean;
BEGIN
    SELECT revoked INTO v_revoked FROM terminal WHERE terminal_id = p_terminal FOR UPDATE;
    code := CASE WHEN v_revoked IS NULL THEN 'TERMINAL_UNKNOWN' WHEN v_revoked THEN 'TERMINAL_REVOKED' ELSE 'OK' END;
    IF code <> 'OK' THEN RETURN; END IF;
    SELECT enrolment_id INTO r_enrolment FROM enrolment WHERE terminal_id = p_terminal AND csr = p_csr;
    IF FOUND THEN RETURN; END IF;
    DELETE FROM enrolment WHERE terminal_id = p_terminal AND certificate IS NULL;
    INSERT INTO enrolment VALUES (p_enrolment, p_terminal, p_csr);
    r_enrolment := p_enrolment;
END $$;

CREATE FUNCTION enrol_result(p_enrolment bytea, OUT code text, OUT r_certificate bytea, OUT r_authority bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v_revoked boolean;
BEGIN
    SELECT t.revoked, e.certificate, e.authority INTO v_revoked, r_certificate, r_authority
      FROM enrolment e JOIN terminal t USING (terminal_id) WHERE e.enrolment_id = p_enrolment;
    code := CASE WHEN NOT FOUND THEN 'NOT_FOUND'
                 WHEN v_revoked THEN 'TERMINAL_REVOKED'
                 WHEN r_certificate IS NULL THEN 'ENROL_PENDING'
                 ELSE 'OK' END;
    IF code <> 'OK' THEN r_certificate := NULL; r_authority := NULL; END IF;
END $$;

CREATE FUNCTION pending_enrolments()
RETURNS TABLE (r_enrolment bytea, r_terminal text, r_operator text, r_csr bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = registry, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT e.enrolment_id, e.terminal_id, t.operator_id, e.csr
      FROM enrolment e JOIN terminal t USING (terminal_id)
     WHERE e.certificate IS NULL AND NOT t.revoked ORDER BY e.asked_at, e.enrolment_id LIMIT 16;
END $$;

-- The certificate must be for the requested key and name the terminal.
CREATE FUNCTION issue(p_enrolment bytea, p_certificate bytea, p_authority bytea, p_certificate_sha256 bytea,
    p_key bytea, p_key_sha256 bytea, p_common_name text, p_not_after_ms bigint, OUT code text, OUT r_terminal text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v enrolment;
    v_not_after timestamptz := to_timestamp(p_not_after_ms / 1000.0);
BEGIN
    SELECT * INTO v FROM enrolment WHERE enrolment_id = p_enrolment FOR UPDATE;
    IF NOT FOUND THEN code := 'NOT_FOUND'; RETURN; END IF;
    IF v.certificate IS NOT NULL THEN
        code := CASE WHEN v.certificate = p_certificate THEN 'OK' ELSE 'CONFLICT' END;
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM terminal WHERE terminal_id = v.terminal_id AND revoked) THEN
        code := 'TERMINAL_REVOKED';
        RETURN;
    END IF;
    code := 'BAD_REQUEST';
    IF position(p_key IN v.csr) = 0 OR p_common_name <> v.terminal_id OR v_not_after <= now() THEN RETURN; END IF;
    INSERT INTO terminal_certificate VALUES (p_certificate_sha256, v.terminal_id, p_key_sha256, v_not_after)
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN code := 'CONFLICT'; RETURN; END IF;
    UPDATE enrolment SET certificate = p_certificate, authority = p_authority WHERE enrolment_id = p_enrolment;
    r_terminal := v.terminal_id;
    code := 'OK';
END $$;

CREATE FUNCTION newest_not_after_ms(p_terminal text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(epoch_ms(max(not_after)), 0) FROM terminal_certificate WHERE terminal_id = p_terminal
$$;

-- Many certificates in one statement. A revoked terminal is found too: the asker decides.
CREATE FUNCTION find_terminals(p_certificates bytea[])
RETURNS TABLE (i bigint, code text, r_terminal text, r_revoked boolean, r_key_sha256 bytea, r_not_after_ms bigint,
               r_operator operator)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = registry, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT k.i, CASE WHEN o.operator_id IS NULL THEN 'TERMINAL_UNKNOWN' ELSE 'OK' END,
           t.terminal_id, t.revoked, c.key_sha256, newest_not_after_ms(t.terminal_id), o
      FROM unnest(p_certificates) WITH ORDINALITY AS k (sha256, i)
      LEFT JOIN terminal_certificate c ON c.certificate_sha256 = k.sha256 AND c.not_after > now()
      LEFT JOIN terminal t ON t.terminal_id = c.terminal_id
      LEFT JOIN operator o ON o.operator_id = t.operator_id
     ORDER BY k.i;
END $$;

CREATE FUNCTION list_terminals(p_operator text, p_after text)
RETURNS TABLE (r_terminal text, r_operator text, r_revoked boolean, r_key_sha256 bytea, r_not_after_ms bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = registry, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT t.terminal_id, t.operator_id, t.revoked, c.key_sha256, coalesce(epoch_ms(c.not_after), 0)
      FROM terminal t
      LEFT JOIN LATERAL (SELECT x.key_sha256, x.not_after FROM terminal_certificate x
                          WHERE x.terminal_id = t.terminal_id ORDER BY x.not_after DESC LIMIT 1) c ON true
     WHERE t.terminal_id > p_after AND (p_operator = '' OR t.operator_id = p_operator)
     ORDER BY t.terminal_id LIMIT 64;
END $$;

CREATE FUNCTION revoke_terminal(p_terminal text, OUT code text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
DECLARE
    v_known boolean;
BEGIN
    DELETE FROM invite WHERE terminal_id = p_terminal;
    v_known := FOUND;
    UPDATE terminal SET revoked = true WHERE terminal_id = p_terminal;
    v_known := v_known OR FOUND;
    DELETE FROM enrolment WHERE terminal_id = p_terminal AND certificate IS NULL;
    code := CASE WHEN v_known THEN 'OK' ELSE 'TERMINAL_UNKNOWN' END;
END $$;
