# SPDX-License-Identifier: Apache-2.0
"""One platform on real parts, with a card whose hidden contents would be recognised anywhere, and a wire-tap on the network."""

import base64
import contextlib
import os
import pathlib
import secrets
import socket
import subprocess
import threading
import time

import demo
import jpki_profile
import testca
from counter_driver import Counter as BrowserCounter
from counter_driver import chromium
from cpu import descendants
from cryptography import x509
from layout import Layout
from seed import credential_of, seed
from soft_terminal import Card, SoftTerminal
from stack import Stack

TOWN = "M131164"
OPEN = {"gateway": {"terminal_rate": 100000, "terminal_burst": 100000, "enrol_rate": 100000, "enrol_burst": 100000}}
PIN, WRONG_PIN = "7391", "2580"
CHECK_WEIGHTS = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)


def twelve_digits():
    """A number in the form of a My Number, check digit right; nobody's."""
    digits = [secrets.randbelow(9) + 1 for _ in CHECK_WEIGHTS]
    rest = sum(digit * weight for digit, weight in zip(digits, CHECK_WEIGHTS)) % 11
    return "".join(map(str, digits)) + str(0 if rest <= 1 else 11 - rest)


CANARIES = {"name": "架空院カナリア太郎", "address": "幻島市存在しない町九丁目八番七号", "birth": "皇紀二千六百一年十三月四十日生",
            "twelve digits": twelve_digits()}


def forms(text):
    """How a text could be written down: as it is, in UTF-16, in hexadecimal, in base64."""
    plain = text.encode()
    encoded = {plain, text.encode("utf-16-le"), plain.hex().encode(), plain.hex().upper().encode()}
    # Base64 of the text at each of the three places that it can have in a group.
    for shift in range(3):
        group = base64.b64encode(b"\0" * shift + plain)
        encoded.add(group[4 if shift else 0:len(group) - 4])
    return encoded


def hits(data, needles):
    return sorted({name for name, text in needles.items() for form in forms(text) if form in data})


def files_below(*folders, without=()):
    for folder in folders:
        for path in sorted(pathlib.Path(folder).rglob("*")):
            if path.is_file() and not any(str(path).startswith(str(one)) for one in without):
                with contextlib.suppress(FileNotFoundError):
                    yield path, path.read_bytes()


def clear(counter):
    """The next card comes after a moment, as a hand brings it: the reader has then seen the last one go."""
    demo.clear(counter)
    time.sleep(1.5)


