# SPDX-License-Identifier: Apache-2.0
"""docker-compose.yml as a test drives it: a project, an image and a data folder of this checkout's own."""

import hashlib
import io
import json
import os
import socket
import subprocess
import tarfile
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TAG = hashlib.sha256(ROOT.encode()).hexdigest()[:10]
SERVICES = ("broker-a", "broker-b", "edge-a", "edge-b", "gateway-1", "gateway-2", "inner-1", "inner-2", "jpki-revocation",
            "jpki-verify", "postgres", "registry", "terminal-ca")
NO_BASE = 3  # images.sh: neither pulled nor made here


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def run(*command, data=None, env=None, check=True):
    """The output of a command; RuntimeError with all that it said when it failed."""
    done = subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=env, check=False)
    if check and done.returncode != 0:
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        raise RuntimeError(f"{' '.join(command[:6])} … failed with status {done.returncode}:\n{said[-4000:]}")
    return done.stdout


def config(*arguments):
    return run("docker-compose", *arguments, "config")


def engine_answers():
    try:
        return subprocess.run(("docker", "info"), capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


class Project:
    def __init__(self):
        self.name, self.image = f"mykey-test-{TAG}", f"mykey-platform:test-{TAG}"
        self.data = tempfile.mkdtemp(prefix="mykey-compose-")
        self.edge_a, self.edge_b = free_ports(2)
        self.env = {**os.environ, "COMPOSE_PROJECT_NAME": self.name, "MYKEY_IMAGE": self.image, "MYKEY_COMPOSE_DATA": self.data,
                    "MYKEY_EDGE_A_PORT": str(self.edge_a), "MYKEY_EDGE_B_PORT": str(self.edge_b)}

    def make_image(self):
        """False where no base image can be had."""
        done = subprocess.run(("deploy/container/images.sh",), cwd=ROOT, env=self.env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode not in (0, NO_BASE):
            raise RuntimeError(f"images.sh failed:\n{done.stdout[-4000:]}")
        return done.returncode == 0

    def compose(self, *arguments, data=None):
        return run("docker-compose", "--profile", "terminal-ca", *arguments, data=data, env=self.env)

    def up(self, *arguments):
        self.compose("up", "-d", *arguments)
        self.wait_healthy()

    def ctl(self, *arguments):
        return self.compose("run", "--rm", "-T", "ctl", *arguments).decode()

    def sql(self, text, role):
        self.compose("exec", "-T", "postgres", "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "/run/mykey/pg", "-U", role,
                     "-d", "registry", data=text.encode())

    def fetch(self, path, to):
        """A folder or file of the data, whoever may read it, into a folder of the test's own."""
        tar = self.compose("run", "--rm", "-T", "setup", "tar", "-C", "/data", "-c", path)
        with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
            archive.extractall(to)
        return os.path.join(to, path)

    def containers(self, *filters):
        """What docker inspect says of this project's running containers, service → list."""
        arguments = [part for text in (f"label=com.docker.compose.project={self.name}",
                                       "label=com.docker.compose.oneoff=False", *filters) for part in ("--filter", text)]
        ids = run("docker", "ps", "-q", *arguments).decode().split()
        found = {}
        for one in json.loads(run("docker", "inspect", *ids)) if ids else []:
            found.setdefault(one["Config"]["Labels"]["com.docker.compose.service"], []).append(one)
        return found

    def unready(self):
        found = self.containers()
        late = [name for name in SERVICES if name not in found]
        late += [one["Name"] for many in found.values() for one in many
                 if one["State"].get("Health", {"Status": "healthy"})["Status"] != "healthy"]
        return late

    def wait_healthy(self, seconds=90):
        limit = time.monotonic() + seconds
        while late := self.unready():
            if time.monotonic() > limit:
                raise TimeoutError(f"not healthy within {seconds} s: {', '.join(late)}\n{self.logs()}")
            time.sleep(0.5)

    def logs(self):
        return self.compose("logs", "--no-color", "--tail", "8").decode("utf-8", "replace")

    def down(self):
        self.compose("--profile", "ctl", "--profile", "setup", "down", "-v", "--remove-orphans", "--timeout", "40")

    def remove(self):
        """Everything but the base images."""
        if run("docker", "images", "-q", self.image):
            self.compose("run", "--rm", "-T", "setup", "sh", "-c", "rm -rf /data/*")
        self.down()
        run("docker", "rmi", self.image, check=False)
        os.rmdir(self.data)
