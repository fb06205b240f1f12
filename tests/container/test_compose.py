# SPDX-License-Identifier: Apache-2.0
"""docker-compose.yml: what it says, for which no engine is needed, and what its containers do, where there is one."""

import json
import os
import subprocess

import pytest
import yaml
from composelib import SERVICES, config, run
from cryptography import x509
from operators import TERMS_EN, TERMS_JA
from seed import credential_id, newest_key, sql_text
from soft_terminal import Card, Refused, SoftTerminal
from wire import tap

NUMBER, MYKEY_ID = "789", "MY123456"
ALL = ("--profile", "terminal-ca", "--profile", "ctl", "--profile", "setup")


# ---- what the file says ----

@pytest.fixture(scope="module")
def described():
    return yaml.safe_load(config(*ALL))["services"]


def test_well_formed():
    run("docker-compose", "config", "-q")
    run("docker-compose", *ALL, "config", "-q")


def test_authority_operator_and_root_start_only_when_named(described):
    profiles = {name: service["profiles"] for name, service in described.items() if "profiles" in service}
    assert profiles == {name: [name] for name in ("terminal-ca", "ctl", "setup")}


def test_every_service_is_confined(described):
    assert set(described) == set(SERVICES) | {"migrate", "ctl", "setup"}
    for name, service in described.items():
        assert service["init"] and service["read_only"], name
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
        assert service["stop_grace_period"] == "35s", name
        assert "privileged" not in service and "container_name" not in service, name
        assert ("cap_add" in service) == (name == "setup") == (service.get("user") == "0"), name
        assert name in ("migrate", "terminal-ca", "ctl", "setup") or "healthcheck" in service, name


def test_only_the_edges_publish_a_port_and_only_to_this_machine(described):
    for name, service in described.items():
        ports = [str(port) for port in service.get("ports", [])]
        assert bool(ports) == name.startswith("edge-"), name
        assert all("127.0.0.1" in port for port in ports), ports


def test_networks(described):
    networks = yaml.safe_load(config())["networks"]
    assert networks["bus"] == networks["inner"] == {"internal": True}
    alone = {name for name, service in described.items() if service.get("network_mode") == "none"}
    assert alone == {"postgres", "migrate", "setup", "jpki-revocation"}
    for name in set(described) - alone:
        wanted = {"edge": ["front", "inner"], "inner": ["inner"]}.get(name.split("-")[0], ["bus"])
        assert sorted(described[name]["networks"]) == wanted, name


def mounts(service):
    """Target → (source, may be written)."""
    found = {}
    for volume in service.get("volumes", []):
        source, target, *mode = volume.split(":")
        found[target] = (source, "ro" not in mode)
    return found


def test_each_service_has_its_own_secrets_and_no_other(described):
    folders = {"gateway-1": "gateway", "gateway-2": "gateway", "edge-a": "edge", "edge-b": "edge", "ctl": "ops"}
    for name, service in described.items():
        sources = [(source, write) for source, write in mounts(service).values() if "/secrets" in source]
        wanted = [] if name in ("postgres", "migrate", "setup", "jpki-revocation") else [folders.get(name, name)]
        assert [os.path.basename(source) for source, _ in sources] == wanted, name
        assert not any(write for _, write in sources), name
        for setting, value in service.get("environment", {}).items():
            if setting.endswith(("_KEY", "_KEYS", "_SECRET_FILE")):
                assert value.startswith(("/run/secrets/", "/etc/mykey/bus/")), setting


def test_only_gateways_and_their_tls_side_share_a_socket(described):
    reach = {name for name, service in described.items() if "/run/mykey/http" in mounts(service)}
    assert reach == {"gateway-1", "gateway-2", "inner-1", "inner-2"}


def test_only_the_loader_writes_the_index_of_revoked_certificates(described):
    reach = {name: mounts(service)["/var/lib/mykey/revocation"][1] for name, service in described.items()
             if "/var/lib/mykey/revocation" in mounts(service)}
    assert reach == {"jpki-revocation": True, "jpki-verify": False}


def test_only_the_registry_reaches_the_database(described):
    reach = {name for name, service in described.items() if "/run/mykey/pg" in mounts(service)}
    assert reach == {"postgres", "migrate", "registry"}


# ---- what the containers do ----

