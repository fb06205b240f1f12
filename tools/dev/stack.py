# SPDX-License-Identifier: Apache-2.0
"""The platform on one machine, all on real parts: used by make run, make demo and the integration tests.

    with Stack(Layout("demo")) as stack:      # makes what is missing, starts everything, waits until ready
        counter = stack.counter("A1")         # a terminal: reader, simulated card, agent
"""

import json
import os
import secrets
import socket
import subprocess
import sys

from cluster import Cluster
from counter import Counter
from layout import ROOT, Layout, program
from operators import (OPERATORS, PLATFORM_TERMS_EN, PLATFORM_TERMS_JA, PLATFORM_TERMS_VERSION, TERMS_EN, TERMS_JA)
from process import SERVES_MANY, Process, clean_environment

PYTHON = "/usr/bin/python3"
PRINCIPALS = ("gateway", "registry", "jpki-verify", "ops", "terminal-ca")
BROKERS = ("broker-a", "broker-b")
EDGES = ("edge-a", "edge-b")


def zpl(tree, depth=0):
    """A nested dict as ZPL text."""
    lines = []
    for key, value in tree.items():
        pad = "    " * depth
        if isinstance(value, dict):
            lines += [f"{pad}{key}", zpl(value, depth + 1)]
        else:
            lines.append(f'{pad}{key} = "{value}"')
    return "\n".join(lines)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*command, **options):
    options.setdefault("env", clean_environment())
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{os.path.basename(command[0])} failed with status {done.returncode}:\n{done.stdout}")
    return done.stdout


