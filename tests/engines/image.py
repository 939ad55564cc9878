# SPDX-License-Identifier: LGPL-2.1-or-later
"""One small image, written by hand: no registry is asked.

The archive has the form of `docker save`, which all three engines load: manifest.json, a configuration and one layer.
"""
import hashlib
import io
import json
import shutil
import tarfile

import island  # noqa: F401, which finds the next one
import bundle as oci

NAME = "bulkhead.example/busybox:latest"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _add(archive, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def _layer(folder):
    root = oci.make_rootfs(folder / "image-root")
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as tar:
        tar.add(root, arcname=".", recursive=True)
    shutil.rmtree(root)
    return memory.getvalue()


def write_archive(folder):
    layer = _layer(folder)
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "created": "2000-01-01T00:00:00Z",
        "config": {"Env": ["PATH=" + PATH, "FROM_IMAGE=yes"], "Cmd": ["sh"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        "history": [{"created": "2000-01-01T00:00:00Z", "created_by": "by hand"}],
    }).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [NAME], "Layers": ["layer.tar"]}]).encode()
    path = folder / "image.tar"
    with tarfile.open(path, "w") as archive:
        _add(archive, config_name, config)
        _add(archive, "layer.tar", layer)
        _add(archive, "manifest.json", manifest)
    return path
