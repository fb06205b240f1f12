# SPDX-License-Identifier: Apache-2.0
"""The JPKI profile: names, extensions, certificates and revocation lists as the real service issues them.

C is a PrintableString, all else UTF8String; distribution points are directory names; serials have four octets.
"""
import datetime
import hashlib
from dataclasses import dataclass, field
from typing import Callable, NamedTuple, Optional

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

import der

UTC = datetime.timezone.utc
JST = datetime.timezone(datetime.timedelta(hours=9))

OID_C, OID_O, OID_OU, OID_CN, OID_L = "2.5.4.6", "2.5.4.10", "2.5.4.11", "2.5.4.3", "2.5.4.7"
SKI, KEY_USAGE, SAN, IAN, BASIC = "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.18", "2.5.29.19"
CRL_NUMBER, REASON, CDP, POLICIES = "2.5.29.20", "2.5.29.21", "2.5.29.31", "2.5.29.32"
AKI, EKU, IDP = "2.5.29.35", "2.5.29.37", "2.5.29.28"
POLICY_AUTH = "1.2.392.200149.8.5.1.3.30"
POLICY_SIGN = "1.2.392.200149.8.5.1.1.20"
CPS_QUALIFIER, CPS_URL = "1.3.6.1.5.5.7.2.1", "http://www.jpki.go.jp/cps.html"
PERSON = "1.2.392.200149.8.5.5."

ALGORITHMS = {
    "sha256": ("1.2.840.113549.1.1.11", hashes.SHA256()),
    "sha1": ("1.2.840.113549.1.1.5", hashes.SHA1()),
    "sha384": ("1.2.840.113549.1.1.12", hashes.SHA384()),
    "ecdsa": ("1.2.840.10045.4.3.2", hashes.SHA256()),
}

REASONS = {"unspecified": 0, "key_compromise": 1, "affiliation_changed": 3, "superseded": 4, "cessation": 5, "hold": 6}


def name(*pairs):
    """A Name of (oid, text) pairs, one attribute in each RDN."""
    return der.sequence(
        *[
            der.set_of(der.sequence(der.oid(kind), der.printable(text) if kind == OID_C else der.utf8(text)))
            for kind, text in pairs
        ]
    )


def ca_name(usage):
    return [
        (OID_C, "JP"),
        (OID_O, "JPKI"),
        (OID_OU, f"JPKI for {usage}"),
        (OID_OU, "Japan Agency for Local Authority Information Systems"),
    ]


AUTH_DN = name(*ca_name("user authentication"))
SIGN_DN = name(*ca_name("digital signature"))
SERVICE_NAME = der.context(4, name((OID_C, "JP"), (OID_O, "公的個人認証サービス")))


class Extension(NamedTuple):
    oid: str
    critical: bool
    value: bytes

    def encode(self):
        critical = der.boolean(True) if self.critical else b""
        return der.sequence(der.oid(self.oid), critical, der.octets(self.value))


def public_der(key):
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def key_id(spki):
    """SHA-1 of the public key's bits, as RFC 5280 4.2.1.2 proposes."""
    bit_string = der.children(spki)[1]
    _, at, end = der.read_header(bit_string)
    return hashlib.sha1(bit_string[at + 1 : end]).digest()


def key_usage(*bit_numbers):
    value = sum(0x8000 >> n for n in bit_numbers).to_bytes(2, "big").rstrip(b"\x00")
    unused = 7 - max(bit_numbers) % 8 if bit_numbers else 0
    return Extension(KEY_USAGE, True, der.bits(value, unused))


def basic_constraints(ca, critical=True):
    return Extension(BASIC, critical, der.sequence(der.boolean(True) if ca else b""))


def policies(*oids, critical=True):
    qualifier = der.sequence(der.sequence(der.oid(CPS_QUALIFIER), der.ia5(CPS_URL)))
    return Extension(POLICIES, critical, der.sequence(*[der.sequence(der.oid(one), qualifier) for one in oids]))


