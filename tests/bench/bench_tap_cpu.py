#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tap_cpu: CPU time of a library PIN tap over kept-alive connections, all server processes together, against its floor.

Ours: 10,000 taps (resolve) through HAProxy, gateway, brokers, jpki-verify, registry and PostgreSQL, on 48 connections; every tap
has a fresh challenge and a fresh signature; the generator's own time is not counted. Floor: tests/bench/tap_floor.c with its
database backend. Both sides alternate, each pinned to one core, the generator to the other."""

import os
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("../../tools/dev", "../lib", "."):
    sys.path.insert(0, os.path.join(HERE, folder))

from benchlib import Bench  # noqa: E402
from cpu import cpu_seconds, descendants, spent, stat  # noqa: E402
from cryptography import x509  # noqa: E402
from layout import BUILD, Layout  # noqa: E402
from operators import HOLDERS  # noqa: E402
from seed import credential_id, newest_key, seed  # noqa: E402
from soft_terminal import Card, SoftTerminal  # noqa: E402
from stack import Stack  # noqa: E402
from wire import canonical, tap  # noqa: E402

TAPS, PAIRS, CONNECTIONS = int(os.environ.get("TAPS", "10000")), 5, 48
SERVER_CPU, GENERATOR_CPU = {0}, {1}  # as in the latency figures: wake-ups across cores would be half of what is measured
UNLIMITED = {"gateway-1": {"gateway": dict.fromkeys(
    ("terminal_rate", "terminal_burst", "rate", "burst", "enrol_rate", "enrol_burst"), 100000)}}
EDGE_LIMITS = ["--certificate-rate", "1000000", "--enrol-rate", "1000000"]


def enrol(stack, index):
    folder = stack.layout.in_data("terminals", f"soft-{index}")
    os.makedirs(folder, exist_ok=True)
    soft = SoftTerminal("127.0.0.1", stack.ports["edge-a"], f"{stack.authority}/authority.pem", folder)
    soft.enrol(stack.ctl("terminal", "invite", "A1", "--authority", f"{stack.authority}/authority.pem").strip())
    return soft


def work(soft, card, count):
    for _ in range(count):
        reply = soft.tap(card, tap.PURPOSE_RESOLVE, "A1")
        assert list(reply.customer_ids) == ["789"]


def ours(stack, softs, card, count):
    pids = [process.pid for process in stack.processes.values()] + [stack.cluster.server.pid]
    before = cpu_seconds(pids)
    threads = [threading.Thread(target=work, args=(soft, card, count // len(softs))) for soft in softs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return spent(before, cpu_seconds(pids)) / count


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
        import hashlib
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
        child = subprocess.Popen(["taskset", "-c", ",".join(map(str, SERVER_CPU)), os.path.join(BUILD, "tests/bench/tap_floor"), self.conninfo, str(count), *files],
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
        card = Card(stack.layout.in_data("ca", "cards", "card-1"))
        softs = [enrol(stack, index) for index in range(CONNECTIONS)]
        floor = Floor(stack, card, folder)
        ours(stack, softs, card, 10 * CONNECTIONS)
        if os.cpu_count() > 1:
            pin([process.pid for process in stack.processes.values()] + [stack.cluster.server.pid], SERVER_CPU)
            os.sched_setaffinity(0, GENERATOR_CPU)
        for _ in range(PAIRS):
            bench.pair(ours(stack, softs, card, TAPS // PAIRS) * 1e6, floor.run(TAPS // PAIRS) * 1e6, size=TAPS)
    layout.remove()
    bench.finish()


if __name__ == "__main__":
    main()
