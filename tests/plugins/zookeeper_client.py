# SPDX-License-Identifier: LGPL-2.1-or-later
"""As much of ZooKeeper's protocol as tests ask with: four-letter words, a session, one node created, read and set; a writer that never stops."""
import socket
import struct
import threading
import time

CREATE, GET, SET, SYNC, CLOSE = 1, 4, 5, 9, -11
NODE_EXISTS, BAD_VERSION = -110, -103
ANYONE = struct.pack(">ii", 1, 31)  # one entry with all rights; world:anyone behind it
SESSION_MS = 10000


class Answered(Exception):
    """The server said no."""

    def __init__(self, code):
        super().__init__(f"ZooKeeper's error {code}")
        self.code = code


def word(address, port, four, timeout=5):
    """The answer to a four-letter word; "" where none listens."""
    try:
        with socket.create_connection((address, port), timeout) as s:
            s.sendall(four.encode())
            said = b""
            while piece := s.recv(65536):
                said += piece
            return said.decode()
    except OSError:
        return ""


def values(said):
    """mntr's lines by their names."""
    return dict(line.split("\t", 1) for line in said.splitlines() if "\t" in line)


def buffer(data):
    return struct.pack(">i", len(data)) + data


def text(s):
    return buffer(s.encode())


class Session:
    def __init__(self, address, port, timeout=10):
        self.serial = 0
        self.socket = socket.create_connection((address, port), timeout)
        try:
            self.send(struct.pack(">iqiq", 0, 0, SESSION_MS, 0) + buffer(bytes(16)) + b"\0")
            self.receive()
        except BaseException:
            self.socket.close()
            raise

    def send(self, data):
        self.socket.sendall(buffer(data))

    def exactly(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise ConnectionResetError("ZooKeeper ended the connection")
            data += piece
        return data

    def receive(self):
        return self.exactly(struct.unpack(">i", self.exactly(4))[0])

    def call(self, kind, data=b""):
        self.serial += 1
        self.send(struct.pack(">ii", self.serial, kind) + data)
        while True:
            answer = self.receive()
            serial, _, code = struct.unpack(">iqi", answer[:16])
            if serial == self.serial:
                break
        if code:
            raise Answered(code)
        return answer[16:]

    def create(self, path, data):
        self.call(CREATE, text(path) + buffer(data) + ANYONE + text("world") + text("anyone") + struct.pack(">i", 0))

    def get(self, path):
        """Its data and version, with all that was written before."""
        self.call(SYNC, text(path))
        answer = self.call(GET, text(path) + b"\0")
        size = struct.unpack(">i", answer[:4])[0]
        return answer[4:4 + size], struct.unpack(">i", answer[4 + size + 32:4 + size + 36])[0]

    def set(self, path, data, version=-1):
        self.call(SET, text(path) + buffer(data) + struct.pack(">i", version))

    def close(self):
        try:
            self.serial += 1
            self.send(struct.pack(">ii", self.serial, CLOSE))
        except OSError:
            pass
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Writer:
    """Counts in a node, at one member as long as it serves and then at the next. What was acknowledged must be there ever after."""

    def __init__(self, addresses, port, path):
        self.addresses, self.port, self.path = addresses, port, path
        self.count = self.acknowledged = self.moved = 0
        self.longest = 0.0  # between two acknowledgements
        self.lost = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def write(self, session):
        data, version = session.get(self.path)
        if int(data) < self.acknowledged:
            self.lost.append((self.acknowledged, int(data)))
        session.set(self.path, b"%d" % (int(data) + 1), version)
        self.acknowledged = int(data) + 1
        self.count += 1

    def run(self):
        last = time.monotonic()
        while not self.stopping.is_set():
            try:
                with Session(self.addresses[self.moved % len(self.addresses)], self.port, 5) as session:
                    while not self.stopping.is_set():
                        self.write(session)
                        now = time.monotonic()
                        self.longest, last = max(self.longest, now - last), now
                        self.stopping.wait(0.02)
            except (OSError, Answered):
                self.moved += 1
                self.stopping.wait(0.05)
        self.longest = max(self.longest, time.monotonic() - last)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(30)
