# SPDX-License-Identifier: Apache-2.0
"""One table of certificates that are wrong in one way each: name, refusal code, failing row, how to make it.

A maker spoils a good certificate that is not signed yet (`leaf`) or returns something else altogether. The codes and
rows are those of services/jpki-verify/checks.tbl.h; "OK" ones are unusual and right.
"""
import datetime

from cryptography.hazmat.primitives.asymmetric import ec

import der
import jpki_profile as jpki

DAY = datetime.timedelta(days=1)
TABLE = {}  # name: (code, row, maker)


class Context:
    """What a maker may use: the authority, the root's name, the card's key, the certificate's serial."""

    def __init__(self, authority, root, key):
        self.authority, self.root = authority, root
        self.key = key or authority.key("variant")
        self.signer = authority.key(root)
        self.ca = authority.root_der(root)
        self.now = datetime.datetime.now(jpki.UTC).replace(microsecond=0)


def variant(code="OK", row="-"):
    def add(maker):
        TABLE[maker.__name__] = (code, row, maker)
        return maker

    return add


def names():
    return list(TABLE)


def make(authority, name, root, key=None, city=None):
    """(certificate, serial, card key, CA certificate on the card)."""
    context = Context(authority, root, key)
    leaf = authority.leaf(root, context.key)
    if city:
        leaf.replace(jpki.city_distribution_point(city))
    result = TABLE[name][2](leaf, context)
    encoded = result if isinstance(result, bytes) else leaf.encode(context.signer)
    serial = int.from_bytes(leaf.serial[2:], "big")
    return encoded, serial & 0xFFFFFFFF, context.key, context.ca


def index():
    return "".join(f"{name} {code} {row}\n" for name, (code, row, _) in TABLE.items())


def write_all(authority, folder, write, key_pem):
    """NAME.der and NAME.key of each, and an index of lines "NAME CODE ROW". What is there stays if the table does."""
    if (folder / "index").exists() and (folder / "index").read_text() == index():
        return
    for name in TABLE:
        encoded, _, key, _ = make(authority, name, "auth-2")
        write(folder / f"{name}.der", encoded)
        write(folder / f"{name}.key", key_pem(key), 0o400)
    write(folder / "index", index())


def replace_once(data, old, new):
    assert data.count(old) >= 1, "the part to spoil is not there"
    return data.replace(old, new, 1)


def retag_length(data):
    """The outer header with the encoded content `data`."""
    _, at, _ = der.read_header(data)
    return data[at:]


# ---- right


@variant()
def good(leaf, context):
    pass


@variant()
def basic_constraints_false(leaf, context):
    leaf.extensions.append(jpki.basic_constraints(False))


@variant()
def client_auth(leaf, context):
    leaf.extensions.append(jpki.extended_usage("1.3.6.1.5.5.7.3.2"))


@variant()
def unknown_extension(leaf, context):
    leaf.extensions.append(jpki.Extension("1.2.392.200149.8.5.99", False, der.null()))


@variant()
def ends_after_2050(leaf, context):
    leaf.not_after = der.generalized_time(datetime.datetime(2050, 3, 1, 14, 59, 59))


@variant()
def policy_not_critical(leaf, context):
    leaf.replace(jpki.policies(jpki.POLICY_AUTH, critical=False))


@variant()
def serial_high_bit(leaf, context):
    leaf.serial = der.integer(0xFEDCBA98)


# ---- form


@variant("CERT_MALFORMED", "size")
def empty(leaf, context):
    return b""


@variant("CERT_MALFORMED", "size")
def too_large(leaf, context):
    leaf.extensions.append(jpki.Extension("1.2.392.200149.8.5.99", False, der.octets(bytes(9000))))


@variant("CERT_MALFORMED", "der")
def truncated(leaf, context):
    return leaf.encode(context.signer)[:-1]


@variant("CERT_MALFORMED", "single")
def trailing_garbage(leaf, context):
    return leaf.encode(context.signer) + b"\x00"


@variant("CERT_MALFORMED", "single")
def two_certificates(leaf, context):
    return leaf.encode(context.signer) + context.ca


@variant("CERT_MALFORMED", "der")
def random_bytes(leaf, context):
    return bytes((i * 167 + 13) % 256 for i in range(900))


@variant("CERT_MALFORMED", "der")
def pem_text(leaf, context):
    return b"-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----\n"


@variant("CERT_MALFORMED", "der")
def indefinite_length(leaf, context):
    return b"\x30\x80" + retag_length(leaf.encode(context.signer)) + b"\x00\x00"