def authority_key(identifier):
    return Extension(AKI, False, der.sequence(der.context(0, identifier, constructed=False)))


def distribution_point(*pairs):
    full_name = der.context(0, der.context(4, name(*pairs)))
    return Extension(CDP, False, der.sequence(der.sequence(der.context(0, full_name))))


def auth_distribution_point():
    return distribution_point(
        *ca_name("user authentication")[:3], (OID_OU, "CRL Distribution Points"), (OID_CN, "User Authentication CRLDP")
    )


def city_name(city):
    """GeneralNames of a municipality's distribution point for authentication certificates."""
    return der.context(
        4, name(*ca_name("user authentication")[:3], (OID_OU, "CRL Distribution Points"), (OID_CN, f"{city} CRLDP"))
    )


def city_distribution_point(city):
    return Extension(CDP, False, der.sequence(der.sequence(der.context(0, der.context(0, city_name(city))))))


def crl_number(number):
    return Extension(CRL_NUMBER, False, der.integer(number))


def scope(names, *fields):
    """The issuing distribution point of a list that is not whole."""
    return Extension(IDP, True, der.sequence(der.context(0, der.context(0, names)), *fields))


def sign_distribution_point():
    return distribution_point(
        *ca_name("digital signature")[:3],
        (OID_OU, "CRL Distribution Points"),
        (OID_OU, "Tokyo-to"),
        (OID_CN, "Mitaka-shi CRLDP"),
    )


def extended_usage(*oids, critical=False):
    return Extension(EKU, critical, der.sequence(*[der.oid(one) for one in oids]))


@dataclass
class Certificate:
    """What goes into one certificate; the hooks spoil the encoded form before and after signing."""

    issuer: bytes
    subject: bytes
    serial: bytes
    not_before: bytes
    not_after: bytes
    spki: bytes
    extensions: list
    version: bytes = der.context(0, der.integer(2))
    algorithm: str = "sha256"
    inner_algorithm: Optional[bytes] = None
    outer_algorithm: Optional[bytes] = None
    extra: bytes = b""
    before_signing: Optional[Callable] = None
    after_signing: Optional[Callable] = None

    def replace(self, extension):
        """Puts `extension` in the place of the one with the same oid, or at the end."""
        rest = [extension if one.oid == extension.oid else one for one in self.extensions]
        self.extensions = rest if extension in rest else rest + [extension]

    def drop(self, oid):
        self.extensions = [one for one in self.extensions if one.oid != oid]

    def encode(self, signer):
        algorithm = algorithm_identifier(self.algorithm)
        listed = der.context(3, der.sequence(*[one.encode() for one in self.extensions])) if self.extensions else b""
        tbs = der.sequence(
            self.version,
            self.serial,
            self.inner_algorithm or algorithm,
            self.issuer,
            der.sequence(self.not_before, self.not_after),
            self.subject,
            self.spki,
            self.extra,
            listed,
        )
        if self.before_signing:
            tbs = self.before_signing(tbs)
        signature = sign(signer, self.algorithm, tbs)
        whole = der.sequence(tbs, self.outer_algorithm or algorithm, der.bits(signature))
        return self.after_signing(whole) if self.after_signing else whole


def algorithm_identifier(algorithm):
    oid, _ = ALGORITHMS[algorithm]
    return der.sequence(der.oid(oid), b"" if algorithm == "ecdsa" else der.null())


def sign(key, algorithm, data):
    _, digest = ALGORITHMS[algorithm]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(digest))
    return key.sign(data, padding.PKCS1v15(), digest)


def root(dn, key, serial, not_before, not_after, usage):
    spki = public_der(key)
    return Certificate(
        issuer=dn,
        subject=dn,
        serial=der.integer(serial),
        not_before=der.time(not_before),
        not_after=der.time(not_after),
        spki=spki,
        extensions=[
            key_usage(5, 6),
            Extension(SAN, False, der.sequence(SERVICE_NAME)),
            basic_constraints(True),
            distribution_point(*ca_name(usage)),
            Extension(SKI, False, der.octets(key_id(spki))),
        ],
    ).encode(key)


