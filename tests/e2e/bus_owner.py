# SPDX-License-Identifier: LGPL-2.1-or-later
"""A service that owns a name on a bus:  bus_owner.py SOCKET NAME FOLDER
It asks for the name once FOLDER/own is there, gives it back once FOLDER/release is, tells a lie to FOLDER/lie's unique name, and ends with FOLDER/end."""
import os
import socket
import struct
import sys
import time

BUS = "org.freedesktop.DBus"


def pad(b, n):
    return b + b"\0" * (-len(b) % n)


def string(s):
    return struct.pack("<I", len(s)) + s.encode() + b"\0"


def header(kind, serial, fields, body):
    b = b""
    for code, signature, value in fields:
        b = pad(b, 8) + bytes([code, 1]) + signature.encode() + b"\0"
        b += bytes([len(value)]) + value.encode() + b"\0" if signature == "g" else string(value)
    return pad(struct.pack("<cBBBIII", b"l", kind, 0, 1, len(body), serial, len(b)) + b, 8)


class Bus:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.s.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        assert self.s.recv(1000).startswith(b"OK ")
        self.s.sendall(b"BEGIN\r\n")
        self.serial = 0
        self.call("Hello", "", b"")

    def call(self, member, signature, body):
        """Without its answer: the bus answers in order, and nobody here waits for it."""
        self.serial += 1
        fields = [(1, "o", "/org/freedesktop/DBus"), (2, "s", BUS), (3, "s", member), (6, "s", BUS)] + ([(8, "g", signature)] if signature else [])
        self.s.sendall(header(1, self.serial, fields, body) + body)

    def own(self, name):
        self.call("RequestName", "su", pad(string(name), 4) + struct.pack("<I", 4))

    def release(self, name):
        self.call("ReleaseName", "s", string(name))

    def lie(self, to, name):
        """A signal as the bus sends it, from somebody who is not the bus."""
        self.serial += 1
        body = pad(string(name), 4)
        body = pad(body + string(":1.1"), 4) + string("")
        fields = [(1, "o", "/org/freedesktop/DBus"), (2, "s", BUS), (3, "s", "NameOwnerChanged"), (6, "s", to), (8, "g", "sss")]
        self.s.sendall(header(4, self.serial, fields, body) + body)


    def disturb(self, to):
        """What a bus passes on and few expect: numbers the other way round, a field that nobody knows, and a great deal."""
        fields = [(1, "o", "/x"), (2, "s", "a.b"), (3, "s", "C"), (6, "s", to)]
        big = b""
        for code, signature, value in fields:
            big = pad(big, 8) + bytes([code, 1]) + signature.encode() + b"\0" + struct.pack(">I", len(value)) + value.encode() + b"\0"
        self.s.sendall(pad(struct.pack(">cBBBIII", b"B", 4, 0, 1, 0, 77, len(big)) + big, 8))
        odd = header(4, 78, fields, b"")[16:].rstrip(b"\0") + b"\0"
        odd = pad(odd, 8) + bytes([200, 2]) + b"ay\0" + b"\0\0\0" + struct.pack("<I", 3) + b"abc"
        self.s.sendall(pad(struct.pack("<cBBBIII", b"l", 4, 0, 1, 0, 78, len(odd)) + odd, 8))
        body = string("x" * (3 << 20))
        self.s.sendall(header(4, 79, fields + [(8, "g", "s")], body) + body)


if __name__ == "__main__":
    path, name, folder = sys.argv[1:]
    bus, did = Bus(path), set()
    while not os.path.exists(folder + "/end"):
        for what in ("own", "release"):
            if what not in did and os.path.exists(f"{folder}/{what}"):
                getattr(bus, what)(name)
                did.add(what)
        if "lie" not in did and os.path.exists(folder + "/lie"):
            for number in range(20):
                bus.lie(f":1.{number}", name)
            did.add("lie")
            open(folder + "/lied", "w").close()
        time.sleep(0.005)
