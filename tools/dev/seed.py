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


def seed(stack):
    """A card that already has an ID is left as it is: what was changed at a counter stays changed."""
    version, key = newest_key(stack.key("credential"))
    statements = []
    for card, (mykey_id, links) in HOLDERS.items():
        with open(stack.layout.in_data("ca", "cards", card, "auth.der"), "rb") as file:
            credential = f"'\\x{credential_id(key, x509.load_der_x509_certificate(file.read()))}'::bytea"
        known = stack.cluster.sql(f"SELECT count(*) FROM registry.credential WHERE credential_id = {credential}",
                                  "registry", "registry_owner")
        retired = stack.cluster.sql("SELECT count(*) FROM registry.retired_id WHERE id_hash = "
                                    f"sha256(convert_to({sql_text(mykey_id)}, 'UTF8'))", "registry", "registry_owner")
        if known != "0" or retired != "0":
            continue
        statements.append(f"SELECT registry.load_holder({credential}, {version}, {sql_text(mykey_id)});")
        statements += [f"SELECT registry.load_link({credential}, {sql_text(operator)}, {sql_text(number)});"
                       for operator, number in links.items()]
    if statements:
        stack.cluster.sql("BEGIN;" + "\n".join(statements) + "COMMIT;", "registry", "registry_owner")