@variant("CERT_MALFORMED", "der")
def indefinite_inside(leaf, context):
    leaf.before_signing = lambda tbs: b"\x30\x80" + retag_length(tbs) + b"\x00\x00"


@variant("CERT_MALFORMED", "der")
def long_length(leaf, context):
    def lengthen(tbs):
        return b"\x30\x83\x00" + (len(tbs) - 4).to_bytes(2, "big") + tbs[4:]

    leaf.before_signing = lengthen


@variant("CERT_MALFORMED", "der")
def header_3082ffff(leaf, context):
    return b"\x30\x82\xff\xff" + bytes(60)


@variant("CERT_MALFORMED", "der")
def header_30847fffffff(leaf, context):
    return b"\x30\x84\x7f\xff\xff\xff" + bytes(60)


@variant("CERT_MALFORMED", "der")
def header_octets(leaf, context):
    return b"\x04\x82" + (60).to_bytes(2, "big") + bytes(60)


@variant("CERT_MALFORMED", "der")
def serial_padded(leaf, context):
    leaf.serial = der.tlv(0x02, b"\x00\x01\x02\x03\x04")


@variant("CERT_MALFORMED", "der")
def serial_empty(leaf, context):
    leaf.serial = der.tlv(0x02)


@variant("CERT_MALFORMED", "der")
def boolean_one(leaf, context):
    leaf.before_signing = lambda tbs: replace_once(tbs, b"\x01\x01\xff", b"\x01\x01\x01")


@variant("CERT_MALFORMED", "der")
def critical_false_written(leaf, context):
    value = der.sequence(der.oid("1.2.392.200149.8.5.99"), der.boolean(False), der.octets(der.null()))
    leaf.extensions.append(Raw("1.2.392.200149.8.5.99", value))


@variant("CERT_MALFORMED", "der")
def validity_generalized_early(leaf, context):
    leaf.not_after = der.generalized_time(context.now + 365 * DAY)


@variant("CERT_MALFORMED", "der")
def validity_without_seconds(leaf, context):
    leaf.not_after = der.tlv(0x17, b"3001011200Z")


@variant("CERT_MALFORMED", "der")
def validity_with_offset(leaf, context):
    leaf.not_after = der.tlv(0x17, b"300101120000+0900")


@variant("CERT_MALFORMED", "der")
def validity_30_february(leaf, context):
    leaf.not_after = der.tlv(0x17, b"300230120000Z")


@variant("CERT_MALFORMED", "der")
def validity_letters(leaf, context):
    leaf.not_after = der.tlv(0x17, b"3O0101120000Z")


@variant("CERT_MALFORMED", "der")
def subject_bad_utf8(leaf, context):
    leaf.subject = der.sequence(der.set_of(der.sequence(der.oid(jpki.OID_CN), der.tlv(0x0C, b"\xc3\x28"))))


@variant("CERT_MALFORMED", "der")
def subject_empty_set(leaf, context):
    leaf.subject = der.sequence(der.tlv(0x31))


@variant("CERT_MALFORMED", "der")
def unique_ids(leaf, context):
    leaf.extra = der.context(1, b"\x00\x01", constructed=False)


@variant("CERT_MALFORMED", "der")
def key_bits_unused(leaf, context):
    _, bits = der.children(leaf.spki)
    leaf.spki = der.sequence(der.children(leaf.spki)[0], bits[:4] + b"\x01" + bits[5:])


@variant("CERT_MALFORMED", "der")
def key_usage_not_bits(leaf, context):
    leaf.replace(jpki.Extension(jpki.KEY_USAGE, True, der.octets(b"\x07\x80")))


@variant("CERT_MALFORMED", "der")
def key_usage_loose_bits(leaf, context):
    leaf.replace(jpki.Extension(jpki.KEY_USAGE, True, der.bits(b"\x81", 7)))


@variant("CERT_MALFORMED", "der")
def extension_trailing(leaf, context):
    leaf.replace(jpki.Extension(jpki.KEY_USAGE, True, der.bits(b"\x80", 7) + b"\x00"))


@variant("CERT_MALFORMED", "der")
def extensions_empty(leaf, context):
    leaf.extensions = []
    leaf.extra = der.context(3, der.sequence())


@variant("CERT_MALFORMED", "der")
def other_name_null_with_content(leaf, context):
    other = der.context(0, der.oid(jpki.PERSON + "1"), der.context(0, der.tlv(0x05, b"\x30")))
    leaf.extensions.append(jpki.Extension(jpki.SAN, False, der.sequence(other)))


