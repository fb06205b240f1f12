-- SPDX-License-Identifier: Apache-2.0
-- Tables of the registry. docs/data-dictionary.csv lists every column with its purpose and retention, and must be equal.
-- Every primary key carries its distribution column; foreign keys only where both sides are distributed by holder_id;
-- no sequences. No row says that, when or where a card was tapped.

CREATE SCHEMA registry;
GRANT USAGE ON SCHEMA registry TO registry;
-- Functions are the only door: none is open unless granted by name (006-grants.sql).
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC;
SET search_path = registry;

-- ---- distributed by holder_id ----

CREATE TABLE holder (
    holder_id uuid PRIMARY KEY,
    suspended boolean NOT NULL DEFAULT false
);

CREATE TABLE consent (
    holder_id uuid NOT NULL REFERENCES holder ON DELETE CASCADE,
    operator_id text NOT NULL,
    terms_version text NOT NULL,
    given_on date NOT NULL,
    withdrawn_on date,
    PRIMARY KEY (holder_id, operator_id, terms_version)
);

CREATE TABLE pseudonym (
    holder_id uuid NOT NULL REFERENCES holder ON DELETE CASCADE,
    party text NOT NULL,
    pseudonym bytea NOT NULL CHECK (octet_length(pseudonym) = 16),
    PRIMARY KEY (holder_id, party)
);

CREATE TABLE notice (
    holder_id uuid NOT NULL REFERENCES holder ON DELETE CASCADE,
    operator_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('link_undone')),
    PRIMARY KEY (holder_id, operator_id, kind)
);

-- ---- ways to a holder: each distributed by its own key ----

CREATE TABLE credential (
    credential_id bytea PRIMARY KEY CHECK (octet_length(credential_id) = 32),
    key_version integer NOT NULL,
    holder_id uuid NOT NULL
);
CREATE INDEX credential_holder ON credential (holder_id);

CREATE TABLE mykey_id (
    mykey_id text PRIMARY KEY CHECK (mykey_id ~ '^[A-Z0-9]{8}$'),
    holder_id uuid NOT NULL
);
CREATE INDEX mykey_id_holder ON mykey_id (holder_id);

-- An ID that was changed or deleted: never issued again, and nobody's.
CREATE TABLE retired_id (
    id_hash bytea PRIMARY KEY
);

CREATE TABLE suspend_code (
    suspend_hash bytea PRIMARY KEY CHECK (octet_length(suspend_hash) = 32),
    holder_id uuid NOT NULL
);
CREATE INDEX suspend_code_holder ON suspend_code (holder_id);

-- ---- links: distributed by operator_id; look-ups: by credential_id ----

CREATE TABLE service_link (
    operator_id text NOT NULL,
    customer_id text NOT NULL CHECK (octet_length(customer_id) BETWEEN 1 AND 64),
    holder_id uuid NOT NULL,
    ordinal smallint NOT NULL,
    PRIMARY KEY (operator_id, customer_id)
);
CREATE INDEX service_link_holder ON service_link (holder_id, operator_id) INCLUDE (customer_id, ordinal);

-- What a tap answers: the numbers of service_link again, by the card and the asking operator; none while suspended.
-- Made from the other tables by refresh_lookup in each transaction that changes them, so that a tap reads one index of one
-- shard. noticed: a notice waits for the holder at this operator.
CREATE TABLE lookup (
    credential_id bytea NOT NULL,
    operator_id text NOT NULL,
    ordinal smallint NOT NULL,
    customer_id text NOT NULL,
    noticed boolean NOT NULL,
    PRIMARY KEY (credential_id, operator_id, ordinal) INCLUDE (customer_id, noticed)
);

CREATE TABLE operator (
    operator_id text PRIMARY KEY CHECK (operator_id ~ '^[A-Za-z0-9-]{1,32}$'),
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 6),
    label_ja text NOT NULL,
    label_en text NOT NULL,
    min_length smallint NOT NULL,
    max_length smallint NOT NULL,
    digits_only boolean NOT NULL,
    symbology smallint NOT NULL,
    start_stop text NOT NULL,
    check_digit smallint NOT NULL,
    keyboard boolean NOT NULL,
    key_suffix smallint NOT NULL,
    key_start_stop boolean NOT NULL,
    key_delay_ms smallint NOT NULL,
    clear_after_s smallint NOT NULL,
    terms_version text NOT NULL,
    terms_ja text NOT NULL,
    terms_en text NOT NULL,
    municipality_code text NOT NULL
);

-- ---- terminals ----

CREATE TABLE terminal (
    terminal_id text PRIMARY KEY CHECK (terminal_id ~ '^[A-Za-z0-9-]{1,32}$'),
    operator_id text NOT NULL,
    label text NOT NULL,
    revoked boolean NOT NULL DEFAULT false
);
CREATE INDEX terminal_operator ON terminal (operator_id, terminal_id);

CREATE TABLE terminal_certificate (
    certificate_sha256 bytea PRIMARY KEY CHECK (octet_length(certificate_sha256) = 32),
    terminal_id text NOT NULL,
    key_sha256 bytea NOT NULL CHECK (octet_length(key_sha256) = 32),
    not_after timestamptz NOT NULL
);
CREATE INDEX terminal_certificate_terminal ON terminal_certificate (terminal_id, not_after);

CREATE TABLE invite (
    code_hash bytea PRIMARY KEY CHECK (octet_length(code_hash) = 32),
    terminal_id text NOT NULL,
    operator_id text NOT NULL,
    label text NOT NULL,
    expires_at timestamptz NOT NULL,
    enrolment_id bytea
);
CREATE INDEX invite_terminal ON invite (terminal_id);

CREATE TABLE enrolment (
    enrolment_id bytea PRIMARY KEY CHECK (octet_length(enrolment_id) = 16),
    terminal_id text NOT NULL,
    csr bytea NOT NULL CHECK (octet_length(csr) BETWEEN 1 AND 4096),
    asked_at timestamptz NOT NULL DEFAULT now(),
    certificate bytea,
    authority bytea
);
CREATE INDEX enrolment_terminal ON enrolment (terminal_id);
CREATE INDEX enrolment_pending ON enrolment (asked_at) WHERE certificate IS NULL;

-- ---- kept for two days at most ----

-- Two hashes of an act that was done: what the request was called, and what it asked for.
CREATE TABLE request_done (
    request_hash bytea PRIMARY KEY CHECK (octet_length(request_hash) = 32),
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    done_on date NOT NULL
);
CREATE INDEX request_done_day ON request_done (done_on);

CREATE TABLE link_refusal (
    credential_id bytea NOT NULL,
    refused_on date NOT NULL,
    refusals smallint NOT NULL,
    PRIMARY KEY (credential_id, refused_on)
);

CREATE TABLE suspend_refusal (
    terminal_id text NOT NULL,
    refused_hour timestamptz NOT NULL,
    refusals smallint NOT NULL,
    PRIMARY KEY (terminal_id, refused_hour)
);