def inside(container, *command):
    """A command in a container as its service's user: (status, output)."""
    done = subprocess.run(("docker", "exec", container["Id"], *command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    return done.returncode, done.stdout


def each(platform):
    found = platform.containers()
    assert set(found) == set(SERVICES)
    return [(name, one) for name, many in found.items() for one in many]


def test_no_root_no_capability_nothing_written(platform):
    for name, one in each(platform):
        status = dict(line.split(":", 1) for line in inside(one, "cat", "/proc/1/status")[1].splitlines())
        assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split(), name
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[kind], 16) == 0, (name, kind)
        assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2", name
        code, said = inside(one, "touch", "/usr/share/mykey/x")
        assert code != 0 and "Read-only file system" in said, (name, said)


def test_secrets_belong_to_their_reader_and_to_nobody_else(platform):
    for name, one in each(platform):
        code, listing = inside(one, "find", "/run/secrets/", "-type", "f", "-printf", "%f %m %U\n")
        if name in ("postgres", "jpki-revocation"):
            assert code != 0
            continue
        user = one["Config"]["User"] or "65532"
        rows = [line.split() for line in listing.splitlines()]
        assert rows and all(row[2] == user for row in rows), (name, rows)
        assert all(row[1] == "400" for row in rows if not row[0].endswith((".pem", ".der"))), (name, rows)


def test_the_database_knows_who_asks(platform):
    found = platform.containers()
    psql = ("psql", "-X", "-At", "-h", "/run/mykey/pg", "-d", "registry", "-c", "SELECT current_user", "-U")
    assert inside(found["registry"][0], *psql, "registry") == (0, "registry\n")
    for role in ("registry_owner", "postgres"):
        code, said = inside(found["registry"][0], *psql, role)
        assert code != 0 and "Peer authentication failed" in said, said
    assert inside(found["gateway-1"][0], *psql, "registry")[0] != 0


def test_two_of_each_take_work(platform):
    found = platform.containers()
    assert len(found["registry"]) == 2 and len(found["jpki-verify"]) == 2
    for broker in json.loads(platform.ctl("bus", "stats", "--json")):
        assert {row["service"]: row["workers"] for row in broker["services"]} == {"registry": 2, "jpki": 2}


# ---- a tap ----

@pytest.fixture(scope="module")
def card(platform, tmp_path_factory):
    """Card 1 of the test authority, whose holder has a number at A1."""
    folder = str(tmp_path_factory.mktemp("fetched"))
    platform.ctl("operator", "add", "operator_id=A1", "kind=library", "name_ja=A1図書館", "name_en=A1 Library",
                 "terms_version=1", f"terms_ja={TERMS_JA}", f"terms_en={TERMS_EN}", "output.symbology=nw7")
    directory = platform.fetch("testca/cards/card-1", folder)
    version, key = newest_key(platform.fetch("secrets/jpki-verify/credential.keys", folder))
    with open(f"{directory}/auth.der", "rb") as file:
        credential = f"'\\x{credential_id(key, x509.load_der_x509_certificate(file.read()))}'::bytea"
    platform.sql(f"SELECT registry.load_holder({credential}, {version}, {sql_text(MYKEY_ID)});"
                 f"SELECT registry.load_link({credential}, 'A1', {sql_text(NUMBER)});", "registry_owner")
    return Card(directory)


@pytest.fixture(scope="module")
def terminal(platform, card, tmp_path_factory):
    soft = SoftTerminal("127.0.0.1", platform.edge_a, f"{platform.data}/public/authority.pem",
                        str(tmp_path_factory.mktemp("terminal")))
    soft.enrol(platform.ctl("terminal", "invite", "A1", "--authority", "/etc/mykey/authority.pem").strip())
    return soft


def resolve(terminal, card):
    return list(terminal.tap(card, tap.PURPOSE_RESOLVE, "A1").customer_ids)


def test_a_tap_gives_the_number(terminal, card):
    assert terminal.info().operator.operator_id == "A1"
    assert resolve(terminal, card) == [NUMBER]


def test_a_tap_through_the_other_edge(platform, terminal, card):
    other = SoftTerminal("127.0.0.1", platform.edge_b, terminal.authority, terminal.directory)
    assert resolve(other, card) == [NUMBER]


def test_a_spoiled_signature_is_refused(terminal, card):
    challenge = terminal.challenge(tap.PURPOSE_RESOLVE, "A1")
    signature = bytearray(card.sign(challenge.statement))
    signature[9] ^= 1
    with pytest.raises(Refused) as refused:
        terminal.redeem(challenge, card, signature=bytes(signature))
    assert refused.value.code == "SIGNATURE_INVALID"


@pytest.mark.parametrize("broker", ("broker-a", "broker-b"))
def test_taps_go_on_without_a_broker(platform, terminal, card, broker):
    run("docker", "kill", platform.containers()[broker][0]["Id"])
    try:
        assert broker not in platform.containers()
        for _ in range(5):
            assert resolve(terminal, card) == [NUMBER]
    finally:
        platform.up("--scale", "registry=2", "--scale", "jpki-verify=2")
    assert resolve(terminal, card) == [NUMBER]


def test_nothing_secret_in_the_logs(platform, terminal, card):
    resolve(terminal, card)
    logs = platform.compose("logs", "--no-color").decode("utf-8", "replace")
    assert '"event":"call"' in logs
    for secret in (MYKEY_ID, f'"{NUMBER}"'):
        assert secret not in logs


def test_setup_again_keeps_keys_and_a_restart_keeps_data(platform, terminal, card):
    platform.compose("run", "--rm", "-T", "setup")
    platform.compose("restart", "--timeout", "35", "postgres", "registry", "jpki-verify", "gateway-1", "gateway-2")
    platform.wait_healthy()
    terminal.reconnect()  # that may take longer than an idle connection is kept
    assert resolve(terminal, card) == [NUMBER]