@variant("CERT_PROFILE", "distribution_point")
def two_distribution_points(leaf, context):
    points = [der.sequence(der.context(0, der.context(0, jpki.city_name(city)))) for city in ("Mitaka-shi", "Chofu-shi")]
    leaf.replace(jpki.Extension(jpki.CDP, False, der.sequence(*points)))


@variant("CERT_PROFILE", "distribution_point")
def distribution_point_with_two_names(leaf, context):
    names = jpki.city_name("Mitaka-shi") + jpki.city_name("Chofu-shi")
    leaf.replace(jpki.Extension(jpki.CDP, False, der.sequence(der.sequence(der.context(0, der.context(0, names))))))


@variant("CERT_MALFORMED", "der")
def distribution_point_broken(leaf, context):
    leaf.replace(jpki.Extension(jpki.CDP, False, der.sequence(der.integer(1))))


@variant("CERT_MALFORMED", "extensions_unique")
def duplicate_extension(leaf, context):
    leaf.extensions.append(leaf.extensions[0])


@variant("CERT_MALFORMED", "extensions_unique")
def duplicate_unknown_extension(leaf, context):
    leaf.extensions += [jpki.Extension("1.2.392.200149.8.5.99", False, der.null())] * 2


@variant("CERT_MALFORMED", "algorithms_agree")
def outer_algorithm_differs(leaf, context):
    leaf.outer_algorithm = jpki.algorithm_identifier("sha384")


# ---- version and algorithm


@variant("CERT_PROFILE", "version")
def version_1(leaf, context):
    leaf.version, leaf.extensions = b"", []


@variant("CERT_PROFILE", "version")
def version_2(leaf, context):
    leaf.version, leaf.extensions = der.context(0, der.integer(1)), []


@variant("CERT_MALFORMED", "der")
def version_1_written(leaf, context):
    leaf.version, leaf.extensions = der.context(0, der.integer(0)), []


@variant("CERT_PROFILE", "algorithm")
def sha1_signature(leaf, context):
    leaf.algorithm = "sha1"


@variant("CERT_PROFILE", "algorithm")
def sha384_signature(leaf, context):
    leaf.algorithm = "sha384"


@variant("CERT_PROFILE", "algorithm")
def ecdsa_signature(leaf, context):
    context.signer, leaf.algorithm = ec.generate_private_key(ec.SECP256R1()), "ecdsa"


@variant("CERT_PROFILE", "algorithm")
def algorithm_without_null(leaf, context):
    leaf.inner_algorithm = leaf.outer_algorithm = der.sequence(der.oid(jpki.ALGORITHMS["sha256"][0]))


# ---- path


@variant("CERT_UNTRUSTED", "issuer_signature")
def evil_root(leaf, context):
    """A root of one's own with the real name and key id, and a victim's serial and subject."""
    imitate_victim(leaf, context)
    context.signer = context.authority.key("evil")
    spki = jpki.public_der(context.signer)
    made = jpki.Certificate(
        issuer=jpki.AUTH_DN,
        subject=jpki.AUTH_DN,
        serial=der.integer(0x06D18006),
        not_before=der.time(context.now - 365 * DAY),
        not_after=der.time(context.now + 9 * 365 * DAY),
        spki=spki,
        extensions=[
            jpki.key_usage(5, 6),
            jpki.basic_constraints(True),
            jpki.Extension(jpki.SKI, False, der.octets(context.authority.key_id(context.root))),
        ],
    )
    context.ca = made.encode(context.signer)


def imitate_victim(leaf, context):
    victim = context.authority.folder / "cards" / "card-1" / "auth.der"
    if victim.exists():
        fields = der.children(der.children(victim.read_bytes())[0])
        leaf.serial, leaf.subject = fields[1], fields[5]


@variant("CERT_UNTRUSTED", "issuer_signature")
def evil_self_signed(leaf, context):
    context.signer = context.key


@variant("CERT_UNTRUSTED", "authority_key")
def evil_own_key_id(leaf, context):
    context.signer = context.authority.key("evil")
    leaf.replace(jpki.authority_key(jpki.key_id(jpki.public_der(context.signer))))


