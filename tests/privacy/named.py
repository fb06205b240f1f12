# SPDX-License-Identifier: Apache-2.0
"""Does a test that a document names ("tests/x/test_y.py::test_z", or a function of a C program of tests) exist?"""

import ast
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def exists(node, root=ROOT):
    path, _, name = node.partition("::")
    try:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return False
    if path.endswith(".c"):
        return re.search(rf"cmocka_unit_test\w*\({name}\b", text) is not None
    return any(isinstance(one, ast.FunctionDef) and one.name == name for one in ast.parse(text).body)
