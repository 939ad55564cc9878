# SPDX-License-Identifier: LGPL-2.1-or-later
"""
AWS's own client, loaded once for many commands: it takes seconds to load.  As a program: a JSON list of words on each line of standard input, a JSON
{"status", "out", "err"} for each on standard output.
"""
import contextlib
import io
import json
import subprocess
import sys

PYTHON = "/usr/bin/python3"  # Debian's, which its awscli belongs to


class AwsCli:
    def __init__(self, environment):
        self.process = subprocess.Popen([PYTHON, __file__], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, *words):
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


def installed():
    return subprocess.run([PYTHON, "-c", "import awscli.clidriver"], capture_output=True, check=False).returncode == 0


def serve():
    from awscli.clidriver import create_clidriver

    for line in sys.stdin:
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = create_clidriver().main(json.loads(line))
            except SystemExit as e:
                status = e.code
        reply = {"status": status, "out": out.buffer.getvalue().decode(), "err": err.getvalue()}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    serve()
