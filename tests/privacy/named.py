# SPDX-License-Identifier: Apache-2.0
"""Does a test that a document names ("tests/x/test_y.py::test_z") exist?"""

import ast
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def exists(node, root=ROOT):
    path, _, name = node.partition("::")
    try:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            tree = ast.parse(file.read())
    except OSError:
        return False
    return any(isinstance(one, ast.FunctionDef) and one.name == name for one in tree.body)