def auth_leaf(issuer_key_id, spki, serial, common_name, not_before, not_after):
    """The certificate for user authentication (利用者証明用): nothing in it names the holder."""
    return Certificate(
        issuer=AUTH_DN,
        subject=name((OID_C, "JP"), (OID_CN, common_name)),
        serial=der.integer(serial),
        not_before=der.time(not_before),
        not_after=der.time(not_after),
        spki=spki,
        extensions=[
            key_usage(0),
            policies(POLICY_AUTH),
            Extension(IAN, False, der.sequence(SERVICE_NAME)),
            auth_distribution_point(),
            authority_key(issuer_key_id),
            Extension(SKI, False, der.octets(key_id(spki))),
        ],
    )


def sign_leaf(issuer_key_id, spki, serial, person, not_before, not_after):
    """The certificate for digital signature (署名用): a real one holds name, birth date and address."""
    others = [
        der.context(0, der.oid(PERSON + str(n)), der.context(0, der.utf8(text)))
        for n, text in enumerate([person["name"], "0", "2", person["birth"], person["address"], "0"], 1)
    ]
    common_name = not_before.strftime("%Y%m%d%H%M%S") + f"{serial:010d}" + "13204003A"
    return Certificate(
        issuer=SIGN_DN,
        subject=name((OID_C, "JP"), (OID_L, "Tokyo-to"), (OID_L, "Mitaka-shi"), (OID_CN, common_name)),
        serial=der.integer(serial),
        not_before=der.time(not_before),
        not_after=der.time(not_after),
        spki=spki,
        extensions=[
            key_usage(0, 1),
            policies(POLICY_SIGN),
            Extension(SAN, False, der.sequence(*others)),
            Extension(IAN, False, der.sequence(SERVICE_NAME)),
            sign_distribution_point(),
            authority_key(issuer_key_id),
            Extension(SKI, False, der.octets(key_id(spki))),
        ],
    )


@dataclass
class RevocationList:
    issuer: bytes
    key_id: bytes
    number: int
    this_update: datetime.datetime
    next_update: Optional[datetime.datetime]
    entries: list = field(default_factory=list)  # (serial, moment, reason or None)
    city: Optional[str] = None  # the municipality whose certificates these are; None: of all
    algorithm: str = "sha256"
    extensions: Optional[list] = None
    after_signing: Optional[Callable] = None

    def encode(self, signer):
        algorithm = algorithm_identifier(self.algorithm)
        extensions = self.extensions
        if extensions is None:
            extensions = [authority_key(self.key_id), crl_number(self.number)]
            extensions += [scope(city_name(self.city))] if self.city else []
        entries = [crl_entry(*entry) for entry in self.entries]
        tbs = der.sequence(
            der.integer(1),
            algorithm,
            self.issuer,
            der.time(self.this_update),
            der.time(self.next_update) if self.next_update else b"",
            der.sequence(*entries) if entries else b"",
            der.context(0, der.sequence(*[one.encode() for one in extensions])) if extensions else b"",
        )
        whole = der.sequence(tbs, algorithm, der.bits(sign(signer, self.algorithm, tbs)))
        return self.after_signing(whole) if self.after_signing else whole


def crl_entry(serial, moment, reason):
    extension = b""
    if reason == "indirect":
        other = der.sequence(der.context(4, SIGN_DN))
        extension = der.sequence(Extension("2.5.29.29", True, other).encode())
    elif reason is not None:
        extension = der.sequence(Extension(REASON, False, der.enumerated(reason)).encode())
    return der.sequence(der.integer(serial), der.time(moment) if moment else b"", extension)


def new_key(size=2048, exponent=65537):
    return rsa.generate_private_key(public_exponent=exponent, key_size=size)
