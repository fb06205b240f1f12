# SPDX-License-Identifier: Apache-2.0
"""Serves the real page files with the agent's headers and pushes snapshots that a test hands it. No agent logic: it is
only there to bring the page into each state. A test may script answers: `agent.on_action = function(action, body)`."""

import contextlib
import http.server
import json
import pathlib
import queue
import re
import secrets
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml"}


def served_headers():
    """The headers of agent/loopback.c, so that the tests' page is as confined as the agent's."""
    table = re.search(r"security_headers\[\] = \{(.*?)\n\};", (ROOT / "agent/loopback.c").read_text(encoding="utf-8"), re.S)[1]
    rows = re.findall(r'\{"([\w-]+)",\s*((?:"[^"]*"\s*)+)\}', table)
    return {name: "".join(re.findall(r'"([^"]*)"', parts)) for name, parts in rows}


HEADERS = served_headers()


def page_file(path):
    """The file behind a served path, or None."""
    if path == "/":
        return ROOT / "agent/page/index.html"
    folder, _, name = path.lstrip("/").partition("/")
    base = {"page": ROOT / "agent/page", "web": ROOT / "web"}.get(folder)
    file = base / name if base and name and "/" not in name else None
    return file if file and file.suffix in TYPES and file.is_file() else None


class FakeAgent:
    def __init__(self):
        self.token = secrets.token_hex(16)
        self.actions = []
        self.on_action = None
        self.refused = None
        self.snapshot = {"state": "starting"}
        self._rev = 0
        self._streams = set()
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def port(self):
        return self._server.server_address[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/#t={self.token}"

    def push(self, snapshot):
        with self._lock:
            self._rev += 1
            self.snapshot = {"rev": self._rev, **snapshot}
            for stream in self._streams:
                stream.put(self.snapshot)
            return str(self._rev)

    def update(self, **changes):
        return self.push({**{key: value for key, value in self.snapshot.items() if key != "rev"}, **changes})

    def reset(self):
        self.actions, self.on_action, self.refused = [], None, None

    def drop_streams(self):
        with self._lock:
            for stream in self._streams:
                stream.put(None)

    @contextlib.contextmanager
    def away(self):
        """Ends the streams and takes no new one for a while."""
        subscribe, self._subscribe = self._subscribe, lambda: (_ for _ in ()).throw(OSError)
        try:
            self.drop_streams()
            yield
        finally:
            self._subscribe = subscribe

    def close(self):
        self.drop_streams()
        self._server.shutdown()
        self._server.server_close()

    def _subscribe(self):
        stream = queue.Queue()
        with self._lock:
            self._streams.add(stream)
            stream.put({"rev": self._rev, **self.snapshot})
        return stream

    def _unsubscribe(self, stream):
        with self._lock:
            self._streams.discard(stream)

    def _act(self, body):
        self.actions.append(body)
        refused = self.refused or (self.on_action and self.on_action(body["action"], body))
        return (400, {"error": refused}) if refused else (200, {"ok": True})

    def _handler(self):
        agent = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, kind, body):
                self.send_response(status)
                for name, value in {**HEADERS, "Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def is_ours(self):
                return (self.headers["Host"] == f"127.0.0.1:{agent.port}" and self.headers["X-Mykey-Token"] == agent.token
                        and self.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin")

            def do_GET(self):
                path = self.path.partition("?")[0]
                if path == "/v1/events":
                    return self.events() if self.is_ours() else self.answer(403, "application/json", b'{"error":"DENIED"}')
                file = page_file(path)
                if file is None:
                    return self.answer(404, "text/plain", b"")
                return self.answer(200, TYPES[file.suffix], file.read_bytes())

            def events(self):
                self.send_response(200)
                for name, value in {**HEADERS, "Content-Type": "text/event-stream", "Connection": "close"}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.close_connection = True
                stream = agent._subscribe()
                try:
                    while (snapshot := stream.get()) is not None:
                        self.wfile.write(f"data: {json.dumps(snapshot, ensure_ascii=False)}\n\n".encode())
                        self.wfile.flush()
                except OSError:
                    pass
                finally:
                    agent._unsubscribe(stream)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                good = self.path == "/v1/actions" and self.is_ours() and self.headers["Content-Type"] == "application/json"
                status, reply = agent._act(json.loads(body)) if good else (403, {"error": "DENIED"})
                self.answer(status, "application/json", json.dumps(reply).encode())

        return Handler