@variant("CERT_UNTRUSTED", "issuer")
def sign_as_auth(leaf, context):
    """A certificate for digital signature, from its own authority."""
    person = {"name": "試験", "birth": "3450708", "address": "東京都"}
    key_id = context.authority.key_id("sign-1")
    end = context.now + 365 * DAY
    spki = jpki.public_der(context.key)
    made = jpki.sign_leaf(key_id, spki, int.from_bytes(leaf.serial[2:], "big"), person, context.now - DAY, end)
    context.ca = context.authority.root_der("sign-1")
    return made.encode(context.authority.key("sign-1"))


@variant("CERT_UNTRUSTED", "issuer")
def issuer_other_string_type(leaf, context):
    leaf.issuer = replace_once(leaf.issuer, b"\x0c\x04JPKI", b"\x13\x04JPKI")


@variant("CERT_UNTRUSTED", "issuer")
def issuer_test_hierarchy(leaf, context):
    leaf.issuer = jpki.name(("2.5.4.6", "JP"), ("2.5.4.10", "JPKI-TEST"))


@variant("CERT_UNTRUSTED", "authority_key")
def wrong_aki(leaf, context):
    leaf.replace(jpki.authority_key(bytes(20)))


@variant("CERT_UNTRUSTED", "authority_key")
def no_aki(leaf, context):
    leaf.drop(jpki.AKI)


@variant("CERT_UNTRUSTED", "issuer_signature")
def other_generation_aki(leaf, context):
    leaf.replace(jpki.authority_key(context.authority.key_id("auth-1" if context.root == "auth-2" else "auth-2")))


@variant("CERT_UNTRUSTED", "issuer_signature")
def flipped_byte(leaf, context):
    """One letter of the holder's pseudonym changed after the authority had signed."""

    def flip(whole):
        at = whole.index(b"13204") + 2
        return whole[:at] + b"3" + whole[at + 1 :]

    leaf.after_signing = flip


@variant("CERT_UNTRUSTED", "issuer_signature")
def flipped_signature(leaf, context):
    leaf.after_signing = lambda whole: whole[:-1] + bytes([whole[-1] ^ 1])


@variant("CERT_UNTRUSTED", "issuer_signature")
def short_signature(leaf, context):
    def shorten(whole):
        tbs, algorithm, signature = der.children(whole)
        return der.sequence(tbs, algorithm, der.bits(signature[5:-1]))

    leaf.after_signing = shorten


@variant("CERT_UNTRUSTED", "issuer_validity")
def outlives_root(leaf, context):
    """Good for 30 years: what it is once its root has ended (the test sets the clock)."""
    leaf.not_after = der.time(context.now + 30 * 365 * DAY)


# ---- time


@variant("CERT_EXPIRED", "not_after")
def expired(leaf, context):
    leaf.not_before, leaf.not_after = der.time(context.now - 300 * DAY), der.time(context.now - 2 * DAY)


@variant("CERT_NOT_YET_VALID", "not_before")
def not_yet_valid(leaf, context):
    leaf.not_before = der.time(context.now + 3 * 365 * DAY)


# ---- profile


@variant("CERT_PROFILE", "serial")
def serial_zero(leaf, context):
    leaf.serial = der.integer(0)


@variant("CERT_PROFILE", "serial")
def serial_negative(leaf, context):
    leaf.serial = der.integer(-5)


@variant("CERT_PROFILE", "serial")
def serial_long(leaf, context):
    leaf.serial = der.integer(1 << 32)


@variant("CERT_PROFILE", "constraints")
def ca_true(leaf, context):
    leaf.replace(jpki.key_usage(0, 5))
    leaf.extensions.append(jpki.basic_constraints(True))


@variant("CERT_PROFILE", "constraints")
def path_length(leaf, context):
    leaf.extensions.append(jpki.Extension(jpki.BASIC, True, der.sequence(der.boolean(True), der.integer(0))))


@variant("CERT_PROFILE", "key_usage")
def key_usage_nonrepudiation(leaf, context):
    leaf.replace(jpki.key_usage(0, 1))


@variant("CERT_PROFILE", "key_usage")
def key_usage_only_nonrepudiation(leaf, context):
    leaf.replace(jpki.key_usage(1))


@variant("CERT_PROFILE", "key_usage")
def key_usage_cert_sign(leaf, context):
    leaf.replace(jpki.key_usage(0, 5))


@variant("CERT_PROFILE", "key_usage")
def key_usage_decipher_only(leaf, context):
    leaf.replace(jpki.key_usage(0, 8))


@variant("CERT_PROFILE", "key_usage")
def key_usage_missing(leaf, context):
    leaf.drop(jpki.KEY_USAGE)


