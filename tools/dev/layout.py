# SPDX-License-Identifier: Apache-2.0
"""Where a stack lives (docs/layout.md): data under the checkout or /var/lib, run files under a short path in /tmp."""

import hashlib
import os
import pwd
import shutil

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("MYKEY_BUILD") or os.path.join(ROOT, "build")

# initdb refuses root: as root, the database runs as Debian's own user for it.
DATABASE_USER = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def traversable_by_others(path):
    while path != "/":
        if not os.stat(path).st_mode & 0o001:
            return False
        path = os.path.dirname(path)
    return True


class Layout:
    """The directories of one profile ("dev", "demo", "test-…") of a checkout."""

    def __init__(self, profile, root=ROOT):
        tag = hashlib.sha256(f"{root}\0{profile}".encode()).hexdigest()[:10]
        self.profile = profile
        self.run = f"/tmp/mykey-{tag}"
        # The database user must reach its files: not below a closed home directory.
        if os.geteuid() != 0 or traversable_by_others(root):
            self.data = os.path.join(root, "var", profile)
        else:
            self.data = f"/var/lib/mykey-dev-{tag}"

    def make(self):
        for path, mode in ((self.data, 0o755), (self.run, 0o755)):
            os.makedirs(path, exist_ok=True)
            if os.stat(path).st_uid != os.geteuid():
                raise SystemExit(f"{path} belongs to another user: remove it or run as that user")
            os.chmod(path, mode)
        for name in ("keys", "keys/bus"):
            os.makedirs(os.path.join(self.data, name), mode=0o700, exist_ok=True)

    def remove(self):
        """A profile that nobody needs again."""
        for path in (self.data, self.run):
            shutil.rmtree(path, ignore_errors=True)

    def in_data(self, *parts):
        return os.path.join(self.data, *parts)

    def in_run(self, *parts):
        return os.path.join(self.run, *parts)


def program(name):
    """The path of a built program."""
    places = {
        "mykey-broker": "services/broker", "mykey-registry": "services/registry",
        "mykey-jpki-verify": "services/jpki-verify", "mykey-jpki-revocation": "services/jpki-verify", "mykey-gateway": "services/gateway",
        "mykey-agent": "agent", "mykeyctl": "tools/mykeyctl", "mykey-simcard": "tools/simcard", "mykey-load": "tools/load",
    }
    return os.path.join(BUILD, places[name], name)
