#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A flavor as a stranger may write one: HTTP/1.0, no headers, id 0. Which notes are sick, and how slow it is, stands in a file."""
import json
import os
import pathlib
import socketserver
import sys
import time

path, orders = sys.argv[1:3]


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        length = 0
        while (line := self.rfile.readline().strip()):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        asked = json.loads(self.rfile.read(length))
        result = self.answer(asked["method"], asked.get("params") or {}, json.loads(pathlib.Path(orders).read_text()))
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps({"result": result, "id": 0}).encode())

    def answer(self, method, params, order):
        if method == "Flavor.Prepare":
            spec = params["Spec"]
            spec["Tags"] = dict(spec.get("Tags") or {}, note=str(spec["Properties"].get("Note")))
            return {"Spec": spec}
        if method == "Flavor.Healthy":
            tags = params["Instance"]["Tags"]
            return {"Health": 2 if tags.get("note") in order.get("sick", []) or params["Instance"]["ID"] in order.get("sick", []) else 1}
        if method == "Flavor.Drain":
            time.sleep(order.get("drain", 0))
            with open(orders + ".drained", "a") as f:
                f.write(params["Instance"]["ID"] + "\n")
        return {"OK": True}


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 1024


# It is there under its name once it listens.
made = path + ".new"
with Server(made, Handler) as server:
    os.rename(made, path)
    server.serve_forever()
