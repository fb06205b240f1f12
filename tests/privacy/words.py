# SPDX-License-Identifier: Apache-2.0
"""Words that no column, message field, log field or metric label may have, and the exceptions, each with its reason."""

import csv
import os
import subprocess

from google.protobuf import descriptor_pb2

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROTO = os.path.join(ROOT, "proto")
Field = descriptor_pb2.FieldDescriptorProto

# Single words of a name split at "_"; in pairs also when written together or side by side ("my_number", "mynumber").
BANNED = {
    "kojin", "juki", "name", "names", "family", "given", "surname", "kana", "furigana", "addr", "address", "postal", "postcode",
    "zip", "birth", "birthday", "birthdate", "dob", "age", "sex", "gender", "phone", "tel", "mail", "email", "face", "photo",
    "isbn", "title", "author", "book", "item", "items", "sku", "jan", "barcode", "loan", "loans", "borrow", "borrowed", "purchase",
    "bought", "product", "goods", "history", "visit", "visits", "visited", "pin", "password", "serial", "ip", "useragent",
    "個人番号", "氏名", "住所", "生年月日", "性別",
}
PAIRS = {"mynumber", "individualnumber", "lastused", "lastseen", "lasttap", "tappedat", "usedat", "seenat"}

# (where, name): why it is no fact about a person.
EXCEPTIONS = {
    ("registry.consent", "given_on"): "the day on which consent was given; not a given name",
    ("message terminal.ErrorBody", "name"): "the name of an error: CERT_REVOKED",
    ("message registry.Operator", "name_ja"): "the name of a library or town hall",
    ("message registry.Operator", "name_en"): "the name of a library or town hall",
}


def is_banned(name):
    words = name.lower().split("_")
    pairs = {"".join(two) for two in zip(words, words[1:])}
    return bool(set(words) & (BANNED | PAIRS) or pairs & (PAIRS | BANNED))


def dictionary(kinds=None):
    with open(os.path.join(ROOT, "docs", "data-dictionary.csv"), encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if kinds is None or row["database"] in kinds]


def message_fields(out):
    """(message, field) → type of everything in proto/, read from the compiler's own description."""
    files = sorted(one for one in os.listdir(PROTO) if one.endswith(".proto"))
    subprocess.run(["protoc", f"--proto_path={PROTO}", f"--descriptor_set_out={out}", *files], check=True)
    with open(out, "rb") as file:
        described = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    found = {}

    def add(prefix, message):
        for field in message.field:
            kind = field.type_name.removeprefix(".mykey.") or Field.Type.Name(field.type)[5:].lower()
            found[prefix, field.name] = kind + (" repeated" if field.label == Field.LABEL_REPEATED else "")
        for nested in message.nested_type:
            add(f"{prefix}.{nested.name}", nested)

    for file in described.file:
        for message in file.message_type:
            add(f"{file.package}.{message.name}".removeprefix("mykey."), message)
    return found
