#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""first_tap: seconds from `make run` in a fresh clone on a fresh Debian 12 to the first number on the screen, against
`apt-get install` of the same packages + the compile alone.

Both run in a root made by debootstrap (minbase with make), extracted anew for each side. Downloaded packages are kept between
the sides, so that the network's mood is on neither. Needs root. FIRST_TAP_PAIRS (1) pairs: each takes some minutes."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
for folder in (f"{ROOT}/tools/dev", HERE):
    sys.path.insert(0, folder)

from benchlib import BUILD, Bench  # noqa: E402
from counter import SimulatedCard  # noqa: E402
from loopback import Page  # noqa: E402

WORK = os.path.join(BUILD, "first_tap")
PAIRS = int(os.environ.get("FIRST_TAP_PAIRS", "1"))
LIMIT_S = 900
COMPARATOR = ("cd /src && sh tools/setup/install.sh build run >/tmp/out 2>&1 && "
              "meson setup build >>/tmp/out && ninja -C build >>/tmp/out")


def run(*command, **options):
    subprocess.run(command, check=True, **options)


def base():
    """The tar of a fresh Debian 12 with make, and the folder of downloaded packages."""
    tar, archives = f"{WORK}/base.tar", f"{WORK}/archives"
    os.makedirs(archives, exist_ok=True)
    if not os.path.exists(tar):
        with tempfile.TemporaryDirectory(dir=WORK) as fresh:
            run("debootstrap", "--variant=minbase", "--include=make,ca-certificates", "bookworm", fresh,
                stdout=subprocess.DEVNULL)
            run("tar", "-C", fresh, "-cf", tar + ".new", ".")
        os.rename(tar + ".new", tar)
    return tar, archives


class FreshDebian:
    """A root of its own with a fresh clone in /src."""

    def __init__(self, tar, archives):
        self.root = tempfile.mkdtemp(prefix="root-", dir=WORK)
        self.archives = archives
        run("tar", "-C", self.root, "-xf", tar)
        os.chmod(self.root, 0o755)  # the database's user must reach what is below
        run("git", "clone", "-q", "--no-hardlinks", ROOT, f"{self.root}/src")
        shutil.copy("/etc/resolv.conf", f"{self.root}/etc/resolv.conf")
        self.take_sources()

    def take_sources(self):
        """Packages come from where this machine's come from."""
        os.unlink(f"{self.root}/etc/apt/sources.list")
        if os.path.exists("/etc/apt/sources.list"):
            shutil.copy("/etc/apt/sources.list", f"{self.root}/etc/apt/")
        shutil.copytree("/etc/apt/sources.list.d", f"{self.root}/etc/apt/sources.list.d", dirs_exist_ok=True)

    def start(self, command):
        """A shell command inside: its own mounts and processes, this machine's network."""
        # The root is made a mount of its own, as a machine's root is.
        inside = (f"mount --bind {self.root} {self.root} && mount --rbind /dev {self.root}/dev && "
                  f"mount --bind {self.archives} {self.root}/var/cache/apt/archives && "
                  f"mount -t proc proc {self.root}/proc && exec chroot {self.root} /bin/sh -c \"$1\"")
        return subprocess.Popen(["unshare", "-m", "-p", "-f", "--kill-child=KILL", "sh", "-c", inside, "sh", command],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"})

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)


def until_first_number(debian):
    begun, lines = time.monotonic(), []
    child = debian.start("cd /src && exec make run")
    for line in child.stdout:
        lines.append(line)
        if "Ctrl-C stops everything" in line:
            break
    text = "".join(lines)
    address, control = re.search(r"http://127\S+#t=\w+", text), re.search(r"--control (\S+) insert", text)
    if not address or not control:
        raise RuntimeError(f"make run did not come up:\n{text[-3000:]}")
    page = Page(address[0])
    page.wait("wait")
    SimulatedCard(debian.root + control[1]).insert("card-1")
    page.wait("pin")
    page.enter_pin("1234")
    assert page.wait("number")["number"]["values"] == ["789"]
    seconds = time.monotonic() - begun
    page.close()
    child.kill()  # and with it everything in its process namespace
    child.wait()
    return seconds


def install_and_compile(debian):
    begun = time.monotonic()
    child = debian.start(COMPARATOR)
    text, _ = child.communicate(timeout=LIMIT_S)
    if child.returncode != 0:
        raise RuntimeError(f"the comparator failed: {text[-2000:]}")
    return time.monotonic() - begun


def in_fresh_debian(measure, tar, archives):
    debian = FreshDebian(tar, archives)
    try:
        return measure(debian)
    finally:
        debian.remove()


def main():
    if os.geteuid() != 0:
        sys.exit("first_tap needs root: it makes Debian systems of its own")
    os.makedirs(WORK, exist_ok=True)
    tar, archives = base()
    if not any(name.endswith(".deb") for name in os.listdir(archives)):
        print("first_tap: downloading the packages once", flush=True)
        in_fresh_debian(install_and_compile, tar, archives)
    bench = Bench("first_tap", unit="s", better="lower")
    for _ in range(PAIRS):
        bench.pair(in_fresh_debian(until_first_number, tar, archives), in_fresh_debian(install_and_compile, tar, archives))
    bench.finish()


if __name__ == "__main__":
    main()
