# SPDX-License-Identifier: Apache-2.0
"""For tests: a station (pcscd, virtual reader, simulated cards) in a folder of its own, and clients of it."""
import atexit
import functools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MYKEY_BUILD", ROOT / "build"))
SIMCARD = BUILD / "tools/simcard/mykey-simcard"
PKCS11 = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"
JPKI = "00A4040C0AD392F000260100000001"


@functools.cache
def demo_cards():
    """The folder of the test authority's demo cards: made once a run (its keys take seconds), removed at its end."""
    folder = tempfile.mkdtemp(prefix="mk-ca-", dir="/tmp")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run([sys.executable, ROOT / "tools/testca/testca.py", folder], check=True, capture_output=True)
    return Path(folder) / "cards"


class ControlError(Exception):
    """The card simulator said no."""


def heed_interrupts():
    """Tests run in the background of a shell begin with SIGINT ignored, and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Station:
    """`with Station(cards) as station:` runs until the end of the block and leaves nothing behind. insert: a card that lies
    on the reader from the beginning."""

    def __init__(self, cards, insert=None):
        self.cards, self.first = Path(cards), insert
        self.folder = Path(tempfile.mkdtemp(prefix="mk-sc-", dir="/tmp"))
        self.control, self.process = self.folder / "control", None

    @property
    def environment(self):
        return {**os.environ, "PCSCLITE_CSOCK_NAME": str(self.folder / "pcscd/pcscd.comm")}

    def start(self):
        command = [ROOT / "tools/pcscd/run.sh", self.folder, "--", SIMCARD, "--cards", self.cards, "--control",
                   self.control, *(["--insert", self.first] if self.first else [])]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=heed_interrupts)
        wait_for(lambda: self.process.poll() is not None or self.control.exists(), "the simulated card", 10)
        assert self.process.poll() is None, (self.folder / "log").read_text()
        if self.first:
            self.wait_seen()
        return self

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(30)  # pcscd may have to be killed

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, line):
        """The answer's lines after its ok, the first one without it."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(10)
            peer.connect(str(self.control))
            peer.sendall(line.encode() + b"\n")
            peer.shutdown(socket.SHUT_WR)
            text = b"".join(iter(lambda: peer.recv(65536), b"")).decode()
        if not text.startswith("ok"):
            raise ControlError(text.strip())
        return text.removeprefix("ok").strip().split("\n")

    def status(self):
        return json.loads(self.ask("status")[0])

    def slot(self, number=0):
        return self.status()["slots"][number]

    def log(self):
        return [json.loads(line) for line in self.ask("log")[1:]]

    def apdus(self):
        return [line for line in self.log() if line["event"] == "apdu"]

    def insert(self, card, slot=0):
        """A card as from the drawer, with full tries, on the reader and seen by pcscd."""
        self.ask(f"remove {slot}")
        self.ask(f"unblock {card}")
        self.ask(f"insert {card} {slot}")
        self.wait_seen(slot)

    def wait_seen(self, slot=0):
        """pcscd powers a new card to read its ATR."""
        def powered():
            events = [line["event"] for line in self.log() if line["slot"] == slot]
            return "insert" in events and "power-on" in events[len(events) - events[::-1].index("insert"):]
        wait_for(lambda: self.slot(slot)["state"] != "waiting" and powered(), "pcscd to see the card")

    def run(self, *command, **options):
        return subprocess.run(command, env=self.environment, capture_output=True, timeout=30, check=False, **options)

    def client(self):
        return PcscClient(self.environment)


class PcscClient:
    """One process of pcsc_client.py; `with` ends it, whatever it is waiting for."""

    def __init__(self, environment):
        self.process = subprocess.Popen([sys.executable, Path(__file__).with_name("pcsc_client.py")], env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self.answer() == (0, b"")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def answer(self, seconds=10):
        """(return code, data), or None when there is no answer in time."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return None
        code, data = self.process.stdout.readline().split()
        return int(code, 16), b"" if data == "-" else bytes.fromhex(data)

    def send(self, line):
        self.process.stdin.write(line + "\n")

    def do(self, line, seconds=10):
        self.send(line)
        return self.answer(seconds)

    def connect(self, slot=0, mode="shared"):
        code = self.do(f"connect {slot} {mode}")
        assert code == (0, b""), code

    def apdu(self, text, seconds=10):
        """Data and status word as hex text, which is what the table of a card is written in."""
        answer = self.do("apdu " + text.replace(" ", ""), seconds)
        assert answer is not None and answer[0] == 0, answer
        return answer[1][:-2], answer[1][-2:].hex().upper()

    def sw(self, text):
        return self.apdu(text)[1]


def wait_for(condition, what, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.05)
