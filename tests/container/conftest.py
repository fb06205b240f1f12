# SPDX-License-Identifier: Apache-2.0
import os
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), f"{ROOT}/tests/lib", f"{ROOT}/tools/dev"]

from composelib import Project, engine_answers  # noqa: E402


@pytest.fixture(scope="session")
def platform():
    """The whole platform in containers, with two registries and two verifiers; all of it is removed at the end."""
    if not engine_answers():
        pytest.skip("no docker engine answers on this machine")
    project = Project()
    try:
        if not project.make_image():
            pytest.skip("no base image can be made on this machine: no Debian mirror, or no root")
        project.down()  # what a run that was killed left
        project.compose("run", "--rm", "-T", "setup")
        project.up("--scale", "registry=2", "--scale", "jpki-verify=2")
        yield project
    finally:
        project.remove()
