#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A PC/SC client driven line by line: libpcsclite remembers its socket for the life of a process, and a call can block
for ever, so each client is a process that a test may kill.

    connect SLOT [shared|exclusive]     apdu HEX     reconnect     disconnect leave|reset|unpower     begin     end
Each answers one line: the return code in hex, then the data in hex ('-' for none).
"""
import ctypes
import sys

LIB = ctypes.CDLL("libpcsclite.so.1")
LONG, DWORD = ctypes.c_long, ctypes.c_ulong
PROTOCOLS = 3
SHARE = {"exclusive": 1, "shared": 2}
DISPOSITION = {"leave": 0, "reset": 1, "unpower": 2}
BUFFER = 65600


class IoRequest(ctypes.Structure):
    _fields_ = [("protocol", DWORD), ("length", DWORD)]


for name in ("SCardEstablishContext", "SCardConnect", "SCardTransmit", "SCardReconnect", "SCardDisconnect",
             "SCardBeginTransaction", "SCardEndTransaction"):
    getattr(LIB, name).restype = LONG


class Client:
    def __init__(self):
        self.context, self.card, self.protocol = LONG(), LONG(), DWORD()
        self.code = LIB.SCardEstablishContext(DWORD(2), None, None, ctypes.byref(self.context))

    def connect(self, slot, mode="shared"):
        reader = f"Virtual PCD 00 0{slot}".encode()
        return LIB.SCardConnect(self.context, reader, DWORD(SHARE[mode]), DWORD(PROTOCOLS), ctypes.byref(self.card),
                                ctypes.byref(self.protocol)), b""

    def apdu(self, text):
        command, answer, size = bytes.fromhex(text), ctypes.create_string_buffer(BUFFER), DWORD(BUFFER)
        request = IoRequest(self.protocol.value, ctypes.sizeof(IoRequest))
        code = LIB.SCardTransmit(self.card, ctypes.byref(request), command, DWORD(len(command)), None, answer,
                                 ctypes.byref(size))
        return code, answer.raw[:size.value] if code == 0 else b""

    def reconnect(self):
        return LIB.SCardReconnect(self.card, DWORD(SHARE["shared"]), DWORD(PROTOCOLS), DWORD(0),
                                  ctypes.byref(self.protocol)), b""

    def disconnect(self, how):
        return LIB.SCardDisconnect(self.card, DWORD(DISPOSITION[how])), b""

    def begin(self):
        return LIB.SCardBeginTransaction(self.card), b""

    def end(self):
        return LIB.SCardEndTransaction(self.card, DWORD(0)), b""


def main():
    client = Client()
    print(f"{client.code & 0xFFFFFFFF:08X} -", flush=True)
    for line in sys.stdin:
        verb, *words = line.split()
        code, data = getattr(client, verb)(*words)
        print(f"{code & 0xFFFFFFFF:08X} {data.hex().upper() or '-'}", flush=True)


if __name__ == "__main__":
    main()