class Stack:
    origin, environment = "https://edge.mykey.example", "dev"  # what cards sign for

    def __init__(self, layout: Layout, gateways=1, settings=None, edge_limits=(), over_tls=()):
        """settings: service → section → setting, laid over the defaults; edge_limits: arguments of render.py; over_tls: the
        edges that reach the gateways as they would from another host."""
        self.layout, self.settings, self.edge_limits, self.over_tls = layout, settings or {}, edge_limits, over_tls
        self.gateways = [f"gateway-{n + 1}" for n in range(gateways)]
        self.processes, self.counters, self.ports = {}, {}, {}
        self.cluster = Cluster(layout.data, layout.in_run("pg"), layout.in_run("postgresql.log"))

    # ---- making what is missing ----

    def make(self):
        self.layout.make()
        self.make_keys()
        run(PYTHON, f"{ROOT}/tools/testca/testca.py", self.layout.in_data("ca"))
        self.cluster.make()
        self.make_tls()

    def make_keys(self):
        bus = self.layout.in_data("keys", "bus")
        for name in PRINCIPALS + BROKERS:
            if not os.path.exists(f"{bus}/{name}.key"):
                run(program("mykeyctl"), "keys", "bus", f"{bus}/{name}.key", f"{bus}/{name}.pub")
        for name in ("credential", "ticket-registry", "suspend"):
            if not os.path.exists(self.key(name)):
                run(program("mykeyctl"), "keys", "ring", self.key(name))
        if not os.path.exists(self.edge_secret):
            self.write_secret(self.edge_secret, secrets.token_hex(32))
            self.write_secret(self.edge_secret + ".map", "edge " + open(self.edge_secret, encoding="ascii").read())

    def key(self, name):
        return self.layout.in_data("keys", f"{name}.keys")

    @property
    def edge_secret(self):
        return self.layout.in_data("keys", "edge-secret")

    @staticmethod
    def write_secret(path, text):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w", encoding="ascii") as file:
            file.write(text)

    @property
    def authority(self):
        return self.layout.in_data("tls", "terminal-ca")

    def make_tls(self):
        if not os.path.exists(self.authority):
            os.makedirs(self.layout.in_data("tls"), mode=0o700, exist_ok=True)
            run(program("mykeyctl"), "ca", "init", self.authority)
        # Short-lived: issued again at every start.
        run(program("mykeyctl"), "ca", "server", self.authority, "edge.mykey.example", "localhost", "127.0.0.1")
        if self.over_tls:
            self.make_inner_tls()

    @property
    def inner_authority(self):
        return self.layout.in_data("tls", "inner-ca")

    def make_inner_tls(self):
        if not os.path.exists(self.inner_authority):
            run(program("mykeyctl"), "ca", "init", self.inner_authority, "MyKey inner authority")
        for kind, names in (("server", self.gateways), ("client", self.over_tls)):
            for name in names:
                run(program("mykeyctl"), "ca", kind, self.inner_authority, name)
                os.replace(f"{self.inner_authority}/{kind}.pem", f"{self.inner_authority}/{name}.pem")

    # ---- configuration files, written at each start ----

    def bus_settings(self, principal):
        keys, settings = self.layout.in_data("keys", "bus"), {"key": self.layout.in_data("keys", "bus", f"{principal}.key")}
        for name, broker in (("a", "broker-a"), ("b", "broker-b")):
            settings[f"broker_{name}"] = self.endpoint(broker)
            settings[f"broker_{name}_key"] = f"{keys}/{broker}.pub"
        return settings

    def endpoint(self, broker):
        return f"ipc://{self.layout.in_run(broker + '.bus')}"

    def ops(self, name):
        return self.layout.in_run(f"{name}.ops")

    def configure(self, name, settings):
        path = self.layout.in_run(f"{name}.conf")
        settings = {"ops": {"listen": f"unix:{self.ops(name)}"}, **settings}
        for section, values in self.settings.get(name, {}).items():
            settings[section] = {**settings.get(section, {}), **values}
        with open(path, "w", encoding="utf-8") as file:
            file.write(zpl(settings) + "\n")
        return path

    def acl(self):
        with open(f"{ROOT}/deploy/bus/acl.zpl", encoding="ascii") as file:
            text = file.read()
        for name in PRINCIPALS:
            with open(self.layout.in_data("keys", "bus", f"{name}.pub"), encoding="ascii") as pub:
                text = text.replace(f"@{name}@", public_key_of(pub.read()))
        path = self.layout.in_run("acl.zpl")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    # ---- starting ----

    def start(self):
        self.make()
        self.cluster.start()
        self.migrate("registry")
        for name in BROKERS:
            self.start_broker(name)
        self.start_revocation()
        self.start_jpki()
        self.start_registry()
        for name in self.gateways:
            self.start_gateway(name)
        if self.over_tls:
            self.start_inner()
        for name in EDGES:
            self.start_edge(name)
        self.start_authority()
        for name in (*BROKERS, "jpki-revocation", "jpki-verify", "registry", *self.gateways, *EDGES):
            self.processes[name].wait_ready()
        self.put_operators()
        return self

    def migrate(self, service):
        env = clean_environment(PGHOST=self.cluster.socket_dir)
        run(f"{ROOT}/deploy/db/create.sh", service, env={**env, "PGUSER": "postgres"})
        run(f"{ROOT}/deploy/db/migrate.sh", service, f"{ROOT}/services/{service}/schema",
            env={**env, "PGUSER": f"{service}_owner"})

    def launch(self, name, command, ops=True, env=None):
        process = Process(name, command, self.layout.in_run(f"{name}.log"), self.ops(name) if ops else None, env)
        self.processes[name] = process
        return process.start()

    def start_broker(self, name):
        conf = self.configure(name, {"broker": {
            "listen": self.endpoint(name), "key": self.layout.in_data("keys", "bus", f"{name}.key"), "acl": self.acl()}})
        return self.launch(name, [program("mykey-broker"), "--config", conf])

    def start_revocation(self):
        ca = self.layout.in_data("ca")
        conf = self.configure("jpki-revocation", {"revocation": {
            "lists": f"{ca}/crl", "roots": f"{ca}/roots", "root_pins": f"{ca}/root-pins",
            "data": self.layout.in_data("revocation")}})
        return self.launch("jpki-revocation", [program("mykey-jpki-revocation"), "--config", conf])

    def start_jpki(self):
        ca = self.layout.in_data("ca")
        conf = self.configure("jpki-verify", {"bus": self.bus_settings("jpki-verify"), "jpki": {
            "roots": f"{ca}/roots", "root_pins": f"{ca}/root-pins", "index": self.layout.in_data("revocation", "index"),
            "environment": self.environment,
            "credential_keys": self.key("credential"), "ticket_keys_registry": self.key("ticket-registry")}})
        return self.launch("jpki-verify", [program("mykey-jpki-verify"), "--config", conf])

    def start_registry(self):
        conf = self.configure("registry", {"bus": self.bus_settings("registry"), "registry": {
            "database": self.cluster.conninfo("registry", "registry"), "ticket_keys": self.key("ticket-registry"),
            "suspend_keys": self.key("suspend"),
            "deletion_log": self.layout.in_data("deletions.log"), "platform_terms_version": PLATFORM_TERMS_VERSION}})
        return self.launch("registry", [program("mykey-registry"), "--config", conf])

    def start_gateway(self, name):
        conf = self.configure(name, {"bus": self.bus_settings("gateway"), "gateway": {
            "listen": f"unix:{self.layout.in_run(name + '.http')}", "id": name,
            "environment": self.environment, "origin": self.origin, "edge_secret_file": self.edge_secret, "platform_terms_version": PLATFORM_TERMS_VERSION,
            "platform_terms_ja": self.text("terms.ja", PLATFORM_TERMS_JA),
            "platform_terms_en": self.text("terms.en", PLATFORM_TERMS_EN)}})
        return self.launch(name, [program("mykey-gateway"), "--config", conf])

    def text(self, name, content):
        path = self.layout.in_run(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        return path

    def start_inner(self):
        """The TLS side of all gateways."""
        conf = self.layout.in_run("inner.cfg")
        command = [PYTHON, f"{ROOT}/deploy/haproxy/render.py", "inner", "--out", conf, "--ops", f"unix:{self.ops('inner')}",
                   "--edge-ca", f"{self.inner_authority}/authority.pem"]
        for gateway in self.gateways:
            port = self.ports.setdefault(gateway, free_port())
            command += ["--gateway", f"{gateway}=127.0.0.1:{port},{self.inner_authority}/{gateway}.pem,"
                                     f"{self.layout.in_run(gateway + '.http')}"]
        run(*command)
        return self.launch("inner", [*SERVES_MANY, "/usr/sbin/haproxy", "-db", "-f", conf]).wait_ready()

    def start_edge(self, name):
        port = self.ports.setdefault(name, free_port())
        conf = self.layout.in_run(f"{name}.cfg")
        command = [PYTHON, f"{ROOT}/deploy/haproxy/render.py", "edge", "--out", conf, "--listen", f"127.0.0.1:{port}",
                   "--cert", f"{self.authority}/server.pem", "--terminal-ca", f"{self.authority}/authority.pem",
                   "--secret-map", f"{self.edge_secret}.map", "--stats", self.layout.in_run(f"{name}.stats"),
                   "--ops", f"unix:{self.ops(name)}", *self.edge_limits]
        if name in self.over_tls:
            command += ["--gateway-ca", f"{self.inner_authority}/authority.pem",
                        "--gateway-cert", f"{self.inner_authority}/{name}.pem"]
        for gateway in self.gateways:
            plain = self.layout.in_run(gateway + ".http")
            where = f"127.0.0.1:{self.ports[gateway]}" if name in self.over_tls else plain
            command += ["--gateway", f"{gateway}={where}"]
        run(*command)
        return self.launch(name, [*SERVES_MANY, "/usr/sbin/haproxy", "-db", "-f", conf])

    def edge_url(self, name):
        return f"https://127.0.0.1:{self.ports[name]}"

    def ctl_config(self, principal):
        path = self.layout.in_run(f"mykeyctl-{principal}.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(zpl({"bus": self.bus_settings(principal)}) + "\n")
        return path

    def ctl(self, *arguments, principal="ops"):
        return run(program("mykeyctl"), "--config", self.ctl_config(principal), *arguments)

    def start_authority(self):
        command = [program("mykeyctl"), "--config", self.ctl_config("terminal-ca"), "ca", "sign-pending", self.authority,
                   "--watch"]
        return self.launch("terminal-ca", command, ops=False)

    def put_operators(self):
        """Those that are not there yet: settings that somebody changed stay changed."""
        known = {json.loads(line)["operator_id"] for line in self.ctl("operator", "list", "--json").splitlines()}
        for operator_id, (kind, name_ja, name_en, symbology, code) in OPERATORS.items():
            if operator_id in known:
                continue
            settings = {"operator_id": operator_id, "kind": kind, "name_ja": name_ja, "name_en": name_en,
                        "terms_version": "1", "terms_ja": TERMS_JA, "terms_en": TERMS_EN,
                        "output": {"symbology": symbology, "keyboard": "true"}}
            if code:
                settings["municipality_code"] = code
            self.ctl("operator", "add", self.text(f"operator-{operator_id}.zpl", zpl({"operator": settings}) + "\n"))

    # ---- counters ----

    def counter(self, operator_id, name=None, virtual=True):
        """A running counter of this operator; made at the first call."""
        name = name or operator_id
        if name not in self.counters:
            self.counters[name] = Counter(self, name, operator_id, virtual)
            self.counters[name].start()
        return self.counters[name]

    # ---- stopping ----

    def stop(self):
        """Drains and stops everything, the outermost first. The names of those that did not end cleanly."""
        faults = []
        for counter in self.counters.values():
            faults += counter.stop()
        order = [*EDGES, "inner", "terminal-ca", *self.gateways, "jpki-verify", "jpki-revocation", "registry", *BROKERS]
        for name in order:
            process = self.processes.get(name)
            if process is not None and process.stop() not in (0, None, -15):
                faults.append(name)
        self.cluster.stop()
        self.counters.clear()
        return faults

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *exception):
        self.stop()


def public_key_of(text):
    """The Z85 text of a public key file."""
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "public-key":
            return value.strip().strip('"')
    raise RuntimeError("a public key file without public-key")


if __name__ == "__main__":
    sys.exit("this is a module: use make run or make demo")
