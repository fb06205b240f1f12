#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The JPKI-shaped test certificate authority.

    testca.py DIR                                  roots, demo cards; revocation lists anew
    testca.py DIR issue NAME [--variant V] [--root auth-2] [--city CITY]
    testca.py DIR revoke NAME [--reason hold]
    testca.py DIR crl [--root auth-1] [--city CITY] [--this-update -1h] [--next-update +2d] [--spoil HOW] [--random N]
    testca.py DIR variants                         every variant of a certificate and of a list, with indexes

Roots and cards stay; a revocation list lives two days and is made anew by every run.
"""
import argparse
import datetime
import fcntl
import hashlib
import json
import os
import random
import re
import secrets
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization

sys.path.insert(0, str(Path(__file__).resolve().parent))
import der  # noqa: E402
import jpki_profile as jpki  # noqa: E402
import variants as variant_table  # noqa: E402

DAY = datetime.timedelta(days=1)
ROOTS = {
    # name: (folder, distinguished name, usage, serial, starts, ends), in days from now
    "auth-1": ("roots", jpki.AUTH_DN, "user authentication", 0x0133C349, -4 * 365, 6 * 365),
    "auth-2": ("roots", jpki.AUTH_DN, "user authentication", 0x06D18006, -365, 9 * 365),
    "sign-1": ("sign-roots", jpki.SIGN_DN, "digital signature", 0x067C6A21, -4 * 365, 6 * 365),
}
DEMO_CARDS = {
    # name: (variant, root)
    "card-1": ("good", "auth-2"),
    "card-2": ("good", "auth-1"),
    "card-3": ("good", "auth-2"),
    "card-new": ("good", "auth-2"),
    "card-revoked": ("revoked", "auth-2"),
    "card-expired": ("expired", "auth-1"),
    "card-evil": ("evil_root", "auth-2"),
}


def now():
    return datetime.datetime.now(jpki.UTC).replace(microsecond=0)


def moment(text):
    """'+2d', '-90s', '+1h' from now, or an ISO time."""
    found = re.fullmatch(r"([+-]\d+)([smhd])", text)
    if not found:
        return datetime.datetime.fromisoformat(text).astimezone(jpki.UTC)
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[found[2]]
    return now() + datetime.timedelta(**{unit: int(found[1])})


def end_of_day(when):
    """23:59:59 in Japan, when real certificates end."""
    return when.astimezone(jpki.JST).replace(hour=23, minute=59, second=59).astimezone(jpki.UTC)


def write(path, data, mode=0o644):
    """Whole or not at all: readers may look at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
    os.replace(temporary, path)


def key_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


