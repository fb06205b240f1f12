# SPDX-License-Identifier: Apache-2.0
"""One child process of a stack: started with its log, awaited until ready, ended by pid."""

import ctypes
import os
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
SERVES_MANY = ("chrt", "-b", "0")  # before a server that isn't ours: as ours do by themselves (docs/adr/0007)
LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """A stack that is killed leaves nothing behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def wait_until(check, seconds, what):
    """Polls until check() is true; TimeoutError names what did not happen."""
    limit = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > limit:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def http_over_unix(path, target, timeout=2.0):
    """GET over a unix socket: (status, body); (0, "") when nobody answers."""
    try:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(timeout)
            peer.connect(path)
            peer.sendall(f"GET {target} HTTP/1.1\r\nHost: ops\r\nConnection: close\r\n\r\n".encode())
            data = b""
            while chunk := peer.recv(65536):
                data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode("utf-8", "replace")
    except (OSError, IndexError, ValueError):
        return 0, ""


def clean_environment(**more):
    """Ours without MYKEY_ variables: to a service an unknown one is a wrong setting."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("MYKEY_")}, **more}


class Process:
    def __init__(self, name, command, log, ops=None, env=None):
        self.name, self.command, self.log, self.ops = name, command, log, ops
        self.env = clean_environment(**(env or {}))
        self.child = None

    def start(self):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                                          start_new_session=True, preexec_fn=die_with_parent)
        return self

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def ready(self):
        if not self.alive():
            raise RuntimeError(f"{self.name} ended with status {self.child.returncode}; its last lines:\n{self.tail()}")
        return self.ops is None or http_over_unix(self.ops, "/readyz")[0] == 200

    def wait_ready(self, seconds=20):
        try:
            wait_until(self.ready, seconds, f"{self.name} ready")
        except TimeoutError as late:
            reason = http_over_unix(self.ops, "/readyz")[1] if self.ops else ""
            raise RuntimeError(f"{late}; it says {reason or 'nothing'}; its last lines:\n{self.tail()}") from late
        return self

    def metrics(self):
        return http_over_unix(self.ops, "/metrics")[1]

    def tail(self, lines=8):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                return "".join(log.readlines()[-lines:])
        except OSError:
            return ""

    def kill(self, number=signal.SIGKILL):
        os.kill(self.pid, number)

    def stop(self, seconds=30):
        """SIGTERM, then SIGKILL when it does not end. The exit status, None if it was not running."""
        if self.child is None:
            return None
        if self.alive():
            self.child.terminate()
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()
