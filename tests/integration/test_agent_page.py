# SPDX-License-Identifier: Apache-2.0
"""The agent's loopback page as a hostile page, program or user of the machine meets it."""
import http.client
import json
import os
import socket
import stat
import time

import pytest
from agentlib import Page, Terminal, wait_for

HOLES = ["fullscreen=*", "unsafe-inline", "unsafe-eval", "*"]


@pytest.fixture(scope="module")
def desk():
    """No PC/SC daemon at all: the page and manual entry work all the same."""
    with Terminal() as started:
        started.page.wait("error/READER_SERVICE_DOWN")
        yield started
        assert started.process.poll() is None, started.log()


@pytest.fixture
def ask(desk):
    host, token = desk.page.host, desk.page.token

    def send(method, path, body=None, drop=(), **headers):
        peer = http.client.HTTPConnection(host, timeout=5)
        given = {"X-Mykey-Token": token, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        if body is not None:
            given["Content-Type"] = "application/json"
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        for name in drop:
            given.pop(name, None)
        peer.putrequest(method, path, skip_host="Host" in given)
        for name, value in given.items():
            peer.putheader(name, value)
        if body is not None:
            peer.putheader("Content-Length", str(len(body)))
        peer.endheaders()
        try:
            if body:
                peer.send(body)
        except OSError:
            pass  # refused before the body
        answer = peer.getresponse()
        if answer.getheader("Content-Type", "").startswith("text/event-stream"):
            return answer, b""
        data = answer.read()
        peer.close()
        return answer, data
    return send


def test_launch_file(desk):
    launch = desk.profile / "launch"
    assert stat.S_IMODE(os.stat(launch).st_mode) == 0o600
    assert launch.read_text() == f"http://{desk.page.host}/#t={desk.page.token}\n"
    assert len(desk.page.token) == 32 and desk.page.token not in desk.log()
    with open(f"/proc/{desk.process.pid}/cmdline", encoding="utf-8") as arguments:
        assert desk.page.token not in arguments.read()


def test_only_loopback(desk):
    port = int(desk.page.host.split(":")[1])
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    listening = [row[1] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port]
    assert listening == [f"0100007F:{port:04X}"]


@pytest.mark.parametrize("path,kind", [("/", "text/html"), ("/page/app.js", "text/javascript"), ("/page/ja.json", "application/json"),
                                       ("/web/tokens.css", "text/css"), ("/?view=staff&lang=en", "text/html")])
def test_files_and_their_headers(ask, path, kind):
    answer, data = ask("GET", path, drop=("X-Mykey-Token", "Origin"), Sec_Fetch_Site="none")
    assert answer.status == 200 and answer.getheader("Content-Type").startswith(kind) and data
    policy = answer.getheader("Content-Security-Policy")
    assert "default-src 'none'" in policy and "require-trusted-types-for 'script'" in policy
    assert not any(hole in policy for hole in HOLES)
    expected = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
                "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"}
    assert {name: answer.getheader(name) for name in expected} == expected
    assert "camera=()" in answer.getheader("Permissions-Policy")
    assert not any(name.lower().startswith("access-control") for name, _ in answer.getheaders())
    again, nothing = ask("GET", path, Sec_Fetch_Site="none", If_None_Match=answer.getheader("ETag"))
    assert (again.status, nothing) == (304, b"")


@pytest.mark.parametrize("path", ["/page/../main.c", "/page/%2e%2e/main.c", "/etc/passwd", "//etc/passwd", "/page/", "/page",
                                  "/page/index.html/x", "/v1x", "/favicon.ico"])
def test_no_other_files(ask, path):
    assert ask("GET", path)[0].status == 404


@pytest.mark.parametrize("headers,status", [
    ({"Host": "evil.example"}, 403), ({"Host": "localhost:1"}, 403), ({"Host": "127.0.0.1"}, 403),
    ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Sec_Fetch_Site": "cross-site"}, 403),
    ({"Sec_Fetch_Site": "same-site"}, 403), ({"X_Mykey_Token": "0" * 32}, 401), ({"X_Mykey_Token": ""}, 401)])
@pytest.mark.parametrize("method,path", [("GET", "/v1/events"), ("POST", "/v1/actions")])
def test_strangers(ask, method, path, headers, status):
    answer, data = ask(method, path, b'{"action":"next"}' if method == "POST" else None, **headers)
    assert answer.status == status and b"terminal" not in data


def test_missing_token_and_missing_host(desk, ask):
    assert ask("GET", "/v1/events", drop=("X-Mykey-Token",))[0].status == 401
    host, port = desk.page.host.split(":")
    for request in (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n",
                    f"GET / HTTP/1.1\r\nHost: {desk.page.host}\r\nHost: evil.example\r\n\r\n".encode()):
        with socket.create_connection((host, int(port)), 5) as peer:
            peer.sendall(request)
            assert peer.recv(4096).split()[1] in {b"400", b"403"}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", ""])
def test_forms_can_not_act(ask, kind):
    assert ask("POST", "/v1/actions", b'{"action":"next"}', Content_Type=kind)[0].status == 415


@pytest.mark.parametrize("method,path", [("GET", "/v1/actions"), ("GET", "/v1/actions?action=next"), ("POST", "/v1/events"),
                                         ("POST", "/"), ("PUT", "/v1/actions"), ("DELETE", "/"), ("OPTIONS", "/v1/actions"),
                                         ("HEAD", "/")])
