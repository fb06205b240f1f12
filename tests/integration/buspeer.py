# SPDX-License-Identifier: Apache-2.0
"""A worker on the real bus: a service whose answers a test chooses."""

import threading
import time

import zmq
from buslib import BYE, CODES, DISPATCH, PING, PONG, READY, REPLY, bus, frame, parse


class Answer(Exception):
    """Raised by a handler: a code other than OK."""

    def __init__(self, code, detail=None, retry_after_ms=None):
        super().__init__(code)
        self.code, self.more = code, {"detail": detail, "retry_after_ms": retry_after_ms}


class Worker:
    """Serves `service` at a broker. handler(header, body) → bytes or a message; it runs in this worker's thread, and
    jobs that it may keep waiting do so in threads of their own."""

    def __init__(self, endpoint, server_key, public, secret, service, handler, credit=64):
        self.endpoint, self.server_key, self.public, self.secret = endpoint, server_key, public, secret
        self.service, self.handler, self.credit = service, handler, credit
        self.ending = threading.Event()
        self.outbox, self.lock = [], threading.Lock()
        self.thread = None

    def start(self):
        self.ending.clear()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def stop(self):
        self.ending.set()
        self.thread.join(10)

    def run(self):
        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.linger = 200
        socket.curve_publickey, socket.curve_secretkey, socket.curve_serverkey = self.public, self.secret, self.server_key
        socket.connect(self.endpoint)
        socket.send(frame(READY, service=self.service, credit=self.credit, api_majors=[1], instance=f"{self.service}-test"))
        pinged = 0
        while not self.ending.is_set():
            if time.monotonic() - pinged > 0.5:
                socket.send(frame(PING))
                pinged = time.monotonic()
            if socket.poll(5):
                self.take(*parse(socket.recv()))
            with self.lock:
                ready, self.outbox = self.outbox, []
            for data in ready:
                socket.send(data)
        socket.send(frame(BYE, service=self.service))
        socket.close()

    def take(self, command, header, body):
        if command == PING:
            self.post(frame(PONG))
        if command == DISPATCH:
            threading.Thread(target=self.work, args=(header, body), daemon=True).start()

    def work(self, header, body):
        reply = {"tag": header.tag, "request_id": header.request_id, "executed": bus.EXECUTED_YES, "credit": 1,
                 "server_instance": f"{self.service}-test"}
        data = b""
        try:
            answer = self.handler(header, body)
            data = answer if isinstance(answer, bytes) else answer.SerializeToString()
            reply["code"] = 0
        except Answer as refusal:
            reply["code"] = CODES[refusal.code] if isinstance(refusal.code, str) else refusal.code
            reply.update({name: value for name, value in refusal.more.items() if value})
        self.post(frame(REPLY, data, **reply))

    def post(self, data):
        with self.lock:
            self.outbox.append(data)
