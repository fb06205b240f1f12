# SPDX-License-Identifier: Apache-2.0
"""OpenSC, which knows real cards, gets along with the simulated one."""
import subprocess

import pytest
from simcardlib import PKCS11, Station, demo_cards


@pytest.fixture(scope="module")
def running():
    with Station(demo_cards(), insert="card-1") as started:
        yield started


@pytest.fixture
def station(running):
    running.ask("unblock card-1")
    return running


def pkcs11(station, *options):
    return station.run("pkcs11-tool", "--module", PKCS11, *options)


def verifies(station, certificate, data, signature):
    key = subprocess.run(["openssl", "x509", "-inform", "der", "-in", station.cards / "card-1" / certificate, "-pubkey",
                          "-noout"], check=True, capture_output=True).stdout
    (data.parent / "key.pem").write_bytes(key)
    return subprocess.run(["openssl", "dgst", "-sha256", "-verify", data.parent / "key.pem", "-signature", signature, data],
                          capture_output=True, check=False).returncode == 0


def sign(station, tmp_path, slot, pin, key):
    data, signature = tmp_path / "data", tmp_path / "signature"
    data.write_bytes(b"what is to be signed")
    done = pkcs11(station, "--slot-index", slot, "--login", "--pin", pin, "--sign", "--id", key, "-m", "SHA256-RSA-PKCS",
                  "-i", data, "-o", signature)
    return done, data, signature


def test_it_is_seen_as_a_jpki_card(station):
    assert b"Virtual PCD 00 00" in station.run("opensc-tool", "-l").stdout
    assert station.run("opensc-tool", "-n").stdout.strip() == b"jpki"


def test_objects_are_listed(station):
    text = station.run("pkcs15-tool", "-D").stdout.decode()
    assert text.count("Tries left     : 3") == 1 and text.count("Tries left     : 5") == 1
    assert text.count("Private RSA Key [") == 2 and text.count("X.509 Certificate [") == 4


def test_the_certificate_is_read_without_pin(station):
    pem = station.run("pkcs15-tool", "--read-certificate", "1").stdout
    der = subprocess.run(["openssl", "x509", "-outform", "der"], input=pem, check=True, capture_output=True).stdout
    assert der == (station.cards / "card-1/auth.der").read_bytes()


def test_the_signing_certificate_needs_its_pin(station):
    assert station.run("pkcs15-tool", "--read-certificate", "2").returncode != 0
    read = station.run("pkcs15-tool", "--read-certificate", "2", "--verify-pin", "--auth-id", "2", "--pin", "ABC123")
    assert read.returncode == 0 and b"BEGIN CERTIFICATE" in read.stdout


@pytest.mark.parametrize("slot, pin, key, certificate", [("0", "1234", "01", "auth.der"), ("1", "ABC123", "02", "sign.der")])
def test_it_signs(station, tmp_path, slot, pin, key, certificate):
    done, data, signature = sign(station, tmp_path, slot, pin, key)
    assert done.returncode == 0, done.stderr
    assert verifies(station, certificate, data, signature)
    data.write_bytes(b"something else")
    assert not verifies(station, certificate, data, signature)


def test_wrong_pins_count_down_to_blocked(station, tmp_path):
    wrong, *_ = sign(station, tmp_path, "0", "9999", "01")
    assert b"CKR_PIN_INCORRECT" in wrong.stderr
    assert b"Tries left     : 2" in station.run("pkcs15-tool", "--list-pins").stdout
    for _ in range(2):
        sign(station, tmp_path, "0", "9999", "01")
    assert station.slot()["tries"] == 0
    assert b"user PIN locked" in pkcs11(station, "--list-slots").stdout
    blocked, *_ = sign(station, tmp_path, "0", "1234", "01")
    assert blocked.returncode != 0


def test_the_log_knows_no_pin_and_no_data(station):
    text = "\n".join(station.ask("log"))
    assert '"command":"verify"' in text and '"command":"sign"' in text
    for secret in ("1234", "9999", "ABC123", "31323334", "39393939", "414243313233"):
        lines = [line for line in text.split("\n") if secret in line.replace('"ms":', "")]
        assert all(f'"ms":{secret}' in line for line in lines), lines
