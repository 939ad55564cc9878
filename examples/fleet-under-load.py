#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Asks a group's instances for a page again and again while COMMAND runs, and says how many requests were sent and how many failed.

    fleet-under-load.py SOCKET GROUP [--kill BULKHEAD] -- COMMAND...

The instances are those that the controller shows as live and good: a client that follows the controller, as a balancer does. With --kill
one instance is killed first, and it is told how long it took until the group was whole again.
"""
import argparse
import http.client
import json
import random
import socket
import subprocess
import threading
import time


class Controller(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("controller", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def status(self, group):
        ask = {"jsonrpc": "2.0", "method": "Fleet.Status", "params": {"ID": group, "Instances": True}, "id": 1}
        self.request("POST", "/", json.dumps(ask), {"Content-Type": "application/json"})
        return json.loads(self.getresponse().read())["result"]["Groups"][0]


def good(status):
    return [i for i in status["Instances"] if i["Phase"] == "live" and i["Health"] == "good"]


class Load:
    def __init__(self, path, group):
        self.path, self.group = path, group
        self.sent = self.failed = 0
        self.least = 1 << 30
        self.ports, self.stopping, self.lock = [], False, threading.Lock()
        self.threads = [threading.Thread(target=self.follow)] + [threading.Thread(target=self.ask) for _ in range(4)]

    def follow(self):
        controller = Controller(self.path)
        while not self.stopping:
            there = good(controller.status(self.group))
            self.least = min(self.least, len(there))
            self.ports = [int(i["Tags"]["bulkhead.port"]) for i in there]
            time.sleep(0.02)

    def ask(self):
        while not self.stopping:
            ports = self.ports
            if not ports:
                time.sleep(0.01)
                continue
            ok = False
            try:
                connection = http.client.HTTPConnection("127.0.0.1", random.choice(ports), timeout=30)
                connection.request("GET", "/index.html")
                ok = connection.getresponse().status == 200
                connection.close()
            except OSError:
                pass
            with self.lock:
                self.sent += 1
                self.failed += not ok

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        while not self.ports:
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.stopping = True
        for thread in self.threads:
            thread.join()


def heal(controller, group, bulkhead):
    """Kills one instance; how many milliseconds until all are good again."""
    before = good(controller.status(group))
    victim = before[0]["ID"]
    begun = time.monotonic()
    subprocess.run([bulkhead, "kill", "-s", "KILL", victim], check=True)
    while True:
        now = good(controller.status(group))
        if len(now) >= len(before) and victim not in [i["ID"] for i in now]:
            return victim, (time.monotonic() - begun) * 1000
        if time.monotonic() - begun > 120:
            raise SystemExit("it was not healed within 30 s")
        time.sleep(0.002)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("socket")
    p.add_argument("group")
    p.add_argument("--kill", metavar="BULKHEAD")
    p.add_argument("command", nargs="+")
    o = p.parse_args()
    if o.kill:
        victim, ms = heal(Controller(o.socket), o.group, o.kill)
        print(f"killed {victim}; healed, and good again, in {ms:.0f} ms")
    with Load(o.socket, o.group) as load:
        status = subprocess.run(o.command, stdout=subprocess.DEVNULL).returncode
        time.sleep(0.2)
    print(f"requests sent: {load.sent}, failed: {load.failed}, instances good at the least: {load.least}")
    raise SystemExit(1 if status or load.failed or not load.sent else 0)


if __name__ == "__main__":
    main()
