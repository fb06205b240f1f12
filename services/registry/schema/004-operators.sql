-- SPDX-License-Identifier: Apache-2.0
-- Operators. Values are checked by the service (operator_row.c) before they come here.
SET search_path = registry;

CREATE FUNCTION put_operator(p_id text, p_kind bigint, p_label_ja text, p_label_en text, p_min bigint, p_max bigint,
    p_digits boolean, p_symbology bigint, p_start_stop text, p_check_digit bigint, p_keyboard boolean,
    p_suffix bigint, p_key_start_stop boolean, p_delay bigint, p_clear bigint, p_terms_version text, p_terms_ja text,
    p_terms_en text, p_municipality text, OUT code text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = registry, pg_temp AS $$
BEGIN
    INSERT INTO operator AS o VALUES (p_id, p_kind, p_label_ja, p_label_en, p_min, p_max, p_digits, p_symbology,
        p_start_stop, p_check_digit, p_keyboard, p_suffix, p_key_start_stop, p_delay, p_clear, p_terms_version,
        p_terms_ja, p_terms_en, p_municipality)
    ON CONFLICT (operator_id) DO UPDATE SET (kind, label_ja, label_en, min_length, max_length, digits_only, symbology,
        start_stop, check_digit, keyboard, key_suffix, key_start_stop, key_delay_ms, clear_after_s, terms_version,
        terms_ja, terms_en, municipality_code) =
        (excluded.kind, excluded.label_ja, excluded.label_en, excluded.min_length, excluded.max_length,
         excluded.digits_only, excluded.symbology, excluded.start_stop, excluded.check_digit, excluded.keyboard,
         excluded.key_suffix, excluded.key_start_stop, excluded.key_delay_ms, excluded.clear_after_s,
         excluded.terms_version, excluded.terms_ja, excluded.terms_en, excluded.municipality_code);
    code := 'OK';
END $$;

CREATE FUNCTION get_operator(p_id text) RETURNS SETOF operator
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = registry, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT * FROM operator WHERE operator_id = p_id;
END $$;

CREATE FUNCTION list_operators(p_after text) RETURNS SETOF operator
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = registry, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT * FROM operator WHERE operator_id > p_after ORDER BY operator_id LIMIT 32;
END $$;
