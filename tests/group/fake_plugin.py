#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A plugin of somebody else's, as little as InfraKit asks for: fake_plugin.py [--slow SECONDS] [--held PATH] [--touch PATH] [--die] [--fail] [--old] [--grumpy] --name NAME"""
import argparse
import http.server
import json
import os
import pathlib
import signal
import socketserver
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--name", required=True)
parser.add_argument("--slow", type=float, default=0)
parser.add_argument("--held")
parser.add_argument("--touch")
parser.add_argument("--die", action="store_true")
parser.add_argument("--fail", action="store_true")
parser.add_argument("--old", action="store_true")
parser.add_argument("--grumpy", action="store_true")
options = parser.parse_args()
folder = pathlib.Path(os.environ.get("BULKHEAD_PLUGINS_DIR") or os.environ["INFRAKIT_PLUGINS_DIR"])
instances = {}


def answer(method, params):
    if method == "Handshake.Hello" and not options.old:
        return {"Objects": {"Instance/0.6.1": [{"Name": ".", "ProxyFor": ""}]}}
    if method == "Handshake.Implements":
        return {"APIs": [{"Name": "Instance", "Version": "0.6.1"}]}
    if method == "Instance.Validate":
        return {"Type": "", "OK": True}
    if method == "Instance.Provision":
        time.sleep(options.slow)
        while options.held and os.path.exists(options.held):
            time.sleep(0.02)
        if options.fail:
            raise LookupError("out of everything")
        name = f"fake-{len(instances)}"
        instances[name] = params["Spec"]
        return {"Type": "", "ID": name}
    if method == "Instance.DescribeInstances":
        wanted = (params.get("Tags") or {}).items()
        found = [{"ID": k, "LogicalID": None, "Tags": v["Tags"]} for k, v in instances.items() if wanted <= v["Tags"].items()]
        return {"Type": "", "Descriptions": found}
    if method == "Instance.Destroy":
        instances.pop(params["Instance"], None)
        return {"Type": "", "OK": True}
    if method == "Instance.Label":
        instances[params["Instance"]]["Tags"].update(params["Labels"])
        return {"Type": "", "OK": True}
    raise LookupError(f"rpc: can't find method {method}")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            reply = {"result": answer(request["method"], request.get("params") or {})}
        except LookupError as e:
            reply = {"error": {"code": -32000, "message": str(e), "data": None}}
        body = json.dumps({"jsonrpc": "2.0", "id": request["id"], **reply}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


if options.touch:
    try:
        pathlib.Path(options.touch).write_text("was here")
        outcome = "written"
    except OSError as e:
        outcome = os.strerror(e.errno)
    (folder / f"{options.name}.outcome").write_text(outcome)
if options.grumpy:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
if options.die:
    sys.exit(3)
with Server(str(folder / options.name), Handler) as server:
    server.serve_forever()
