# SPDX-License-Identifier: LGPL-2.1-or-later
"""Archives that a kernel unpacks as its first file system: cpio, "newc". Several may follow each other."""

import os
import stat


class Archive:
    def __init__(self, file):
        self.file = file
        self.number = 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.add("TRAILER!!!", 0)

    def pad(self):
        self.file.write(bytes(-self.file.tell() % 4))

    def add(self, path, mode, content=b"", owner=(0, 0), time=0, device=0):
        self.number += 1
        name = path.encode(errors="surrogateescape") + b"\0"
        fields = (self.number, mode, *owner, 1, time, len(content), 0, 0, os.major(device), os.minor(device),
                  len(name), 0)
        self.pad()
        self.file.write(b"070701" + b"".join(b"%08X" % f for f in fields) + name)
        self.pad()
        self.file.write(content)

    def directory(self, path):
        """That one and those above it."""
        if path:
            self.directory(os.path.dirname(path))
            self.add(path, stat.S_IFDIR | 0o755)

    # With its time, because Python does not take what it compiled from a file of another time.
    def copy(self, source, path):
        """A file, a link or an empty directory, as it is in the file system."""
        of = os.lstat(source)
        content = b""
        if stat.S_ISLNK(of.st_mode):
            content = os.readlink(source).encode(errors="surrogateescape")
        elif stat.S_ISREG(of.st_mode):
            with open(source, "rb") as f:
                content = f.read()
        self.add(path, of.st_mode, content, (of.st_uid, of.st_gid), int(of.st_mtime),
                 of.st_rdev)

    def tree(self, source, path="", leave=lambda path: False):
        """All below a directory but what `leave` says of its path there."""
        for directory, directories, files in os.walk(source):
            inside = os.path.relpath(directory, source)
            inside = "" if inside == "." else inside + "/"
            directories[:] = sorted(d for d in directories if not leave(inside + d))
            for name in directories + sorted(f for f in files if not leave(inside + f)):
                self.copy(f"{directory}/{name}", os.path.join(path, inside + name))