class WireTap(threading.Thread):
    """Every frame on this machine's loopback network, into one file, its length before it."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.stopping = path, threading.Event()
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self.socket.bind(("lo", 0))
        self.socket.settimeout(0.2)

    def run(self):
        with open(self.path, "wb", 0) as out:
            while not self.stopping.is_set():
                with contextlib.suppress(socket.timeout):
                    frame, where = self.socket.recvfrom(1 << 17)
                    if where[2] != socket.PACKET_OUTGOING:  # each is heard leaving and arriving
                        out.write(len(frame).to_bytes(4, "big") + frame)

    def frames(self):
        """(ports, payload) of every TCP segment heard so far."""
        data, at = pathlib.Path(self.path).read_bytes(), 0
        while at + 4 <= len(data):
            size = int.from_bytes(data[at:at + 4], "big")
            frame, at = data[at + 4:at + 4 + size], at + 4 + size
            if frame[12:14] == b"\x08\x00" and frame[23] == 6:
                tcp = frame[14 + 4 * (frame[14] & 15):14 + int.from_bytes(frame[16:18], "big")]
                yield {int.from_bytes(tcp[:2], "big"), int.from_bytes(tcp[2:4], "big")}, tcp[4 * (tcp[12] >> 4):]

    def stop(self):
        self.stopping.set()
        self.join(5)
        self.socket.close()


class World:
    canary_number, deleted_number = "55501234", "66609876"

    def __init__(self):
        self.layout = Layout(f"privacy-{os.getpid()}")
        self.stack = Stack(self.layout, settings={"gateway-1": OPEN}, edge_limits=["--certificate-rate", "100000"])
        self.terminals, self.wiretap = {}, None

    def start(self):
        self.stack.start()
        seed(self.stack)
        self.make_canary()
        self.story()
        return self

    def stop(self):
        if self.wiretap:
            self.wiretap.stop()
        faults = self.stack.stop()
        self.layout.remove()
        return faults

    # ---- cards ----

    def card_folder(self, name):
        return self.layout.in_data("ca", "cards", name)

    def card(self, name):
        return Card(self.card_folder(name))

    def make_canary(self):
        """A card as a real one is: name, address, birth date and number stand in its other certificate (署名用) and in the
        applet with what is printed on it (券面)."""
        with testca.Authority(self.layout.in_data("ca")) as authority:
            folder = authority.issue("card-canary")
            person = {"name": CANARIES["name"] + CANARIES["twelve digits"], "birth": CANARIES["birth"],
                      "address": CANARIES["address"]}
            key, start = jpki_profile.new_key(), testca.now()
            sign = jpki_profile.sign_leaf(authority.key_id("sign-1"), jpki_profile.public_der(key), 0x1234567, person, start,
                                          testca.end_of_day(start + 365 * testca.DAY)).encode(authority.key("sign-1"))
            testca.write(folder / "sign.der", sign)
            testca.write(folder / "sign.key", testca.key_pem(key), 0o400)
            testca.write(folder / "face-number.bin", CANARIES["twelve digits"].encode())
            testca.write(folder / "face-person.bin", "\n".join(CANARIES.values()).encode())
            about = (folder / "card.json").read_text(encoding="utf-8").replace('"pin": "1234"', f'"pin": "{PIN}"')
            testca.write(folder / "card.json", about)

    def secrets_of(self, card):
        """What inside the platform or in the certificate would name this card's holder: name → text."""
        _, credential = credential_of(self.stack, card)
        certificate = self.card(card).certificate
        parsed = x509.load_der_x509_certificate(certificate)
        holder = self.sql(f"SELECT holder_id FROM registry.credential WHERE credential_id = {credential}")
        mykey_id = self.sql(f"SELECT mykey_id FROM registry.mykey_id WHERE holder_id = '{holder}'") if holder else ""
        subject = parsed.subject.rfc4514_string().split("CN=")[-1].split(",")[0]
        told = {"credential": credential.split("x")[1].split("'")[0], "certificate serial": f"{parsed.serial_number:08x}",
                "certificate subject": subject, "holder": holder, "holder, bare": holder.replace("-", ""), "MyKey ID": mykey_id}
        return {name: text for name, text in told.items() if text}

    # ---- the database ----

    def sql(self, text):
        return self.stack.cluster.sql(text, "registry", "registry_owner")

    def dump(self):
        text = subprocess.run(["pg_dump", "-h", self.stack.cluster.socket_dir, "-U", "registry_owner", "-d", "registry", "-a",
                               "--inserts"], stdout=subprocess.PIPE, check=True, text=True).stdout
        return "\n".join(line for line in text.split("\n") if "restrict " not in line)  # new at each dump

    # ---- logs ----

    def logs(self):
        """Name → text of every log of the run directory."""
        return {str(path.relative_to(self.layout.run)): data.decode("utf-8", "replace")
                for path, data in files_below(self.layout.run) if path.suffix == ".log"}

    # ---- terminals ----

    def terminal(self, operator_id, number=0):
        """An enrolled terminal without a reader, made at the first call."""
        if (operator_id, number) not in self.terminals:
            folder = self.layout.in_data("terminals", f"soft-{operator_id}-{number}")
            os.makedirs(folder)
            made = SoftTerminal("127.0.0.1", self.stack.ports["edge-a"], f"{self.stack.authority}/authority.pem", folder)
            made.enrol(self.stack.ctl("terminal", "invite", operator_id, "--authority",
                                      f"{self.stack.authority}/authority.pem").strip())
            self.terminals[operator_id, number] = made
        return self.terminals[operator_id, number]

    # ---- what happens before anybody looks ----

    def story(self):
        """A resident's day, with every value kept that must not be found again."""
        self.wiretap = WireTap(self.layout.in_data("wire"))
        self.wiretap.start()
        town, library = self.stack.counter(TOWN), self.stack.counter("A1")
        self.told = {}
        for card, pin in (("card-canary", PIN), ("card-new", "1234")):
            made = self.create(town, card, pin)
            self.told[card] = {"suspension code": made["suspend_code"].replace(" ", ""), **self.secrets_of(card)}
            assert self.told[card]["MyKey ID"] == made["mykey_id"]
            clear(town)
        for card, pin, number in (("card-canary", PIN, self.canary_number), ("card-new", "1234", self.deleted_number)):
            self.link(library, card, pin, number)
            self.told[card]["customer number"] = number
        assert demo.tap(library, "card-canary", WRONG_PIN)["error"]["code"] == "PIN_WRONG"
        clear(library)
        self.tap_in_a_browser(library)
        self.delete(town)

    @staticmethod
    def create(town, card, pin):
        town.page.must("start", purpose="create_id")
        town.page.wait("terms")
        town.page.must("accept_terms")
        seen = demo.tap(town, card, pin)
        assert seen["state"] == "done", seen
        return seen["id"]

    @staticmethod
    def link(counter, card, pin, number):
        demo.start_link(counter.page)
        counter.page.must("staff_scan", number=number)
        counter.page.must("staff_confirm")
        mark = counter.page.mark()
        counter.card.insert(card)
        counter.page.wait("pin", since=mark)
        mark = counter.page.mark()
        counter.page.enter_pin(pin)
        assert counter.page.wait("done", "error", since=mark)["state"] == "done"
        clear(counter)

    def tap_in_a_browser(self, counter):
        """A tap as a resident makes it; then all that the browser keeps on its disk."""
        with chromium() as driver:
            page = BrowserCounter(driver).open(counter.url)
            page.wait_state("wait")
            counter.card.insert("card-canary")
            page.wait_state("pin")
            page.type_pin(PIN)
            page.wait_state("number")
            assert page.number() == self.canary_number
            counter.card.remove()
            page.wait_state("wait")
            time.sleep(1.5)
            self.storage = driver.execute_script("""return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])""")
            self.browser_files = list(files_below(driver.capabilities["chrome"]["userDataDir"]))

    def delete(self, town):
        self.backup = self.dump()
        town.page.must("start", purpose="delete_id")
        seen = demo.tap(town, "card-new", "1234", ends=("done", "error"))
        assert seen["state"] == "done", seen
        clear(town)

    def processes(self):
        """Process ids by name: all of the platform and the agents; not the simulated cards, which hold what a card holds."""
        running = {name: process.pid for name, process in self.stack.processes.items()}
        running |= {f"agent {name}": counter.agent.pid for name, counter in self.stack.counters.items()}
        running["postgresql"] = self.stack.cluster.server.pid
        return {name: descendants([pid]) for name, pid in running.items()}
