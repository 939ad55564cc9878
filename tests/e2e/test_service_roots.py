# SPDX-License-Identifier: LGPL-2.1-or-later
"""Services whose commands do not all see the same: RootDirectoryStartOnly=, and credentials of commands that are in no sandbox."""
import pathlib
import shutil

import pytest

from services import Services
from test_roots import make_tree


@pytest.fixture
def services():
    s = Services()
    yield s
    try:
        s.assert_clean()
    finally:
        s.close()


@pytest.fixture
def tree(services):
    path = shutil.which("busybox")
    if not path:
        pytest.skip("needs a static busybox")
    top = services.base / "data/root"
    top.mkdir()
    make_tree(top, path, 0)
    return top


WHERE = "test -e /etc/mine && echo {0} inside || echo {0} host"


def commands(prefix="", names=("ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecStop", "ExecStopPost")):
    return "".join(f'{name}={prefix}/bin/sh -c "{WHERE.format(name)}"\n' for name in names)


def run(s, service):
    name = s.up("seen", "Type=oneshot\n" + service)
    record = s.over(name)
    assert record["state"] == "exited", (record, s.logs(name))
    return s.logs(name).splitlines()


def test_only_the_start_sees_the_root(services, tree):
    lines = run(services, f"RootDirectory={tree}\nRootDirectoryStartOnly=yes\n" + commands())
    assert {line.split()[0]: line.split()[1] for line in lines} == {
        "ExecCondition": "host", "ExecStartPre": "host", "ExecStart": "inside", "ExecStartPost": "host", "ExecStop": "host", "ExecStopPost": "host"}


def test_without_it_all_do(services, tree):
    assert all(line.endswith("inside") for line in run(services, f"RootDirectory={tree}\nRootDirectoryStartOnly=no\n" + commands()))


def test_the_sandbox_holds_for_the_others_all_the_same(services, tree):
    secret = services.base / "data/secret"
    secret.write_text("x")
    kept = services.base / "data/kept"
    lines = run(services, f"""RootDirectory={tree}
RootDirectoryStartOnly=yes
InaccessiblePaths=-{secret}
ProtectSystem=strict
StateDirectory=bulkhead-test-{services.token}
User=nobody
SetCredential=key:open
ExecStartPre=/bin/sh -c "cat {secret} || echo hidden; touch {kept} || echo read-only; touch $STATE_DIRECTORY/a && echo state; cat $CREDENTIALS_DIRECTORY/key; echo; id -un"
ExecStart=/bin/sh -c "ls $STATE_DIRECTORY; cat $CREDENTIALS_DIRECTORY/key; echo; touch /etc/x || echo closed"
""")
    shutil.rmtree(f"/var/lib/bulkhead-test-{services.token}", ignore_errors=True)
    said = [line for line in lines if ":" not in line]
    assert said == ["hidden", "read-only", "state", "open", "nobody", "a", "open", "closed"], lines


def test_a_dynamic_user_is_known_to_all(services, tree):
    name = f"bulkhead-{services.token}"
    lines = run(services, f"""RootDirectory={tree}
RootDirectoryStartOnly=yes
DynamicUser=yes
User={name[:31]}
ExecStartPre=/bin/sh -c "id -un"
ExecStart=/bin/sh -c "id -un"
""")
    assert lines == [name[:31]] * 2, lines


def test_a_command_in_no_sandbox_sees_its_credentials(services):
    path = pathlib.Path(services.base / "data/secret")
    path.write_text("open sesame")
    mounts = open("/proc/self/mountinfo").read()
    lines = run(services, f"""LoadCredential=key:{path}
User=nobody
ProtectSystem=strict
Environment=KEY=%d/key
ExecStartPre=+/bin/sh -c "cat $CREDENTIALS_DIRECTORY/key; echo; id -u; ls $CREDENTIALS_DIRECTORY; cat $KEY; echo"
ExecStartPre=+/bin/cat %d/key
ExecStartPre=+/bin/sh -c "echo; touch $CREDENTIALS_DIRECTORY/x 2>/dev/null || echo closed"
ExecStart=/bin/sh -c "cat $CREDENTIALS_DIRECTORY/key; echo; echo $CREDENTIALS_DIRECTORY"
""")
    assert lines[:7] == ["open sesame", "0", "key", "open sesame", "open sesame", "closed", "open sesame"], lines
    assert lines[7].startswith("/run/credentials/"), lines
    assert open("/proc/self/mountinfo").read() == mounts


def test_without_credentials_it_sees_none(services):
    assert run(services, 'ExecStart=+/bin/sh -c "echo [$CREDENTIALS_DIRECTORY]"\n') == ["[]"]


def test_a_users_command_in_no_sandbox_sees_none():
    s = Services(uid=65534)
    try:
        assert run(s, 'SetCredential=key:x\nExecStart=+/bin/sh -c "echo [$CREDENTIALS_DIRECTORY]"\n') == ["[]"]
    finally:
        s.close()