class Authority:
    """The authority that lives in one folder. Use it under `with`, which keeps others out."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.keys = {}  # loading one checks it, which is slow

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.folder / ".lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        (self.folder / "private").mkdir(mode=0o700, exist_ok=True)
        for root in ROOTS:
            if not (self.folder / ROOTS[root][0] / f"{root}.der").exists():
                self._make_root(root)
        self._write_pins()
        return self

    def __exit__(self, *_):
        self.lock.close()

    # -- roots

    def root_path(self, root):
        return self.folder / ROOTS[root][0] / f"{root}.der"

    def root_der(self, root):
        return self.root_path(root).read_bytes()

    def key(self, label):
        """The key of this label, made once and kept."""
        if label not in self.keys:
            path = self.folder / "private" / f"{label}.key"
            if not path.exists():
                write(path, key_pem(jpki.new_key()), 0o400)
            self.keys[label] = serialization.load_pem_private_key(path.read_bytes(), None)
        return self.keys[label]

    def key_id(self, root):
        return jpki.key_id(jpki.public_der(self.key(root)))

    def _make_root(self, root):
        _, dn, usage, serial, starts, ends = ROOTS[root]
        start = now().replace(hour=0, minute=0, second=0)
        made = jpki.root(dn, self.key(root), serial, start + starts * DAY, start + ends * DAY, usage)
        write(self.root_path(root), made)

    def _write_pins(self):
        lines = [
            f"{hashlib.sha256(self.root_der(root)).hexdigest()}  {root}.der\n"
            for root in ROOTS
            if ROOTS[root][0] == "roots"
        ]
        if not (self.folder / "root-pins").exists() or (self.folder / "root-pins").read_text() != "".join(lines):
            write(self.folder / "root-pins", "".join(lines))

    # -- certificates

    def leaf(self, root="auth-2", key=None, serial=None):
        """A good authentication certificate that is not encoded yet."""
        serial = serial or self._new_serial()
        letters = "".join(secrets.choice("ABCDEFGHI") for _ in range(12))
        common_name = f"{secrets.randbelow(10**6):06d}{letters[:9]}13204{letters[9:]}"
        start = now() - 30 * DAY
        return jpki.auth_leaf(
            self.key_id(root), jpki.public_der(key or self.key("variant")), serial, common_name, start,
            end_of_day(start + 5 * 365 * DAY),
        )

    def _new_serial(self):
        used = self._load("issued.json", {}).values()
        while True:
            serial = secrets.randbelow(0x7F000000) + 0x00800000
            if serial not in used:
                return serial

    def issue(self, name, variant="good", root="auth-2", city=None):
        """A card's folder. A card that exists stays as it is. city: its revocation is told in that city's list."""
        card = self.folder / "cards" / name
        if (card / "card.json").exists():
            return card
        auth_key, sign_key = jpki.new_key(), jpki.new_key()
        auth, serial, auth_key, auth_ca = variant_table.make(self, variant, root, auth_key, city)
        person = {"name": f"試験 {name}", "birth": "3450708", "address": "東京都三鷹市試験町一丁目１番１号"}
        start = now() - 30 * DAY
        sign = jpki.sign_leaf(
            self.key_id("sign-1"), jpki.public_der(sign_key), self._new_serial(), person, start,
            end_of_day(start + 5 * 365 * DAY),
        ).encode(self.key("sign-1"))
        card.mkdir(parents=True, exist_ok=True)
        write(card / "auth.der", auth)
        write(card / "auth.key", key_pem(auth_key), 0o400)
        write(card / "auth-ca.der", auth_ca)
        write(card / "sign.der", sign)
        write(card / "sign.key", key_pem(sign_key), 0o400)
        write(card / "sign-ca.der", self.root_der("sign-1"))
        self._store("issued.json", {**self._load("issued.json", {}), name: serial})
        about = {"pin": "1234", "sign_pin": "ABC123", "token": "JPKIAPICCTOKEN2", "variant": variant, "root": root,
                 "city": city}
        write(card / "card.json", json.dumps({**about, "serial": f"{serial:08x}"}, indent=1) + "\n")
        return card

    # -- revocation

    def revoke(self, name, reason="key_compromise"):
        path = self.folder / "cards" / name / "card.json"
        if not path.exists():
            sys.exit(f"testca.py: there is no card {name}: testca.py {self.folder} issue {name}")
        card = json.loads(path.read_text())
        self.revoke_serial(card["root"], int(card["serial"], 16), reason, card.get("city"))
        self.crl(card["root"], city=card.get("city"))

    def revoke_serial(self, root, serial, reason="key_compromise", city=None):
        revoked = self._load("revoked.json", {})
        listed = revoked.setdefault(root, [])
        if all(serial != entry[0] for entry in listed):
            listed.append([serial, now().isoformat(), jpki.REASONS[reason], city])
        self._store("revoked.json", revoked)

    def make_crl(self, root, this_update=None, next_update=None, spoil=None, random_count=0, number=None, city=None):
        entries = [
            (serial, datetime.datetime.fromisoformat(when), reason)
            for serial, when, reason, where in self._load("revoked.json", {}).get(root, []) if where == city
        ]
        issued = set(self._load("issued.json", {}).values())
        strangers = random.sample(range(1 << 25, 1 << 31), random_count)
        entries += [(serial, now(), 4) for serial in strangers if serial not in issued]
        made = jpki.RevocationList(
            issuer=jpki.AUTH_DN,
            key_id=self.key_id(root),
            number=number or self._next_number(),
            city=city,
            this_update=this_update or now(),
            next_update=next_update or now() + 2 * DAY,
            entries=entries,
        )
        return variant_table.make_crl(self, made, root, spoil)

    def crl(self, root, city=None, **options):
        """Issues the list of a root, or of a city's certificates below it, anew."""
        name = f"{root}-{city}" if city else root
        write(self.folder / "crl" / f"{name}.crl", self.make_crl(root, city=city, **options))

    def _next_number(self):
        """Each above the one before, also where a clock went back."""
        number = max(time.time_ns() // 1000, self._load("crl-number.json", 0) + 1)
        self._store("crl-number.json", number)
        return number

    def spoiled_crls(self, root):
        """Every list that must not be taken, with an index of lines "HOW FAULT"."""
        folder = self.folder / "variants" / "crl"
        for how in variant_table.CRL_SPOILERS:
            write(folder / f"{how}.crl", self.make_crl(root, spoil=how))
        write(folder / "index", "".join(f"{how} {fault}\n" for how, fault in variant_table.CRL_SPOILERS.items()))

    # -- state

    def _load(self, file, fallback):
        path = self.folder / file
        return json.loads(path.read_text()) if path.exists() else fallback

    def _store(self, file, value):
        write(self.folder / file, json.dumps(value, indent=1) + "\n")


def all_auth_roots():
    return [root for root in ROOTS if ROOTS[root][0] == "roots"]


def make_everything(authority, _):
    for name, (variant, root) in DEMO_CARDS.items():
        authority.issue(name, variant, root)
    for root in all_auth_roots():
        authority.crl(root)


def command_issue(authority, options):
    print(authority.issue(options.name, options.variant, options.root or "auth-2", options.city))
    for root in all_auth_roots():
        authority.crl(root)
    if options.city:
        authority.crl(options.root or "auth-2", city=options.city)


def command_revoke(authority, options):
    authority.revoke(options.name, options.reason)


def command_crl(authority, options):
    for root in [options.root] if options.root else all_auth_roots():
        authority.crl(
            root,
            this_update=options.this_update,
            next_update=options.next_update,
            spoil=options.spoil,
            random_count=options.random,
            number=options.number,
            city=options.city,
        )


def command_variants(authority, _):
    authority.issue("card-1")  # the victim of the forged ones
    variant_table.write_all(authority, authority.folder / "variants", write, key_pem)
    authority.spoiled_crls("auth-2")
    for root in all_auth_roots():
        authority.crl(root)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR")
    parser.set_defaults(run=make_everything)
    verbs = parser.add_subparsers()
    issue = verbs.add_parser("issue")
    issue.add_argument("name")
    issue.add_argument("--variant", default="good", choices=variant_table.names())
    issue.add_argument("--root", choices=all_auth_roots())
    issue.add_argument("--city")
    issue.set_defaults(run=command_issue)
    revoke = verbs.add_parser("revoke")
    revoke.add_argument("name")
    revoke.add_argument("--reason", default="key_compromise", choices=jpki.REASONS)
    revoke.set_defaults(run=command_revoke)
    crl = verbs.add_parser("crl")
    crl.add_argument("--root", choices=all_auth_roots())
    crl.add_argument("--city")
    crl.add_argument("--number", type=int)
    crl.add_argument("--this-update", type=moment)
    crl.add_argument("--next-update", type=moment)
    crl.add_argument("--spoil", choices=variant_table.CRL_SPOILERS)
    crl.add_argument("--random", type=int, default=0, metavar="N", help="adds N random serials")
    crl.set_defaults(run=command_crl)
    every = verbs.add_parser("variants")
    every.set_defaults(run=command_variants)
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    with Authority(options.folder) as authority:
        options.run(authority, options)


if __name__ == "__main__":
    main(sys.argv[1:])
