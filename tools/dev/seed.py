# SPDX-License-Identifier: Apache-2.0
"""Loads the seed document's own table, as the database's owner: development data only, each at most once."""

import hashlib
import hmac

from cryptography import x509
from operators import HOLDERS


def sql_text(text):
    return "'" + text.replace("'", "''") + "'"


def newest_key(path):
    with open(path, encoding="ascii") as file:
        version, key = file.read().split("\n")[-2].split()
    return int(version), bytes.fromhex(key)


def credential_id(key, certificate):
    """docs/tap.md: HMAC over the length-prefixed issuer and serial number."""
    issuer = certificate.issuer.public_bytes()
    serial = certificate.serial_number.to_bytes(certificate.serial_number.bit_length() // 8 + 1, "big")
    parts = b"".join(len(part).to_bytes(4, "big") + part for part in (issuer, serial))
    return hmac.new(key, parts, hashlib.sha256).hexdigest()


def credential_of(stack, card):
    """A card's credential: its key version and its id as an SQL literal."""
    version, key = newest_key(stack.key("credential"))
    with open(stack.layout.in_data("ca", "cards", card, "auth.der"), "rb") as file:
        return version, f"'\\x{credential_id(key, x509.load_der_x509_certificate(file.read()))}'::bytea"


def link_statements(credential, links):
    return [f"SELECT registry.load_link({credential}, {sql_text(operator)}, {sql_text(number)});"
            for operator, number in links.items()]


def seed_links(stack, card, links):
    """Links numbers to a card that has a MyKey ID already."""
    _, credential = credential_of(stack, card)
    stack.cluster.sql("\n".join(link_statements(credential, links)), "registry", "registry_owner")


def seed(stack, holders=None):
    """A card that already has an ID, or an ID that was given up, is left as it is: what a counter changed stays changed."""
    statements = []
    for card, (mykey_id, links) in (HOLDERS if holders is None else holders).items():
        version, credential = credential_of(stack, card)
        known = stack.cluster.sql(f"""
            SELECT (SELECT count(*) FROM registry.credential WHERE credential_id = {credential})
                 + (SELECT count(*) FROM registry.retired_id
                     WHERE id_hash = sha256(convert_to({sql_text(mykey_id)}, 'UTF8')))""", "registry", "registry_owner")
        if known == "0":
            statements.append(f"SELECT registry.load_holder({credential}, {version}, {sql_text(mykey_id)});")
            statements += link_statements(credential, links)
    if statements:
        stack.cluster.sql("BEGIN;" + "\n".join(statements) + "COMMIT;", "registry", "registry_owner")
