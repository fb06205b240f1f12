# SPDX-License-Identifier: Apache-2.0
"""The contract in proto/: compatible with the last release, within protobuf-c's limits, one row an error."""

import glob
import os
import re
import subprocess

import pytest
from google.protobuf import descriptor_pb2

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROTO = os.path.join(ROOT, "proto")
Field = descriptor_pb2.FieldDescriptorProto


def describe(folder, out):
    files = sorted(glob.glob(f"{folder}/*.proto"))
    subprocess.run(["protoc", f"--proto_path={folder}", f"--descriptor_set_out={out}", *files], check=True)
    return load(out)


def load(path):
    described = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as file:
        described.ParseFromString(file.read())
    return described


def messages(described):
    """Full name → message, nested ones included."""
    found = {}

    def add(prefix, message):
        found[f"{prefix}.{message.name}"] = message
        for nested in message.nested_type:
            add(f"{prefix}.{message.name}", nested)

    for file in described.file:
        for message in file.message_type:
            add(f".{file.package}", message)
    return found


def enums(described):
    return {f".{file.package}.{enum.name}": enum for file in described.file for enum in file.enum_type}


def incompatibilities(old, new):
    """What a peer of the old release would misunderstand."""
    faults = []
    new_messages, new_enums = messages(new), enums(new)
    for name, message in messages(old).items():
        if name not in new_messages:
            faults.append(f"{name} is gone")
            continue
        fields = {field.number: field for field in new_messages[name].field}
        reserved = {n for r in new_messages[name].reserved_range for n in range(r.start, min(r.end, r.start + 1000))}
        for field in message.field:
            now = fields.get(field.number)
            if now is None:
                if field.number not in reserved:
                    faults.append(f"{name}.{field.name} is gone and its number not reserved")
            elif (now.type, now.label, now.type_name, now.name) != (field.type, field.label, field.type_name, field.name):
                faults.append(f"{name}.{field.name} has changed")
    for name, enum in enums(old).items():
        values = {value.number: value.name for value in new_enums[name].value} if name in new_enums else {}
        faults += [f"{name}.{value.name} has changed" for value in enum.value if values.get(value.number) != value.name]
    return faults


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    return describe(PROTO, str(tmp_path_factory.mktemp("proto") / "now.binpb"))


def test_the_contract_is_compatible_with_the_last_release(described):
    assert incompatibilities(load(f"{PROTO}/released.binpb"), described) == []


@pytest.mark.parametrize("change, fault", [
    (("tap.proto", "optional bytes nonce = 12;", ""), "nonce is gone"),
    (("tap.proto", "optional bytes nonce = 12;", "optional string nonce = 12;"), "nonce has changed"),
    (("tap.proto", "optional bytes nonce = 12;", "optional bytes nonce = 22;"), "nonce is gone"),
    (("tap.proto", "PURPOSE_LINK = 7;", "PURPOSE_LINK = 17;"), "PURPOSE_LINK has changed"),
    (("registry.proto", "message UnlinkReply {", "message UnlinkAnswer {"), "UnlinkReply is gone"),
])
def test_an_incompatible_change_is_seen(described, tmp_path, change, fault):
    name, old, new = change
    for path in glob.glob(f"{PROTO}/*.proto"):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if os.path.basename(path) == name:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / os.path.basename(path)).write_text(text, encoding="utf-8")
    changed = describe(str(tmp_path), str(tmp_path / "changed.binpb"))
    assert any(fault in found for found in incompatibilities(described, changed))


def test_protobuf_c_limits(described):
    known = messages(described)
    for file in described.file:
        assert file.syntax in ("", "proto2"), f"{file.name}: proto2 only"
    for name, message in known.items():
        for field in message.field:
            assert field.label != Field.LABEL_REQUIRED, f"{name}.{field.name} is required"
        assert len(message.field) <= 64, f"{name}: common/pb counts 64 fields"
        assert name not in reachable(name, known), f"{name} contains itself"
    for name, enum in enums(described).items():
        assert enum.value[0].number == 0 and enum.value[0].name.endswith("_UNSPECIFIED"), f"{name}: 0 is UNSPECIFIED"


def reachable(name, known):
    seen, waiting = set(), [name]
    while waiting:
        for field in known[waiting.pop()].field:
            if field.type == Field.TYPE_MESSAGE and field.type_name not in seen:
                seen.add(field.type_name)
                waiting.append(field.type_name)
    return seen


def test_the_error_table_is_sound():
    with open(f"{PROTO}/errors.tbl.h", encoding="utf-8") as file:
        rows = re.findall(r'X\((\w+),\s*(\d+), ([01]), (\d+), "([^"]+)", "([^"]+)"\)', file.read())
    assert len(rows) > 40
    for column in (0, 1):
        values = [row[column] for row in rows]
        assert len(values) == len(set(values))
    for name, number, _, status, english, japanese in rows:
        assert int(number) < 255 and 200 <= int(status) < 600, name
        assert english.isascii() and english.endswith("."), name
        assert not japanese.isascii() and japanese.endswith("。"), name