@variant("CERT_PROFILE", "extended_usage")
def eku_server_auth(leaf, context):
    leaf.extensions.append(jpki.extended_usage("1.3.6.1.5.5.7.3.1"))


@variant("CERT_PROFILE", "extended_usage")
def eku_any(leaf, context):
    leaf.extensions.append(jpki.extended_usage("2.5.29.37.0"))


@variant("CERT_MALFORMED", "der")
def eku_empty(leaf, context):
    leaf.extensions.append(jpki.extended_usage())


@variant("CERT_PROFILE", "policy")
def wrong_policy(leaf, context):
    leaf.replace(jpki.policies(jpki.POLICY_SIGN))


@variant("CERT_PROFILE", "policy")
def test_hierarchy_policy(leaf, context):
    leaf.replace(jpki.policies("1.2.392.200149.8.5.1.0.30"))


@variant("CERT_PROFILE", "policy")
def any_policy(leaf, context):
    leaf.replace(jpki.policies("2.5.29.32.0"))


@variant("CERT_PROFILE", "policy")
def two_policies(leaf, context):
    leaf.replace(jpki.policies(jpki.POLICY_AUTH, jpki.POLICY_SIGN))


@variant("CERT_PROFILE", "policy")
def policy_prefix(leaf, context):
    leaf.replace(jpki.policies(jpki.POLICY_AUTH + ".1"))


@variant("CERT_PROFILE", "policy")
def no_policy(leaf, context):
    leaf.drop(jpki.POLICIES)


@variant("CERT_PROFILE", "critical")
def unknown_critical(leaf, context):
    leaf.extensions.append(jpki.Extension("1.2.392.200149.8.5.99", True, der.null()))


@variant("CERT_PROFILE", "ca_extensions")
def name_constraints(leaf, context):
    permitted = der.context(0, der.sequence(der.context(4, jpki.AUTH_DN)))
    leaf.extensions.append(jpki.Extension("2.5.29.30", False, der.sequence(permitted)))


@variant("CERT_PROFILE", "ca_extensions")
def proxy_certificate(leaf, context):
    language = der.sequence(der.oid("1.3.6.1.5.5.7.21.1"))
    leaf.extensions.append(jpki.Extension("1.3.6.1.5.5.7.1.14", False, der.sequence(language)))


# ---- key


@variant("CERT_PROFILE", "key_size")
def rsa1024(leaf, context):
    context.key = jpki.new_key(1024)
    leaf.spki = jpki.public_der(context.key)


@variant("CERT_PROFILE", "key_size")
def rsa3072(leaf, context):
    context.key = jpki.new_key(3072)
    leaf.spki = jpki.public_der(context.key)


@variant("CERT_PROFILE", "key_exponent")
def rsa_e3(leaf, context):
    context.key = jpki.new_key(2048, 3)
    leaf.spki = jpki.public_der(context.key)


@variant("CERT_PROFILE", "key_type")
def ecdsa(leaf, context):
    context.key = ec.generate_private_key(ec.SECP256R1())
    leaf.spki = jpki.public_der(context.key)


@variant("CERT_PROFILE", "key_type")
def rsa_pss_key(leaf, context):
    leaf.spki = der.sequence(der.sequence(der.oid("1.2.840.113549.1.1.10")), der.children(leaf.spki)[1])


@variant("CERT_PROFILE", "key_size")
def key_negative(leaf, context):
    spoil_key(leaf, lambda n, e: der.sequence(der.tlv(0x02, n), der.integer(e)))


@variant("CERT_PROFILE", "key_size")
def key_even(leaf, context):
    spoil_key(leaf, lambda n, e: der.sequence(der.integer(int.from_bytes(n, "big") & ~1), der.integer(e)))


@variant("CERT_PROFILE", "key_type")
def key_trailing(leaf, context):
    spoil_key(leaf, lambda n, e: der.sequence(der.integer(int.from_bytes(n, "big")), der.integer(e)) + b"\x00")


def spoil_key(leaf, build):
    algorithm, bits = der.children(leaf.spki)
    _, at, end = der.read_header(bits)
    modulus = der.children(bits[at + 1 : end])[0]
    leaf.spki = der.sequence(algorithm, der.bits(build(modulus[5:], 65537)))


# ---- revocation


@variant("CERT_REVOKED", "revoked")
def revoked(leaf, context):
    context.authority.revoke_serial(context.root, int.from_bytes(leaf.serial[2:], "big"))


