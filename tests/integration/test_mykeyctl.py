# SPDX-License-Identifier: Apache-2.0
"""The operator's command against a real broker, registry and PostgreSQL: from an empty platform to an enrolled terminal."""

import csv
import hashlib
import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time

import pytest
from buslib import BUILD, ROOT, wait_for
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from registrylib import Refused, World

sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))

from wire import registry  # noqa: E402

MYKEYCTL = os.path.join(BUILD, "tools", "mykeyctl", "mykeyctl")
INVITE = re.compile(r"[A-Z2-7]{26}\.[0-9a-f]{64}")
A1 = """operator
    operator_id = "A1"
    kind = "library"
    name_ja = "A1図書館"
    name_en = "A1 Library"
    terms_version = "1"
    terms_ja = "番号を結び付けます。"
    output
        symbology = "nw7"
        keyboard = "true"
"""


def run(*arguments, **options):
    return subprocess.run([MYKEYCTL, *map(str, arguments)], capture_output=True, text=True, timeout=30, check=False, **options)


def right(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


class Desk:
    """The platform operator's desk: a world, the two principals' settings, a terminal authority."""

    def __init__(self):
        self.world = World()
        self.bus = self.world.bus
        for name, calls in self.rights().items():
            self.take_key(name)
            self.bus.principals[name] = {"call": calls}
        self.bus.write_acl()
        self.second = self.bus.broker("b")
        self.world.broker.signal(signal.SIGHUP)
        self.authority = self.bus.path("ca")
        right(run("ca", "init", self.authority))
        self.write("A1.zpl", A1)

    @staticmethod
    def rights():
        """As deploy/bus/acl.zpl has them."""
        with open(os.path.join(ROOT, "deploy", "bus", "acl.zpl"), encoding="ascii") as file:
            parts = re.split(r"\n    (?=\S)", file.read())
        found = {part.split("\n")[0].strip(): re.findall(r'call = "(.*)"', part) for part in parts}
        return {name: found[name] for name in ("ops", "terminal-ca")}

    def take_key(self, name):
        """The bus' own test keys give way to those that mykeyctl makes."""
        for end in ("key", "pub"):
            if os.path.exists(self.bus.path(f"{name}.{end}")):
                os.unlink(self.bus.path(f"{name}.{end}"))
        right(run("keys", "bus", self.bus.path(f"{name}.key"), self.bus.path(f"{name}.pub")))
        with open(self.bus.path(f"{name}.key"), encoding="ascii") as file:
            text = file.read()
        self.bus.keys[name] = tuple(re.search(rf'{part}-key = "(.*)"', text).group(1) for part in ("public", "secret"))

    def write(self, name, text):
        with open(self.bus.path(name), "w", encoding="utf-8", newline="") as file:
            file.write(text)
        return self.bus.path(name)

    def config(self, principal, brokers="a"):
        lines = [f'    {key.removeprefix("bus.")} = "{value}"' for key, value in self.bus.common(principal, brokers).items()]
        return self.write(f"{principal}-{brokers}.conf", "bus\n" + "\n".join(lines) + "\n")

    def ctl(self, *arguments, principal="ops", brokers="a"):
        return run("--config", self.config(principal, brokers), *arguments)

    def invite(self, *arguments):
        return self.ctl("terminal", "invite", *arguments, "--authority", f"{self.authority}/authority.pem")

    def sign(self, *options):
        return self.ctl("ca", "sign-pending", self.authority, *options, principal="terminal-ca")

    def enrol(self, invite):
        """What the gateway passes on for a new terminal: (key, enrolment id, terminal id)."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whoever")])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        reply = self.world.ask("Enrol", registry.EnrolRequest(code=invite.split(".")[0],
                                                              csr=request.public_bytes(serialization.Encoding.DER)))
        return key, reply.enrolment_id, reply.terminal_id

    def result(self, enrolment_id):
        """The issued (certificate, authority) or None."""
        try:
            reply = self.world.ask("EnrolResult", registry.EnrolResultRequest(enrolment_id=enrolment_id))
        except Refused as refused:
            assert refused.code == "ENROL_PENDING"
            return None
        return reply.certificate, reply.authority


@pytest.fixture(scope="module")
def desk():
    one = Desk()
    wait_for(lambda: one.ctl("operator", "list").returncode == 0, 15)
    right(one.ctl("operator", "add", one.bus.path("A1.zpl")))
    yield one
    one.world.close()


# ---- operators ----

def test_operator_is_added_listed_and_shown(desk):
    listed = right(desk.ctl("operator", "list"))
    assert re.search(r"^A1 +library +A1図書館$", listed, re.M)
    shown = right(desk.ctl("operator", "show", "A1"))
    assert 'name_en = "A1 Library"' in shown and 'symbology = "nw7"' in shown
    values = json.loads(right(desk.ctl("operator", "show", "A1", "--json")))
    assert values["output"]["keyboard"] is True and values["kind"] == "library"
    again = right(desk.ctl("operator", "add", desk.write("again.zpl", shown)))
    assert again == "" and right(desk.ctl("operator", "show", "A1")) == shown, "what is shown can be added"


def test_operator_is_given_as_words_and_replaced(desk):
    fields = ["operator_id=B1", "kind=museum", "name_ja=B1", "name_en=B1", "terms_version=1", "output.symbology=code39"]
    right(desk.ctl("operator", "add", *fields))
    right(desk.ctl("operator", "add", *fields, "kind=sports"))
    assert json.loads(right(desk.ctl("operator", "show", "B1", "--json")))["kind"] == "sports"


def test_many_operators_are_listed_over_pages(desk):
    for number in range(70):
        desk.world.put_operator(f"P{number:03}", "SHOP")
    names = [json.loads(line)["operator_id"] for line in right(desk.ctl("operator", "list", "--json")).splitlines()]
    assert names == sorted(names) and [name for name in names if name.startswith("P")] == [f"P{n:03}" for n in range(70)]


@pytest.mark.parametrize("arguments, status, says", [
    (["operator", "show", "nobody"], 1, "mykeyctl operator list"),
    (["operator", "add", "/nowhere/A1.zpl"], 2, "No such file"),
    (["operator", "add", "operator_id=X1", "kind=bakery"], 2, "one of these is wanted: library museum"),
    (["operator", "add", "operator_id=X 1", "kind=shop", "name_en=X", "terms_version=1"], 1, "BAD_REQUEST"),
    (["operator", "add"], 2, "wrong number"),
    (["operator", "list", "--csv", "x"], 2, "doesn't take --csv"),
    (["operator", "remove", "A1"], 2, "no such verb: operator remove"),
    (["terminal", "revoke", "t-nobody"], 1, "mykeyctl terminal list"),
])
def test_errors_say_what_to_do(desk, arguments, status, says):
    done = desk.ctl(*arguments)
    assert (done.returncode, says in done.stderr) == (status, True), done.stderr
    assert done.stdout == ""


# ---- terminals ----

def test_from_invite_to_certificate(desk):
    invite = right(desk.invite("A1", "--label", "入口")).strip()
    assert INVITE.fullmatch(invite)
    with open(f"{desk.authority}/authority.der", "rb") as file:
        authority = file.read()
    assert invite.split(".")[1] == hashlib.sha256(authority).hexdigest()
    key, enrolment, terminal = desk.enrol(invite)
    assert desk.result(enrolment) is None
    assert right(desk.sign()) == f"signed {terminal} of A1\n"
    der, root = desk.result(enrolment)
    assert root == authority
    certificate, issuer = x509.load_der_x509_certificate(der), x509.load_der_x509_certificate(root)
    assert certificate.issuer == issuer.subject
    issuer.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
    assert certificate.public_key().public_numbers() == key.public_key().public_numbers()
    names = {attribute.oid: attribute.value for attribute in certificate.subject}
    assert names == {NameOID.COMMON_NAME: terminal, NameOID.ORGANIZATIONAL_UNIT_NAME: "A1",
                     NameOID.ORGANIZATION_NAME: "MyKey terminal"}
    assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert certificate.serial_number.bit_length() > 64
    found = desk.world.ask("FindTerminal", registry.FindTerminalRequest(certificate_sha256=hashlib.sha256(der).digest()))
    assert found.terminal.terminal_id == terminal and found.operator.operator_id == "A1"
    listed = right(desk.ctl("terminal", "list", "A1"))
    assert re.search(rf"^{terminal} +A1 +active +20\d\d-\d\d-\d\dT", listed, re.M)
    right(desk.ctl("terminal", "revoke", terminal))
    assert re.search(rf"^{terminal} +A1 +revoked", right(desk.ctl("terminal", "list")), re.M)
    assert right(desk.sign()) == "", "nothing waits"


def test_invites_by_csv(desk):
    rows = desk.write("in.csv", "operator,label\r\nA1,=HYPERLINK(1)\r\nB1,\"east, \"\"new\"\"\"\r\nA1\r\n")
    target = desk.bus.path("out.csv")
    assert right(desk.invite("--csv", rows, "--out", target)) == ""
    assert stat.S_IMODE(os.stat(target).st_mode) == 0o600
    with open(target, encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["operator"] for row in written] == ["A1", "B1", "A1"]
    assert [row["label"] for row in written] == ["'=HYPERLINK(1)", 'east, "new"', ""]
    assert len({row["invite"] for row in written}) == 3 and all(INVITE.fullmatch(row["invite"]) for row in written)
    assert all(row["expires"] > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) for row in written)
    assert desk.enrol(written[1]["invite"])[2] == written[1]["terminal"]
    right(desk.sign())
    assert desk.invite("--csv", rows, "--out", target).returncode == 1, "a file is never overwritten"
    printed = right(desk.invite("--csv", rows))
    assert len(list(csv.reader(io.StringIO(printed)))) == 4


@pytest.mark.parametrize("text", ["A1,x\nA 1,y\n", "A1,x,z\n", "A1,\"open\n", "operator,label\n", "", "A1,x\n\xff"])
def test_a_bad_csv_makes_no_invite(desk, text):
    before = desk.world.count("invite")
    path = desk.bus.path("bad.csv")
    with open(path, "wb") as file:
        file.write(text.encode("latin-1"))
    done = desk.invite("--csv", path)
    assert done.returncode == 1 and "bad.csv" in done.stderr and done.stdout == ""
    assert desk.world.count("invite") == before


def test_an_unknown_operator_in_a_csv_says_how_far_it_came(desk):
    done = desk.invite("--csv", desk.write("half.csv", "A1,x\nnobody,y\nA1,z\n"))
    assert done.returncode == 1 and "1 of 3 invites were made" in done.stderr
    assert len(INVITE.findall(done.stdout)) == 1


def test_a_file_without_an_invite_does_not_stay(desk):
    target = desk.bus.path("one.txt")
    assert desk.invite("nobody", "--out", target).returncode == 1
    assert right(desk.invite("A1", "--out", target)) == ""
    assert desk.invite("A1", "--out", target).returncode == 1
    with open(target, encoding="ascii") as file:
        assert INVITE.fullmatch(file.read().strip())


def test_an_invite_needs_the_authority(desk):
    lacking = desk.ctl("terminal", "invite", "A1")
    assert lacking.returncode == 1 and "--authority" in lacking.stderr
    right(run("ca", "server", desk.authority, "localhost"))
    server = desk.ctl("terminal", "invite", "A1", "--authority", f"{desk.authority}/server.pem")
    assert server.returncode == 1 and "not the certificate of an authority" in server.stderr
    both = desk.invite("A1", "--csv", "x")
    assert both.returncode == 1 and "either" in both.stderr


# ---- the authority ----

def test_watching_signs_and_outlives_the_registry(desk):
    command = [MYKEYCTL, "--config", desk.config("terminal-ca"), "ca", "sign-pending", desk.authority, "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watcher:
        try:
            _, first, _ = desk.enrol(right(desk.invite("A1")))
            wait_for(lambda: desk.result(first), 15)
            old = desk.world.process
            old.end()
            time.sleep(2)
            assert watcher.poll() is None
            desk.world.start_registry("registry-2")
            _, second, _ = desk.enrol(right(desk.invite("A1")))
            wait_for(lambda: desk.result(second), 20)
        finally:
            watcher.send_signal(signal.SIGTERM)
            output, errors = watcher.communicate(timeout=10)
    assert watcher.returncode == 0, errors
    assert output.count("signed ") == 2


def test_more_requests_than_one_round_takes_are_all_signed(desk):
    invites = right(desk.invite("--csv", desk.write("many.csv", "A1,x\n" * 20)))
    waiting = [desk.enrol(row["invite"])[1] for row in csv.DictReader(io.StringIO(invites))]
    assert right(desk.sign()).count("signed ") == 20
    assert all(desk.result(one) for one in waiting)


def test_requests_that_are_no_good_are_told_and_left(desk):
    desk.world.add_terminal("t-bad", "A1")
    desk.world.database.sql("INSERT INTO registry.enrolment VALUES (decode(repeat('ab', 16), 'hex'), 't-bad', '\\x3000')")
    _, good, terminal = desk.enrol(right(desk.invite("A1")))
    done = desk.sign()
    assert done.returncode == 1
    assert done.stderr == "mykeyctl: terminal t-bad: not signed: not a certificate request\n"
    assert done.stdout == f"signed {terminal} of A1\n" and desk.result(good)
    desk.world.database.sql("DELETE FROM registry.enrolment WHERE terminal_id = 't-bad'")


def test_authority_key_must_be_private(desk, tmp_path):
    right(run("ca", "init", tmp_path / "ca"))
    assert run("ca", "init", tmp_path / "ca").returncode == 1
    assert stat.S_IMODE((tmp_path / "ca/authority.key").stat().st_mode) == 0o400
    (tmp_path / "ca/authority.key").chmod(0o440)
    done = desk.ctl("ca", "sign-pending", tmp_path / "ca", principal="terminal-ca")
    assert done.returncode == 1 and "0400" in done.stderr


def test_edge_certificate_is_for_servers_only(tmp_path):
    right(run("ca", "init", tmp_path))
    right(run("ca", "server", tmp_path, "edge.mykey.example", "127.0.0.1"))
    first = (tmp_path / "server.pem").read_bytes()
    right(run("ca", "server", tmp_path, "edge.mykey.example", "127.0.0.1"))
    assert (tmp_path / "server.pem").read_bytes() != first, "issued anew"
    assert stat.S_IMODE((tmp_path / "server.pem").stat().st_mode) == 0o400

    def verify(*options):
        return subprocess.run(["openssl", "verify", "-CAfile", tmp_path / "authority.pem", *options, tmp_path / "server.pem"],
                              capture_output=True, check=False).returncode

    assert verify("-purpose", "sslserver", "-verify_hostname", "edge.mykey.example") == 0
    assert verify("-purpose", "sslserver", "-verify_ip", "127.0.0.1") == 0
    assert verify("-purpose", "sslserver", "-verify_hostname", "other.example") != 0
    assert verify("-purpose", "sslclient") != 0
    assert run("ca", "server", tmp_path, "a,DNS:b").returncode == 1


def test_client_certificate_is_for_clients_only(tmp_path):
    right(run("ca", "init", tmp_path, "MyKey inner authority"))
    right(run("ca", "client", tmp_path, "edge-a"))
    assert stat.S_IMODE((tmp_path / "client.pem").stat().st_mode) == 0o400
    for purpose, good in (("sslclient", True), ("sslserver", False)):
        done = subprocess.run(["openssl", "verify", "-CAfile", tmp_path / "authority.pem", "-purpose", purpose,
                               tmp_path / "client.pem"], capture_output=True, check=False)
        assert (done.returncode == 0) == good, purpose
    named = subprocess.run(["openssl", "x509", "-in", tmp_path / "client.pem", "-noout", "-subject", "-issuer"],
                           capture_output=True, text=True, check=True).stdout
    assert "CN = edge-a" in named and "CN = MyKey inner authority" in named
    assert run("ca", "client", tmp_path, "edge a").returncode == 1


# ---- keys and the bus ----

def test_keys_are_private_and_never_overwritten(tmp_path):
    right(run("keys", "bus", tmp_path / "a.key", tmp_path / "a.pub"))
    right(run("keys", "ring", tmp_path / "ring"))
    for name in ("a.key", "ring"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o400
    before = (tmp_path / "a.key").read_text(), (tmp_path / "ring").read_text()
    for again in (("bus", tmp_path / "a.key", tmp_path / "b.pub"), ("ring", tmp_path / "ring")):
        done = run("keys", *again)
        assert done.returncode == 1 and "never overwritten" in done.stderr
    assert ((tmp_path / "a.key").read_text(), (tmp_path / "ring").read_text()) == before
    assert not (tmp_path / "b.pub").exists()
    assert run("keys", "ring", "/nowhere/ring").returncode == 1


def test_what_cannot_be_printed_is_no_success(tmp_path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([MYKEYCTL, "keys", "ring", tmp_path / "ring", "--json"], stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=30, check=False)
    assert done.returncode == 1 and "can't be written" in done.stderr


def test_both_brokers_are_asked(desk):
    brokers = json.loads(right(desk.ctl("bus", "info", "--json", brokers="ab")))
    assert sorted(broker["broker"] for broker in brokers) == ["broker-a", "broker-b"]
    assert len({broker["instance"] for broker in brokers}) == 2 and not any(broker["draining"] for broker in brokers)
    assert len(right(desk.ctl("bus", "info", brokers="ab")).splitlines()) == 2
    stats = json.loads(right(desk.ctl("bus", "stats", "--json", brokers="ab")))
    assert sorted(broker["broker"] for broker in stats) == ["broker-a", "broker-b"]
    workers = {broker["broker"]: {row["service"]: row["workers"] for row in broker["services"]} for broker in stats}
    assert (workers["broker-a"]["registry"], workers["broker-b"]["registry"]) == (1, 0)  # the desk's registry knows one
    one = right(desk.ctl("bus", "stats"))
    assert "registry" in one and "broker-a" in one and "broker-b" not in one


def test_a_broker_that_is_gone_is_named(desk):
    desk.bus.key("broker-z")  # set as broker-b, and not running
    done = desk.ctl("bus", "info", brokers="az")
    assert done.returncode == 1 and "broker-b" in done.stderr and "broker-a" in done.stdout


def test_a_principal_without_the_right_is_told_so(desk):
    done = desk.ctl("operator", "list", principal="terminal-ca")
    assert done.returncode == 1 and "[DENIED]" in done.stderr and "ACL" in done.stderr


def test_without_a_broker(desk, tmp_path):
    settings = {**desk.bus.common("ops", "a"), "bus.broker_a": f"ipc://{tmp_path}/nobody"}
    sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    done = run("operator", "list", *sets)
    assert done.returncode == 1 and "no broker answers" in done.stderr
    assert run("operator", "list").returncode == 2
    missing = run("operator", "list", *sets, "--set", "bus.key=/nowhere")
    assert missing.returncode == 1 and "bus.key" in missing.stderr


def test_help_and_version():
    assert "sign-pending" in right(run("--help"))
    assert "one-time invite" in right(run("terminal", "invite", "--help"))
    assert right(run("--version")).startswith("mykeyctl ")
    assert run().returncode == 2 and run("terminal").returncode == 2
