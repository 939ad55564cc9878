# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests of mounts ask of libmount's binding, where it is not installed: one mount of a file like mountinfo."""


class Mount:
    def __init__(self, line):
        left, right = line.split(' - ', 1)
        words = left.split(' ')
        self.target, self.vfs_options = words[4], words[5]
        self.fstype, self.source, self.fs_options = (right.split(' ') + ['', ''])[:3]


class Table:
    def __init__(self, path):
        with open(path, encoding='utf-8') as file:
            self.mounts = [Mount(line.rstrip('\n')) for line in file if ' - ' in line]

    def find_target(self, target):
        for mount in reversed(self.mounts):
            if mount.target == target:
                return mount
        raise LookupError(target)
