# SPDX-License-Identifier: Apache-2.0
"""Cards come and go, remember across restarts, and stations don't meet."""
import os
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest
from simcardlib import JPKI, SIMCARD, Station, demo_cards, wait_for

VERIFY, WRONG, SIGN = "002000980431323334", "002000980439393939", "802A00970401020304" + "00"


@pytest.fixture(scope="module")
def station():
    with Station(demo_cards(), insert="card-1") as running:
        yield running


def processes_below(folder):
    """Command lines that name the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(os.fsencode(folder) in word for word in words):
            found.append(words)
    return found


def certificate(station, card="card-1"):
    return (station.cards / card / "auth.der").read_bytes()


def read_start(station, slot=0):
    with station.client() as client:
        client.connect(slot)
        assert client.sw(JPKI) == "9000"
        data, sw = client.apdu("00B08A0000")
        assert sw == "9000" and client.do("disconnect unpower")[0] == 0
        return data


def test_control_socket_is_private(station):
    assert stat.S_IMODE(station.control.stat().st_mode) == 0o600


def test_client_mode_speaks_to_the_card(station):
    shown = subprocess.run([SIMCARD, "--control", station.control, "cards"], capture_output=True, text=True, check=True)
    assert "card-1" in shown.stdout.split("\n")
    failed = subprocess.run([SIMCARD, "--control", station.control, "insert", "nobody"], capture_output=True, text=True,
                            check=False)
    assert failed.returncode == 1 and "error" in failed.stderr
    nobody = subprocess.run([SIMCARD, "--control", "/nowhere", "status"], capture_output=True, text=True, check=False)
    assert nobody.returncode == 1 and "is the simulated card running" in nobody.stderr
    assert subprocess.run([SIMCARD], capture_output=True, check=False).returncode == 2


def test_only_one_holder_of_a_control_socket(station):
    second = subprocess.run([SIMCARD, "--cards", station.cards, "--control", station.control], capture_output=True,
                            text=True, check=False, timeout=10)
    assert second.returncode == 1 and "in use" in second.stderr
    assert station.slot()["card"] == "card-1"


def test_sessions_are_labelled_in_the_log(station):
    read_start(station)
    station.ask("log clear")
    station.ask("label here")
    read_start(station)
    station.ask("label")
    read_start(station)
    lines = station.apdus()
    assert [line["command"] for line in lines] == ["select", "read"] * 2
    assert [line["label"] for line in lines] == ["here", "here", "", ""]
    assert lines[0]["session"] == lines[1]["session"] != lines[2]["session"] == lines[3]["session"]
    assert [line["n"] for line in lines] == [1, 2] * 2
    assert lines[0]["aid"] == "d392f000260100000001" and lines[1]["file"] == "auth-cert" and lines[1]["le"] == 256
    events = [line["event"] for line in station.log()]
    assert events.count("power-on") == 2 == events.count("power-off")


def test_reset_is_logged_and_pin_is_not(station):
    station.ask("log clear")
    with station.client() as client:
        client.connect()
        assert [client.sw(c) for c in (JPKI, WRONG, VERIFY, SIGN)] == ["9000", "63C2", "9000", "9000"]
        client.do("disconnect reset")
        client.connect()
        client.do("disconnect unpower")
    text = "\n".join(station.ask("log"))
    assert "reset" in [line["event"] for line in station.log()]
    assert [line["lc"] for line in station.apdus() if line["command"] == "verify"] == [4, 4]
    for secret in ("31323334", "39393939", "01020304"):
        assert secret not in text


def test_two_readers(station):
    station.insert("card-2", 1)
    assert read_start(station, 0) == certificate(station)[:256]
    assert read_start(station, 1) == certificate(station, "card-2")[:256]
    station.ask("remove 1")
    assert [slot["state"] == "empty" for slot in station.status()["slots"]] == [False, True]


def test_swap_is_seen_as_removal_and_insertion(station):
    with station.client() as client:
        client.connect()
        assert client.sw(JPKI) == "9000"
        station.ask("swap card-3")
        assert station.slot()["state"] == "waiting"
        wait_for(lambda: station.slot().get("card") == "card-3", "the other card")
        station.wait_seen()
        assert client.do("apdu " + JPKI)[0] == 0x80100069
    assert read_start(station) == certificate(station, "card-3")[:256]
    station.insert("card-1")


def test_tries_survive_a_restart():
    with Station(demo_cards(), insert="card-2") as station:
        with station.client() as client:
            client.connect()
            assert [client.sw(c) for c in (JPKI, WRONG, WRONG)] == ["9000", "63C2", "63C1"]
        assert station.stop() == 0
        assert processes_below(station.folder) == []
        station.first = None
        station.start()
        station.ask("insert card-2")
        assert station.slot()["tries"] == 1
        station.ask("tries 0 card-2")
        station.ask("remove")
        station.ask("insert card-2")
        station.wait_seen()
        assert station.slot()["tries"] == 0, "blocked stays blocked"
        station.ask("unblock")
        assert station.slot()["tries"] == 3


def test_two_stations_at_once_with_different_cards(station):
    with Station(demo_cards(), insert="card-3") as other:
        assert read_start(other) == certificate(other, "card-3")[:256]
        assert read_start(station) == certificate(station)[:256]
        other.ask("remove")
        assert station.slot()["card"] == "card-1"
    with open("/proc/net/tcp", encoding="ascii") as file:
        assert ":8C7B" not in file.read(), "the virtual reader listens in its namespace only"


def test_a_folder_has_one_station(station):
    second = subprocess.run([Path(__file__).parents[2] / "tools/pcscd/run.sh", station.folder, "--", "true"],
                            capture_output=True, text=True, check=False, timeout=10)
    assert second.returncode == 1 and "in use" in second.stderr
    assert read_start(station) == certificate(station)[:256]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_behind(how):
    station = Station(demo_cards(), insert="card-2")
    with station:
        assert station.stop(how) == (0 if how != signal.SIGKILL else -signal.SIGKILL)
        wait_for(lambda: not processes_below(station.folder), "the children to end")
    assert not station.folder.exists()


def test_the_exit_status_of_the_command_is_passed_on(tmp_path):
    script = Path(__file__).parents[2] / "tools/pcscd/run.sh"
    done = subprocess.run([script, tmp_path, "--", "sh", "-c", "exit 7"], capture_output=True, check=False, timeout=15)
    assert done.returncode == 7
    assert processes_below(tmp_path) == []


def test_the_card_waits_for_the_reader(tmp_path):
    """Started before vpcd, or losing it, the card connects when it comes."""
    control = tmp_path / "c"
    command = [SIMCARD, "--cards", demo_cards(), "--control", control, "--insert", "card-2", "--port", "1"]
    with subprocess.Popen(command) as process:
        try:
            wait_for(control.exists, "the control socket")
            shown = subprocess.run([SIMCARD, "--control", control, "status"], capture_output=True, text=True, check=True)
            assert '"state":"waiting","card":"card-2"' in shown.stdout
            time.sleep(0.1)
        finally:
            process.terminate()
        assert process.wait(5) == 0
    assert not control.exists()


def test_a_card_taken_for_the_one_before_comes_again(tmp_path):
    """A daemon too busy to see a card go talks to the next as if that had power. A real reader sees it: so it gets to."""
    def ask(peer, message):
        peer.sendall(len(message).to_bytes(2, "big") + message)
        size = int.from_bytes(peer.recv(2), "big")
        return peer.recv(size) if size else b""

    on, atr, select = b"\x01", b"\x04", bytes.fromhex(JPKI)
    with socket.create_server(("127.0.0.1", 0)) as vpcd:
        vpcd.settimeout(10)
        command = [SIMCARD, "--cards", demo_cards(), "--control", tmp_path / "c", "--insert", "card-2", "--port",
                   str(vpcd.getsockname()[1])]
        with subprocess.Popen(command) as process:
            try:
                for said in ([select], [atr, select], [atr, atr, atr]):
                    with vpcd.accept()[0] as peer:
                        assert all(ask(peer, message) for message in said[:-1]) and ask(peer, said[-1]) == b""
                with vpcd.accept()[0] as peer:
                    assert ask(peer, atr) and ask(peer, atr)
                    peer.sendall(b"\0\x01" + on)
                    assert ask(peer, select) == b"\x90\x00" and ask(peer, atr)
            finally:
                process.terminate()
            assert process.wait(10) == 0
