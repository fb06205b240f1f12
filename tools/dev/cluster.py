# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL cluster: no TCP, unix socket in the run directory, peer authentication mapped to roles."""

import os
import shutil
import subprocess

from layout import DATABASE_USER
from process import SERVES_MANY, Process, wait_until

BIN = "/usr/lib/postgresql/15/bin"


def as_database_user(*command):
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", f"--reuid={DATABASE_USER}", f"--regid={DATABASE_USER}", "--init-groups",
            "--pdeathsig", "INT", *command]


class Cluster:
    """directory: the data directory's parent; socket_dir: short, reachable by the database user."""

    def __init__(self, directory, socket_dir, log):
        self.data = os.path.join(directory, "pg")
        self.socket_dir, self.log = socket_dir, log
        self.server = None

    def make(self):
        owner = DATABASE_USER if os.geteuid() == 0 else None
        os.makedirs(self.socket_dir, exist_ok=True)
        os.chmod(self.socket_dir, 0o755)
        if owner:
            shutil.chown(self.socket_dir, owner, owner)
        if os.path.exists(os.path.join(self.data, "PG_VERSION")):
            return
        os.makedirs(self.data, exist_ok=True)
        os.chmod(self.data, 0o700)
        if owner:
            shutil.chown(self.data, owner, owner)
        self.run(f"{BIN}/initdb", "-D", self.data, "-k", "-A", "peer", "-U", "postgres", "--locale=C.UTF-8", "-E", "UTF8")
        self.write("pg_hba.conf", "local all all peer map=mykey\n")
        me = "root" if os.geteuid() == 0 else DATABASE_USER
        users = dict.fromkeys([me, DATABASE_USER])
        # The development user may act as every role; in production each service has its own user.
        self.write("pg_ident.conf", "".join(f"mykey {user} {role}\n" for user in users for role in ROLES))
        self.write("conf.d.conf", SETTINGS.format(socket_dir=self.socket_dir))
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="ascii") as conf:
            conf.write("include 'conf.d.conf'\n")

    def write(self, name, text):
        path = os.path.join(self.data, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        if os.geteuid() == 0:
            shutil.chown(path, DATABASE_USER, DATABASE_USER)

    def run(self, *command):
        done = subprocess.run(as_database_user(*command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              cwd="/", check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}")

    def start(self):
        command = as_database_user(*SERVES_MANY, f"{BIN}/postgres", "-D", self.data, "-k", self.socket_dir)
        self.server = Process("postgresql", command, self.log).start()
        wait_until(self.answers, 30, "PostgreSQL ready")
        return self

    def answers(self):
        if not self.server.alive():
            raise RuntimeError(f"PostgreSQL ended:\n{self.server.tail(20)}")
        asked = [f"{BIN}/pg_isready", "-q", "-h", self.socket_dir, "-U", "postgres", "-d", "postgres"]
        return subprocess.run(asked, check=False).returncode == 0

    def sql(self, text, database="postgres", role="postgres"):
        """Runs SQL as a role; the output of psql -At."""
        done = subprocess.run(["psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-h", self.socket_dir, "-U", role, "-d", database],
                              input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def conninfo(self, database, role):
        return f"host={self.socket_dir} dbname={database} user={role}"

    def stop(self):
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for idle clients.
        if self.server and self.server.alive():
            self.server.kill(2)
        if self.server:
            self.server.stop(30)


ROLES = ("postgres", "registry_owner", "registry", "points_owner", "points", "feed_import_owner", "feed_import")

SETTINGS = """\
listen_addresses = ''
unix_socket_directories = '{socket_dir}'
unix_socket_permissions = 0777
max_connections = 60
shared_buffers = 128MB
max_wal_size = 1GB
log_min_messages = warning
log_statement = none
log_min_error_statement = panic
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
"""
