# SPDX-License-Identifier: Apache-2.0
"""Which card readers the machine's own PC/SC daemon has; none where it does not run."""

import ctypes
import os

SCARD_SCOPE_SYSTEM = 2
SOCKET = "/run/pcscd/pcscd.comm"


def physical_readers():
    """Names of the readers of the machine's pcscd, without virtual ones."""
    if not os.path.exists(SOCKET):
        return []
    try:
        pcsc = ctypes.CDLL("libpcsclite.so.1")
    except OSError:
        return []
    context, size = ctypes.c_long(), ctypes.c_ulong()
    if pcsc.SCardEstablishContext(ctypes.c_ulong(SCARD_SCOPE_SYSTEM), None, None, ctypes.byref(context)) != 0:
        return []
    try:
        if pcsc.SCardListReaders(context, None, None, ctypes.byref(size)) != 0:
            return []
        names = ctypes.create_string_buffer(size.value)
        if pcsc.SCardListReaders(context, None, names, ctypes.byref(size)) != 0:
            return []
        found = [name.decode("utf-8", "replace") for name in names.raw[:size.value].split(b"\0") if name]
        return [name for name in found if not name.startswith("Virtual PCD")]
    finally:
        pcsc.SCardReleaseContext(context)