@variant("CERT_REVOKED", "revoked")
def hold(leaf, context):
    context.authority.revoke_serial(context.root, int.from_bytes(leaf.serial[2:], "big"), "hold")


@variant("CERT_EXPIRED", "not_after")
def expired_and_revoked(leaf, context):
    expired(leaf, context)
    revoked(leaf, context)


@variant("CERT_UNTRUSTED", "issuer_signature")
def evil_and_expired(leaf, context):
    evil_root(leaf, context)
    expired(leaf, context)


class Raw:
    """An extension given as encoded bytes."""

    def __init__(self, oid, encoded):
        self.oid, self.encoded = oid, encoded

    def encode(self):
        return self.encoded


# ---- revocation lists

# how: the fault that jpki-verify must find (services/jpki-verify/revocation.h)
CRL_SPOILERS = {
    "unsigned": "signature",
    "evil_key": "signature",
    "wrong_issuer": "issuer",
    "wrong_key_id": "key_id",
    "no_key_id": "key_id",
    "no_next_update": "next_update",
    "sha1": "algorithm",
    "delta": "extension",
    "critical_number": "extension",
    "no_number": "number",
    "negative_number": "number",
    "long_number": "number",
    "two_names": "scope",
    "no_name": "scope",
    "some_reasons": "scope",
    "indirect_list": "scope",
    "authorities_only": "scope",
    "indirect": "entry",
    "negative_serial": "entry",
    "huge_serial": "entry",
    "no_date": "entry",
    "twice": "duplicate",
    "trailing": "form",
    "truncated": "form",
    "empty_file": "form",
    "ended": "next_update",
    "early": "this_update",
}


def make_crl(authority, made, root, how=None):
    signer = authority.key(root)
    if how == "unsigned":
        made.after_signing = lambda whole: whole[:-256] + bytes(256)
    elif how == "evil_key":
        signer = authority.key("evil")
    elif how == "wrong_issuer":
        made.issuer = jpki.SIGN_DN
    elif how == "wrong_key_id":
        made.key_id = bytes(20)
    elif how in CRL_EXTENSIONS:
        made.extensions = [jpki.authority_key(made.key_id), jpki.crl_number(made.number), *CRL_EXTENSIONS[how]]
    elif how in CRL_NUMBERS:
        made.extensions = [jpki.authority_key(made.key_id), *CRL_NUMBERS[how]]
    elif how == "no_key_id":
        made.extensions = [jpki.crl_number(made.number)]
    elif how == "no_next_update":
        made.next_update = None
    elif how == "sha1":
        made.algorithm = "sha1"
    elif how == "trailing":
        made.after_signing = lambda whole: whole + b"\x00"
    elif how == "truncated":
        made.after_signing = lambda whole: whole[:-1]
    elif how == "empty_file":
        made.after_signing = lambda whole: b""
    elif how == "indirect":
        made.entries = made.entries + [(0x01020304, made.this_update, "indirect")]
    elif how == "negative_serial":
        made.entries = made.entries + [(-5, made.this_update, 4)]
    elif how == "huge_serial":
        made.entries = made.entries + [(1 << 160, made.this_update, 4)]
    elif how == "no_date":
        made.entries = made.entries + [(0x01020304, None, None)]
    elif how == "twice":
        made.entries = made.entries + 2 * [(0x01020304, made.this_update, 4)]
    elif how == "ended":
        made.this_update, made.next_update = made.this_update - 3 * DAY, made.this_update - DAY
    elif how == "early":
        made.this_update += DAY
    return made.encode(signer)


NAME = der.context(4, jpki.AUTH_DN)
CRL_EXTENSIONS = {
    "delta": [jpki.Extension("2.5.29.27", True, der.integer(1))],
    "two_names": [jpki.scope(NAME + NAME)],
    "no_name": [jpki.Extension(jpki.IDP, True, der.sequence(der.context(1, b"\xff", constructed=False)))],
    "some_reasons": [jpki.scope(NAME, der.context(3, b"\x06\x40", constructed=False))],
    "indirect_list": [jpki.scope(NAME, der.context(4, b"\xff", constructed=False))],
    "authorities_only": [jpki.scope(NAME, der.context(2, b"\xff", constructed=False))],
}
CRL_NUMBERS = {
    "no_number": [],
    "critical_number": [jpki.Extension(jpki.CRL_NUMBER, True, der.integer(1))],
    "negative_number": [jpki.crl_number(-1)],
    "long_number": [jpki.crl_number(1 << 160)],
}

