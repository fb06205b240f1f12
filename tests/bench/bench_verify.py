#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""verify: full verifications per second of one core inside jpki-verify's checking library (strict parse, path, policy,
usage, validity, revocation, challenge signature), 100,000 distinct certificates, none cached; against two RSA-2048
verifications with a new key object each (verify_floor.c). Size: revoked serials in the list."""

import os
import subprocess
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, utils

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)

from benchlib import BUILD, Bench  # noqa: E402

CERTIFICATES, CARDS, MILLISECONDS = 100_000, 8, 2000
PAIRS = {1000: 5}  # revoked serials: pairs
DATA = os.path.join(BUILD, "bench", "verify-data")


def program(name):
    return os.path.join(BUILD, "tests/bench", name)


def data(name):
    return os.path.join(DATA, name)


def testca(*arguments):
    subprocess.run(["/usr/bin/python3", f"{ROOT}/tools/testca/testca.py", data("ca"), *arguments], check=True,
                   stdout=subprocess.DEVNULL)


def make_certificates():
    """Kept from run to run; the signing takes a minute or two."""
    if os.path.exists(data("records")):
        return
    cards = []
    for number in range(CARDS):
        testca("issue", f"bench-{number}")
        cards += [data(f"ca/cards/bench-{number}/auth.der"), data(f"ca/cards/bench-{number}/auth.key")]
    print(f"  signing {CERTIFICATES:,} certificates (once) …", flush=True)
    subprocess.run([program("verify_make"), data("records.new"), str(CERTIFICATES), data("ca/private/auth-2.key"), *cards],
                   check=True)
    os.rename(data("records.new"), data("records"))


def make_floor():
    with open(data("ca/cards/bench-0/auth.key"), "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    digest = bytes(32)
    parts = {"modulus": key.public_key().public_numbers().n.to_bytes(256, "big"), "digest": digest,
             "signature": key.sign(digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))}
    for name, value in parts.items():
        with open(data(name), "wb") as file:
            file.write(value)


def rate(*command):
    output = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(output)


def ours(turn):
    return rate(program("verify_rate"), data("records"), data("ca/roots/auth-2.der"), data("ca/crl/auth-2.crl"),
                MILLISECONDS, turn * CERTIFICATES // 7)


def floor():
    return rate(program("verify_floor"), data("modulus"), data("signature"), data("digest"), MILLISECONDS)


def main():
    os.makedirs(DATA, exist_ok=True)
    make_certificates()
    make_floor()
    bench = Bench("verify", unit="verifications/s of CPU")
    for revoked, pairs in PAIRS.items():
        testca("crl", "--root", "auth-2", "--random", str(revoked))
        for turn in range(pairs):
            bench.pair(ours(turn), floor(), size=revoked)
    bench.finish(certificates=CERTIFICATES)


if __name__ == "__main__":
    main()
