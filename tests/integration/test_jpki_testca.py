# SPDX-License-Identifier: Apache-2.0
"""The test certificate authority: openssl as the second opinion, what stays and what is made anew."""

import json
import os
import shutil
import stat
import subprocess
import tempfile

import pytest
from jpkilib import run_testca

CARDS = ["card-1", "card-2", "card-3", "card-new", "card-revoked", "card-expired", "card-evil"]
POLICY = "1.2.392.200149.8.5.1.3.30"


@pytest.fixture(scope="module")
def ca():
    folder = tempfile.mkdtemp(prefix="mkca-", dir="/tmp")
    run_testca(folder)
    yield folder
    shutil.rmtree(folder)


def openssl(*arguments):
    result = subprocess.run(["openssl", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return result.returncode, result.stdout


def to_pem(kind, path):
    return openssl(kind, "-inform", "der", "-in", path)[1]


def judge(ca, name):
    """openssl's word on a card, with both roots and both lists."""
    with open(f"{ca}/trust.pem", "w", encoding="ascii") as file:
        for root in ("auth-1", "auth-2"):
            file.write(to_pem("x509", f"{ca}/roots/{root}.der") + to_pem("crl", f"{ca}/crl/{root}.crl"))
    with open(f"{ca}/card.pem", "w", encoding="ascii") as file:
        file.write(to_pem("x509", f"{ca}/cards/{name}/auth.der"))
    return openssl("verify", "-CAfile", f"{ca}/trust.pem", "-crl_check", "-x509_strict", "-policy", POLICY,
                   "-explicit_policy", f"{ca}/card.pem")


@pytest.mark.parametrize("name", ["card-1", "card-2", "card-3", "card-new"])
def test_good_cards_verify(ca, name):
    status, text = judge(ca, name)
    assert status == 0, text


@pytest.mark.parametrize("name, word", [("card-revoked", "certificate revoked"), ("card-expired", "has expired"),
                                        ("card-evil", "signature failure")])
def test_bad_cards_do_not(ca, name, word):
    status, text = judge(ca, name)
    assert status != 0 and word in text


def test_the_profile_is_the_real_one(ca):
    text = openssl("x509", "-inform", "der", "-in", f"{ca}/cards/card-1/auth.der", "-noout", "-text")[1]
    for part in ("Public-Key: (2048 bit)", "Exponent: 65537", f"Policy: {POLICY}", "CPS: http://www.jpki.go.jp/cps.html",
                 "OU = JPKI for user authentication", "X509v3 Key Usage: critical\n                Digital Signature\n",
                 "X509v3 Issuer Alternative Name", "CRL Distribution Points", "sha256WithRSAEncryption"):
        assert part in text, part
    assert "Subject Alternative Name" not in text, "an authentication certificate names nobody"
    sign = openssl("x509", "-inform", "der", "-in", f"{ca}/cards/card-1/sign.der", "-noout", "-text")[1]
    assert "Digital Signature, Non Repudiation" in sign and "1.2.392.200149.8.5.5.1" in sign


def test_the_forged_card_looks_like_its_victim(ca):
    fields = ("-serial", "-subject", "-issuer")
    victim, forged = (openssl("x509", "-inform", "der", "-in", f"{ca}/cards/{name}/auth.der", "-noout", *fields)
                      for name in ("card-1", "card-evil"))
    assert victim == forged


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_a_second_run_keeps_cards_and_roots_and_renews_lists(ca):
    kept = [f"roots/{name}.der" for name in ("auth-1", "auth-2")]
    kept += [f"cards/{name}/{file}" for name in CARDS for file in ("auth.der", "auth.key", "sign.der", "card.json")]
    before, list_before = {path: read(f"{ca}/{path}") for path in kept}, read(f"{ca}/crl/auth-2.crl")
    run_testca(ca)
    assert {path: read(f"{ca}/{path}") for path in kept} == before
    assert read(f"{ca}/crl/auth-2.crl") != list_before
    assert judge(ca, "card-revoked")[0] != 0


def test_files_are_as_others_expect_them(ca):
    for name in CARDS:
        about = json.loads(read(f"{ca}/cards/{name}/card.json"))
        assert about["pin"] == "1234" and about["sign_pin"] == "ABC123" and about["token"] == "JPKIAPICCTOKEN2"
        for key in ("auth.key", "sign.key"):
            assert stat.S_IMODE(os.stat(f"{ca}/cards/{name}/{key}").st_mode) == 0o400
    assert sorted(os.listdir(f"{ca}/roots")) == ["auth-1.der", "auth-2.der"]
    status = subprocess.run(["sha256sum", "--check", "--quiet", "../root-pins"], cwd=f"{ca}/roots")
    assert status.returncode == 0
