# SPDX-License-Identifier: Apache-2.0
"""One counter: a virtual reader (pcscd in its own namespace), a simulated card, an enrolled agent."""

import datetime
import os
import socket

from cryptography import x509
from layout import ROOT, program
from loopback import Page
from process import Process, wait_until


class SimulatedCard:
    """The control socket of mykey-simcard."""

    def __init__(self, path):
        self.path = path

    def __call__(self, command):
        """Sends one command line; the answer's text. RuntimeError when it says error."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(15)
            peer.connect(self.path)
            peer.sendall(command.encode() + b"\n")
            peer.shutdown(socket.SHUT_WR)
            data = b""
            while chunk := peer.recv(65536):
                data += chunk
        text = data.decode().strip()
        if not text.startswith("ok"):
            raise RuntimeError(f"simulated card: {command}: {text or 'no answer'}")
        return text.removeprefix("ok").strip()

    def insert(self, card):
        return self(f"insert {card}")

    def remove(self):
        return self("remove")

    def swap(self, card):
        return self(f"swap {card}")


class Counter:
    def __init__(self, stack, name, operator_id, virtual=True):
        """virtual: a reader and a simulated card of its own; else the machine's PC/SC daemon and what is on it."""
        self.stack, self.name, self.operator_id, self.virtual = stack, name, operator_id, virtual
        self.run_dir = stack.layout.in_run(f"c-{name}")
        self.profile = stack.layout.in_data("terminals", name)
        self.control = os.path.join(self.run_dir, "card")
        self.card = SimulatedCard(self.control)
        self.reader = self.agent = self.page = None

    def start(self):
        os.makedirs(self.run_dir, exist_ok=True)
        os.makedirs(self.profile, mode=0o700, exist_ok=True)
        if self.virtual:
            self.start_reader()
        self.start_agent()
        self.open_page()
        return self

    def start_reader(self):
        command = [f"{ROOT}/tools/pcscd/run.sh", self.run_dir, "--", program("mykey-simcard"),
                   "--cards", self.stack.layout.in_data("ca", "cards"), "--control", self.control]
        self.reader = Process(f"reader-{self.name}", command, os.path.join(self.run_dir, "reader.log")).start()
        wait_until(lambda: self.reader.ready() and os.path.exists(self.control), 15, f"reader of {self.name}")

    @property
    def launch_file(self):
        return os.path.join(self.profile, "launch")

    def has_certificate(self):
        """One that is still good: after a long rest the terminal is enrolled anew."""
        path = os.path.join(self.profile, "terminal.pem")
        if not os.path.exists(path):
            return False
        with open(path, "rb") as file:
            good = x509.load_pem_x509_certificate(file.read()).not_valid_after > datetime.datetime.utcnow()
        if not good:
            os.unlink(path)
        return good

    def invite_file(self):
        """A fresh invite for a terminal that has no certificate: a file that only its user can read."""
        path = os.path.join(self.profile, "invite")
        if os.path.exists(path):
            os.unlink(path)
        if not self.has_certificate():
            text = self.stack.ctl("terminal", "invite", self.operator_id, "--authority",
                                  f"{self.stack.authority}/authority.pem")
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(text)
        return path

    def start_agent(self, **settings):
        stack = self.stack
        conf = stack.configure(f"agent-{self.name}", {"agent": {
            "profile": self.profile, "listen": "127.0.0.1:0", "edge_a": stack.edge_url("edge-a"),
            "edge_b": stack.edge_url("edge-b"), "server_ca": f"{stack.authority}/authority.pem",
            "environment": stack.environment, "origin": stack.origin, "invite_file": self.invite_file(), **settings}})
        if os.path.exists(self.launch_file):
            os.unlink(self.launch_file)
        env = {"PCSCLITE_CSOCK_NAME": os.path.join(self.run_dir, "pcscd", "pcscd.comm")} if self.virtual else None
        self.agent = Process(f"agent-{self.name}", [program("mykey-agent"), "--config", conf],
                             stack.layout.in_run(f"agent-{self.name}.log"), stack.ops(f"agent-{self.name}"), env).start()
        wait_until(lambda: self.agent_alive() and os.path.exists(self.launch_file), 15, f"agent of {self.name}")

    def agent_alive(self):
        if not self.agent.alive():
            raise RuntimeError(f"{self.agent.name} ended; its last lines:\n{self.agent.tail()}")
        return True

    @property
    def url(self):
        with open(self.launch_file, encoding="ascii") as file:
            return file.read().strip()

    def open_page(self):
        self.page = Page(self.url)
        # A physical reader may have a card on it already.
        self.page.wait("wait", *(() if self.virtual else ("reading", "pin", "error")), seconds=30)

    def stop(self):
        faults = []
        if self.page:
            self.page.close()
        for process in (self.agent, self.reader):
            if process is not None and process.stop(10) not in (0, None, -15):
                faults.append(process.name)
        return faults
