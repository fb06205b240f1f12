# SPDX-License-Identifier: Apache-2.0
"""The counter page's side of the agent's loopback API: what the browser does, without a browser."""

import http.client
import json
import threading
import time
import urllib.parse


class Page:
    """Follows the snapshots of one agent and sends actions. url: from the launch file, with the token as fragment."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.host, self.token = parts.netloc, parts.fragment.removeprefix("t=")
        self.headers = {"X-Mykey-Token": self.token, "Origin": f"http://{self.host}"}
        self.snapshots, self.changed, self.closed = [], threading.Condition(), False
        self.stream = http.client.HTTPConnection(self.host, timeout=60)
        self.stream.request("GET", "/v1/events", headers=self.headers)
        answer = self.stream.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"the agent refused the page: {answer.status} {answer.read(200)!r}")
        threading.Thread(target=self.follow, args=(answer,), daemon=True).start()

    def follow(self, answer):
        try:
            while line := answer.readline():
                if line.startswith(b"data: "):
                    with self.changed:
                        self.snapshots.append(json.loads(line[6:]))
                        self.changed.notify_all()
        except (OSError, ValueError, AttributeError):
            pass
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    @property
    def now(self):
        with self.changed:
            return self.snapshots[-1] if self.snapshots else {"state": "unknown"}

    def mark(self):
        """A place in the stream: wait(…, since=mark) looks only at what comes after."""
        with self.changed:
            return len(self.snapshots)

    def wait(self, *wanted, since=None, seconds=20):
        """The first snapshot in one of the wanted states ("number", "error/CARD_REMOVED", "error")."""
        limit = time.monotonic() + seconds
        with self.changed:
            start = since if since is not None else max(len(self.snapshots) - 1, 0)
            while True:
                for snapshot in self.snapshots[start:]:
                    if names(snapshot) & set(wanted):
                        return snapshot
                start = len(self.snapshots) if since is None else start
                left = limit - time.monotonic()
                if left <= 0 or self.closed:
                    seen = self.snapshots[-1] if self.snapshots else {}
                    raise TimeoutError(f"waited for {' or '.join(wanted)}; the page shows {sorted(names(seen))}")
                self.changed.wait(left)

    def act(self, action, **arguments):
        """Sends one action; the error's code, or None."""
        peer = http.client.HTTPConnection(self.host, timeout=10)
        body = json.dumps({"action": action, **arguments})
        peer.request("POST", "/v1/actions", body, {**self.headers, "Content-Type": "application/json"})
        answer = json.loads(peer.getresponse().read() or "{}")
        peer.close()
        return answer.get("error")

    def must(self, action, **arguments):
        refused = self.act(action, **arguments)
        if refused:
            raise RuntimeError(f"the agent refused {action}: {refused} (state {self.now.get('state')})")

    def enter_pin(self, pin):
        for digit in pin:
            self.must("pin_digit", digit=digit)
        self.must("pin_submit")

    def close(self):
        self.closed = True
        self.stream.close()


def names(snapshot):
    state = snapshot.get("state", "unknown")
    code = snapshot.get("error", {}).get("code")
    return {state, f"{state}/{code}"} if state == "error" else {state}
