# SPDX-License-Identifier: Apache-2.0
"""A terminal without a reader: the agent's side of docs/terminal-api.md, signing with a test card's private key."""

import http.client
import os
import ssl
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509.oid import NameOID
from wire import NAMES, canonical, tap, terminal

TYPE = "application/x-protobuf"


class Refused(Exception):
    """The platform's answer other than 2xx."""

    def __init__(self, status, body):
        self.status, self.body = status, body
        self.code = NAMES.get(body.code, str(body.code))
        super().__init__(f"{status} {self.code} {body.detail}")


class Card:
    """The certificate and the key of one card made by the test authority."""

    def __init__(self, directory):
        with open(os.path.join(directory, "auth.der"), "rb") as file:
            self.certificate = file.read()
        with open(os.path.join(directory, "auth.key"), "rb") as file:
            self.key = serialization.load_pem_private_key(file.read(), None)

    def sign(self, statement):
        return self.key.sign(canonical(statement), padding.PKCS1v15(), hashes.SHA256())


class OneWrite(http.client.HTTPSConnection):
    """Head and body leave in one write, as the agent sends them."""

    def _send_output(self, message_body=None, encode_chunked=False):
        del encode_chunked
        head = b"\r\n".join([*self._buffer, b"", b""])
        self._buffer.clear()
        self.send(head + (message_body or b""))


class SoftTerminal:
    """host, port: an edge; authority: PEM file of the authority behind its server certificate."""

    def __init__(self, host, port, authority, directory):
        self.host, self.port, self.authority, self.directory = host, port, authority, directory
        self.connection = None

    def path(self, name):
        return os.path.join(self.directory, name)

    def context(self):
        context = ssl.create_default_context(cafile=self.authority)
        if os.path.exists(self.path("terminal.pem")):
            context.load_cert_chain(self.path("terminal.pem"), self.path("terminal.key"))
        return context

    def reconnect(self):
        if self.connection:
            self.connection.close()
        self.connection = OneWrite(self.host, self.port, timeout=20, context=self.context())

    def call(self, method, path, message=None, answer=None, headers=None):
        """One request over the kept-alive connection; the answer's message, or Refused."""
        if self.connection is None:
            self.reconnect()
        body = message.SerializeToString() if message is not None else None
        self.connection.request(method, path, body, {"Content-Type": TYPE, **(headers or {})})
        reply = self.connection.getresponse()
        data = reply.read()
        if reply.status != 200:
            error = terminal.ErrorBody()
            if reply.getheader("Content-Type") == TYPE:
                error.ParseFromString(data)
            raise Refused(reply.status, error)
        return answer.FromString(data) if answer else None

    def enrol(self, invite, seconds=20):
        """invite: CODE.FINGERPRINT as mykeyctl prints it."""
        key = ec.generate_private_key(ec.SECP256R1())
        with os.fdopen(os.open(self.path("terminal.key"), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()))
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "terminal")])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        accepted = self.call("POST", "/v1/enrol", terminal.Enrol(
            code=invite.split(".")[0], csr=request.public_bytes(serialization.Encoding.DER)), terminal.EnrolAccepted)
        limit = time.monotonic() + seconds
        while True:
            try:
                done = self.call("POST", "/v1/enrol/result", terminal.EnrolResult(enrolment_id=accepted.enrolment_id),
                                 terminal.Enrolled)
                break
            except Refused as pending:
                if pending.code != "ENROL_PENDING" or time.monotonic() > limit:
                    raise
                time.sleep(0.2)
        certificate = x509.load_der_x509_certificate(done.certificate)
        with open(self.path("terminal.pem"), "wb") as file:
            file.write(certificate.public_bytes(serialization.Encoding.PEM))
        self.reconnect()
        return accepted.terminal_id

    def info(self):
        return self.call("GET", "/v1/terminal", None, terminal.TerminalInfo)

    def challenge(self, purpose, audience, object_hash=b"", request_id=None):
        request = terminal.ChallengeRequest(purpose=purpose, audience=audience, request_id=request_id or os.urandom(16),
                                            assurance=tap.ASSURANCE_PIN)
        if object_hash:
            request.object = object_hash
        return self.call("POST", "/v1/challenge", request, terminal.Challenge)

    def redeem(self, challenge, card, signature=None, **fields):
        request = terminal.TapRequest(nonce=challenge.statement.nonce, certificate=card.certificate,
                                      signature=signature or card.sign(challenge.statement), **fields)
        return self.call("POST", "/v1/tap", request, terminal.TapReply, {"X-Mykey-Gateway": challenge.gateway})

    def tap(self, card, purpose, audience, object_hash=b"", **fields):
        return self.redeem(self.challenge(purpose, audience, object_hash), card, **fields)
