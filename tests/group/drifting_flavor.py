#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A flavor that changes the properties of what it prepares: drifting_flavor.py PATH."""
import json
import os
import socketserver
import sys


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        length = 0
        while (line := self.rfile.readline().strip()):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        asked = json.loads(self.rfile.read(length))
        result = {"OK": True}
        if asked["method"] == "Flavor.Prepare":
            spec = asked["params"]["Spec"]
            spec["Properties"]["Note"] += " by a flavor"
            result = {"Spec": spec}
        if asked["method"] == "Flavor.Healthy":
            result = {"Health": 1}
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps({"result": result, "id": 0}).encode())


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


# It is there under its name once it listens.
made = sys.argv[1] + ".new"
with Server(made, Handler) as server:
    os.rename(made, sys.argv[1])
    server.serve_forever()
