# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL cluster for tests: real server, unix socket in a short directory, migrated databases."""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools", "dev"))

from cluster import Cluster  # noqa: E402


class Database:
    """One cluster in a directory of its own, removed by close()."""

    def __init__(self, settings=""):
        self.directory = tempfile.mkdtemp(prefix="mykey-pg-", dir="/tmp")
        os.chmod(self.directory, 0o755)
        self.cluster = Cluster(self.directory, os.path.join(self.directory, "s"), os.path.join(self.directory, "pg.log"))
        self.cluster.make()
        if settings:
            with open(os.path.join(self.cluster.data, "postgresql.conf"), "a", encoding="ascii") as conf:
                conf.write(settings)
        self.cluster.start()

    @property
    def socket_dir(self):
        return self.cluster.socket_dir

    def make(self, service):
        """Roles, database and schema of a service, by the scripts that production uses."""
        self.script("postgres", "create.sh", service)
        return self.migrate(service, os.path.join(ROOT, "services", service, "schema"))

    def script(self, role, name, *arguments, check=True):
        env = {**os.environ, "PGHOST": self.socket_dir, "PGUSER": role}
        done = subprocess.run([os.path.join(ROOT, "deploy", "db", name), *arguments], env=env, text=True, cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"{name}: {done.stderr}")
        return done

    def migrate(self, service, directory, *options, check=True):
        return self.script(f"{service}_owner", "migrate.sh", *options, service, directory, check=check)

    def conninfo(self, database, role=None):
        return self.cluster.conninfo(database, role or database)

    def sql(self, text, database="registry", role=None):
        """Output of psql -At; RuntimeError with psql's message."""
        return self.cluster.sql(text, database, role or f"{database}_owner")

    def kill(self):
        """kill -9 of the whole server; start() recovers it."""
        self.cluster.server.kill(signal.SIGSTOP)  # so that it makes no new children meanwhile
        pids = subprocess.run(["pgrep", "-P", str(self.cluster.server.pid)], stdout=subprocess.PIPE, text=True,
                              check=False).stdout.split()
        ends = [os.pidfd_open(int(pid)) for pid in pids]
        for pid in (self.cluster.server.pid, *map(int, pids)):
            os.kill(pid, signal.SIGKILL)
        self.cluster.server.stop()
        for end in ends:  # until the last has ended, its shared memory keeps a new server from starting
            assert select.select([end], [], [], 10)[0]
            os.close(end)

    def stop(self):
        self.cluster.stop()

    def start(self):
        self.cluster.start()

    def close(self):
        self.cluster.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