def test_methods(ask, method, path):
    assert ask(method, path, b"{}" if method == "POST" else None)[0].status == 405


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b'{"action":"next","action":"next"}', b"\xff\xfe", b"[" * 4000,
                                  b'{"action":"pin_digit","digit":"1234"}', b'{"action":"next","x":1}',
                                  b'{"action":"' + b"a" * 3000 + b'"}', b" " * 4097, b"x" * 200000])
def test_bad_bodies(ask, body):
    answer, data = ask("POST", "/v1/actions", body)
    assert answer.status == 400 and json.loads(data) == {"error": "BAD_REQUEST"}


def test_unknown_and_misplaced_actions(ask):
    assert json.loads(ask("POST", "/v1/actions", b'{"action":"sign"}')[1]) == {"error": "UNKNOWN_METHOD"}
    answer, data = ask("POST", "/v1/actions", b'{"action":"pin_submit"}')
    assert (answer.status, json.loads(data)) == (409, {"error": "CONFLICT"})


def follows(desk, pages):
    try:
        pages.append(Page(desk.url))
    except RuntimeError:
        return False
    return True


def test_many_followers(desk):
    """A ninth page is told to wait; a closed one makes room."""
    pages = []
    try:
        for _ in range(7):
            pages.append(Page(desk.url))
        with pytest.raises(RuntimeError):
            Page(desk.url)
        pages.pop().close()
        wait_for(lambda: follows(desk, pages), "room for another page")
    finally:
        for page in pages:
            page.close()


def test_a_page_that_does_not_read():
    """Its backlog is bounded and nobody else waits for it; reading again, it gets whole events and the newest."""
    one = Terminal()
    one.platform.operator.name_ja = one.platform.operator.name_en = "x" * 8000  # the system's own buffers are large
    with one, socket.socket() as lazy:
        host, port = one.page.host.split(":")
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        lazy.connect((host, int(port)))
        lazy.sendall(f"GET /v1/events HTTP/1.1\r\nHost: {host}:{port}\r\nX-Mykey-Token: {one.page.token}\r\n\r\n".encode())
        wait_for(lambda: one.page.now.get("terminal", {}).get("name_ja"), "the operator's settings")
        for _ in range(300):
            one.page.must("manual_open")
            one.page.must("next")
        one.page.wait("error/READER_SERVICE_DOWN")
        newest, seen = one.page.now["rev"], []
        for line in read_events(lazy):
            seen.append(json.loads(line.removeprefix(b"data: "))["rev"])
            if seen[-1] == newest:
                break
        assert len(seen) < 600, "there was no backlog to bound"


def read_events(sock):
    """The data lines; the one that the bound cut through, if any, is left out."""
    sock.settimeout(5)
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    cut = 0
    while line := answer.readline().strip():
        assert line[:1] in (b"d", b":"), line
        if line.count(b"data: ") > 1 or not line.endswith(b"}"):
            cut += 1
            assert cut == 1
        elif line.startswith(b"data: "):
            yield line
        answer.readline()


def test_comments_keep_the_line_open(desk, ask):
    answers = []

    def is_open():  # pages that have just gone may still hold a place
        answers.append(ask("GET", "/v1/events")[0])
        return answers[-1].status == 200

    wait_for(is_open, "a place for this page")
    answer, started, lines = answers[-1], time.monotonic(), []
    answer.fp.raw._sock.settimeout(15)
    while not any(line.startswith(b":") for line in lines):
        lines.append(answer.fp.readline())
        assert time.monotonic() - started < 15
    answer.close()


def test_manual_number_without_reader(desk):
    desk.page.must("manual_open")
    desk.page.wait("manual")
    assert desk.page.act("manual_number", number="789", reason="curious") == "REASON_INVALID"
    desk.page.must("manual_number", number="12a", reason="other")
    wait_for(lambda: desk.page.now.get("manual", {}).get("problem") == "NUMBER_INVALID", "the problem")
    desk.page.must("manual_number", number=" ０８６ ", reason="forgot_card")
    seen = desk.page.wait("number")
    assert seen["number"]["values"] == ["086"] and seen["number"]["barcode"]["text"] == "A086A"
    assert "086" not in desk.log()
    desk.page.must("next")
    assert "number" not in desk.page.wait("error")


def test_number_clears_itself():
    one = Terminal()
    one.platform.operator.output.clear_after_s = 5
    with one:
        wait_for(lambda: one.page.now.get("checks", {}).get("key") == "ok", "the settings", 10)
        one.page.wait("error/READER_SERVICE_DOWN")
        one.page.must("manual_open")
        one.page.must("manual_number", number="789", reason="other")
        assert one.page.wait("number")["clear"] == {"after_s": 5, "stopped": False}
        started = time.monotonic()
        one.page.wait("error", seconds=8)
        assert 4 < time.monotonic() - started < 7


def test_end_leaves_nothing():
    one = Terminal()
    try:
        one.start()
        child = one.child()
        assert one.stop() == 0
        assert not (one.profile / "launch").exists()
        assert not os.path.exists(f"/proc/{child}")
    finally:
        one.__exit__()


def test_page_dir_serves_from_disk(tmp_path):
    (tmp_path / "index.html").write_text("<!doctype html>mine")
    with Terminal(page_dir=tmp_path) as one:
        peer = http.client.HTTPConnection(one.page.host, timeout=5)
        peer.request("GET", "/")
        assert peer.getresponse().read() == b"<!doctype html>mine"
