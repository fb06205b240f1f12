# SPDX-License-Identifier: Apache-2.0
"""What a curious or hostile page tries against the agent's port, the site it comes from, and a name that is bound anew."""

import base64
import contextlib
import hashlib
import http.server
import socket
import threading

ACT = '{"action":"manual_open"}'

# Each is JavaScript that succeeds when it got something out of `target` (an origin) or was let in; `told` waits for a word
# of the page there. The token is the right one: whoever has guessed it must fail all the same.
ATTACKS = {
    "fetch": "return fetch(target + '/v1/events', { mode: 'no-cors' });",
    "fetch with CORS": "return fetch(target + '/page/ja.json').then((answer) => answer.text());",
    "fetch with preflight": """return fetch(target + '/v1/actions', {
        method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Mykey-Token': token }, body: act });""",
    "simple post": "return fetch(target + '/v1/actions', { method: 'POST', mode: 'no-cors', body: act });",
    "event source": """const source = new EventSource(target + '/v1/events');
        return new Promise((yes, no) => { source.onmessage = yes; source.onerror = no; }).finally(() => source.close());""",
    "web socket": """const socket = new WebSocket(target.replace('http', 'ws') + '/v1/events');
        return new Promise((yes, no) => { socket.onopen = yes; socket.onerror = no; }).finally(() => socket.close());""",
    "script": "return loaded('script', { src: target + '/page/app.js' });",
    "module": "return loaded('script', { type: 'module', crossOrigin: '', src: target + '/page/app.js' });",
    "style sheet": "return loaded('link', { rel: 'stylesheet', href: target + '/page/page.css' });",
    "picture": "return loaded('img', { src: target + '/page/favicon.svg' });",
    "iframe": "add('iframe', { src: target + '/?view=resident' }); return told();",
    "form post": """add('iframe', { name: 'sink' });
        const form = add('form', { method: 'post', enctype: 'text/plain', target: 'sink', action: target + '/v1/actions' });
        const field = document.createElement('input');
        Object.assign(field, { name: '{"action":"manual_open","number":"', value: '"}' });
        form.append(field);
        form.submit();
        return told();""",
    "window and message": """const other = open(target + '/#t=' + token);
        const timer = setInterval(() => other.postMessage({ action: 'manual_open' }, '*'), 50);
        return told().finally(() => clearInterval(timer));""",
}

RUN = """const [target, token, act, patience, done] = arguments;
const told = () => new Promise((yes, no) => { addEventListener('message', yes, { once: true }); setTimeout(no, patience); });
const add = (tag, facts) => document.body.appendChild(Object.assign(document.createElement(tag), facts));
const loaded = (tag, facts) => new Promise((yes, no) => add(tag, { ...facts, onload: yes, onerror: no }));
(async () => { %s })().then(() => done('reached'), () => done('refused'));"""

TYPES = {".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml"}
WORD = "<!doctype html><title>open to everybody</title><script>(opener ?? parent).postMessage('here', '*')</script>"
BODIES = {".svg": '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>', ".js": "", ".css": "", ".json": "{}"}


class Site:
    """A site that answers everything to everybody: where the hostile page comes from, and what its attacks work against."""

    def __init__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.port = self.server.server_address[1]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.path.partition("?")[0]
        if self.headers["Upgrade"] == "websocket":
            return self.open_socket()
        if path == "/v1/events":
            return self.answer("text/event-stream", "data: 1\n\n")
        if path == "/attacker":
            return self.answer("text/html", "<!doctype html><title>attacker</title><body>")
        ending = path[path.rfind("."):]
        return self.answer(TYPES.get(ending, "text/html"), BODIES.get(ending, WORD))

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.answer("text/html", WORD)

    def do_OPTIONS(self):
        self.answer("text/plain", "")

    def answer(self, kind, body):
        self.send_response(200)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), "Access-Control-Allow-Origin": "*",
                            "Access-Control-Allow-Headers": "*"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def open_socket(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        for name, value in {"Upgrade": "websocket", "Connection": "Upgrade",
                            "Sec-WebSocket-Accept": base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()}.items():
            self.send_header(name, value)
        self.end_headers()
        self.rfile.read(1)  # until the page closes it


class Rebound:
    """An address beside the agent's, at its port: hands out the attacker's page, and carries everything else to the agent.
    To a browser this is a name whose address has changed from the attacker's to ours since it loaded the page."""

    ADDRESS = "127.0.0.2"

    def __init__(self, port):
        self.port, self.server = port, socket.create_server((self.ADDRESS, port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.server.accept()[0],), daemon=True).start()

    def serve(self, peer):
        with peer, contextlib.suppress(OSError):
            request = peer.recv(65536)
            if request.startswith(b"GET /attacker "):
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<title>attacker</title>")
                return
            # its head and, of ours, its whole body; one request a connection
            head, _, rest = request.partition(b"\r\n\r\n")
            with socket.create_connection(("127.0.0.1", self.port)) as agent:
                agent.sendall(head + b"\r\nConnection: close\r\n\r\n" + rest)
                agent.settimeout(10)
                while answer := agent.recv(65536):
                    peer.sendall(answer)

    def close(self):
        self.server.close()
