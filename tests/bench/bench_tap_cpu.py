#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tap_cpu: CPU time of a library PIN tap over kept-alive connections, all server processes together, against its floor.

Ours: taps (resolve) through HAProxy, gateway, brokers, jpki-verify, registry and PostgreSQL; every tap has a fresh challenge and
a fresh signature; mykey-load's own time is not counted. Two ways of coming: in waves of 240 (the servers are busy while they
work, as in a rush), and from 48 counters that begin a new tap at once (the servers wait for the signatures, which take the
generator's core longer than all else). Floor: tests/bench/tap_floor.c with its database backend. The sides alternate, each
pinned to one core, the generator to the other."""

import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("../../tools/dev", "../lib", "."):
    sys.path.insert(0, os.path.join(HERE, folder))

from benchlib import Bench  # noqa: E402
from cpu import cpu_seconds, descendants, spent, stat  # noqa: E402
from cryptography import x509  # noqa: E402
from layout import BUILD, Layout, program  # noqa: E402
from operators import HOLDERS  # noqa: E402
from seed import credential_id, newest_key, seed  # noqa: E402
from soft_terminal import Card, SoftTerminal  # noqa: E402
from stack import Stack  # noqa: E402
from wire import canonical, tap  # noqa: E402

TAPS, PAIRS, TERMINALS = int(os.environ.get("TAPS", "10000")), 5, 240  # a terminal has one tap at a time
WAYS = (("waves of 240", TERMINALS, "--wave", "240"), ("48 at any time", 48, "--in-flight", "48"))
SERVER_CPU, GENERATOR_CPU = {0}, {1}  # as in the latency figures: wake-ups across cores would be half of what is measured
UNLIMITED = {"gateway-1": {"gateway": dict.fromkeys(
    ("terminal_rate", "terminal_burst", "rate", "burst", "enrol_rate", "enrol_burst"), 100000)}}
EDGE_LIMITS = ["--certificate-rate", "1000000", "--enrol-rate", "1000000", "--source-connection-rate", "10000"]


def invites(stack, folder, count):
    path = os.path.join(folder, "terminals.csv")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"A1,counter {index}\n" for index in range(count))
    made = stack.ctl("terminal", "invite", "--csv", path, "--authority", f"{stack.authority}/authority.pem")
    return [row["invite"] for row in csv.DictReader(made.splitlines())]


def enrol(stack, index, invite):
    folder = stack.layout.in_data("terminals", f"soft-{index}")
    os.makedirs(folder, exist_ok=True)
    soft = SoftTerminal("127.0.0.1", stack.ports["edge-a"], f"{stack.authority}/authority.pem", folder)
    soft.enrol(invite, seconds=60)
    soft.connection.close()


def server_pids(stack):
    return [process.pid for process in stack.processes.values()] + [stack.cluster.server.pid]


class Load:
    """mykey-load with its connections made: what they cost is not a tap's."""

    def __init__(self, stack, cards, connections, *way):
        command = [program("mykey-load"), "--terminals", stack.layout.in_data("terminals"), "--cards", cards, "--edge",
                   f"127.0.0.1:{stack.ports['edge-a']}", "--server-ca", f"{stack.authority}/authority.pem", "--operator", "A1",
                   "--connections", str(connections), "--taps", str(TAPS // PAIRS), "--wait", *way]
        self.pids = server_pids(stack)
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.child.stdout.readline() != "ready\n":
            sys.exit("tap_cpu: mykey-load could not connect")

    def run(self):
        """CPU seconds of a tap; the servers may still be finishing when the last answer is there."""
        before = cpu_seconds(self.pids)
        self.child.stdin.write("go\n")
        self.child.stdin.flush()
        report = json.loads(self.child.stdout.readline())
        used = spent(before, cpu_seconds(self.pids))
        self.child.stdin.close()
        if self.child.wait() != 0:
            sys.exit(f"tap_cpu: not every tap ended well: {report}")
        return used / report["taps"]


def pin(pids, cpus):
    """Every thread of these processes and of those below them."""
    for pid in descendants(pids):
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), cpus)


class Floor:
    def __init__(self, stack, card, folder):
        self.conninfo, self.folder = stack.cluster.conninfo("registry", "registry_owner"), folder
        certificate = x509.load_der_x509_certificate(card.certificate)
        statement = tap.TapStatement(version=1)
        self.write("digest", hashlib.sha256(canonical(statement)).digest())
        self.write("signature", card.sign(statement))
        self.write("modulus", certificate.public_key().public_numbers().n.to_bytes(256, "big"))
        _, key = newest_key(stack.key("credential"))
        ids = []
        for name in HOLDERS:
            with open(stack.layout.in_data("ca", "cards", name, "auth.der"), "rb") as file:
                ids.append(credential_id(key, x509.load_der_x509_certificate(file.read())))
        self.write("keys", "\n".join(ids).encode())

    def write(self, name, data):
        with open(os.path.join(self.folder, name), "wb") as file:
            file.write(data)

    def run(self, count):
        files = [os.path.join(self.folder, name) for name in ("modulus", "signature", "digest", "keys")]
        pinned = ["taskset", "-c", ",".join(map(str, SERVER_CPU))]
        child = subprocess.Popen([*pinned, os.path.join(BUILD, "tests/bench/tap_floor"), self.conninfo, str(count), *files],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        backend, own = child.stdout.readline().split()
        seconds = float(own) + stat(int(backend))[1]
        child.communicate("\n")
        return seconds / count


def main():
    bench = Bench("tap_cpu", unit="CPU µs per tap", better="lower")
    layout = Layout(f"bench-{os.getpid()}")
    with tempfile.TemporaryDirectory() as folder, Stack(layout, settings=UNLIMITED,
                                                        edge_limits=EDGE_LIMITS) as stack:
        seed(stack)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda numbered: enrol(stack, *numbered), enumerate(invites(stack, folder, TERMINALS))))
        card = stack.layout.in_data("ca", "cards", "card-1")
        cards = os.path.join(folder, "cards")
        with open(cards, "w", encoding="utf-8") as file:
            file.write(f"{card}\t789\n")
        floor = Floor(stack, Card(card), folder)
        Load(stack, cards, 48, "--in-flight", "48").run()
        if os.cpu_count() > 1:
            pin(server_pids(stack), SERVER_CPU)
            os.sched_setaffinity(0, GENERATOR_CPU)
        for name, connections, *way in WAYS:
            for _ in range(PAIRS):
                bench.pair(Load(stack, cards, connections, *way).run() * 1e6, floor.run(TAPS // PAIRS) * 1e6, size=name)
    layout.remove()
    bench.finish(taps=TAPS)


if __name__ == "__main__":
    main()
