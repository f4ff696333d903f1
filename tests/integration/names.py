# SPDX-License-Identifier: LGPL-2.1-or-later
"""The contract's names, the places of what is tested, and how long things may take."""

import os
import pwd
import unicodedata

NAME = "org.example.Promisc"
ROOT = "/org/example/Promisc"
LINK = NAME
MANAGER = NAME + ".Manager"
REFERENCE = NAME + ".Reference"
ERROR = NAME + ".Error."
DBUS = "org.freedesktop.DBus"
DBUS_ERROR = DBUS + ".Error."
PROPERTIES = DBUS + ".Properties"
OBJECT_MANAGER = DBUS + ".ObjectManager"
POLKIT = "org.freedesktop.PolicyKit1"
AUTHORITY = "/org/freedesktop/PolicyKit1/Authority", POLKIT + ".Authority"

NO_SUCH_LINK = ERROR + "NoSuchLink"
NO_SUCH_REFERENCE = ERROR + "NoSuchReference"
INVALID = DBUS_ERROR + "InvalidArgs"
LIMIT = DBUS_ERROR + "LimitsExceeded"
DENIED = DBUS_ERROR + "AccessDenied"
NEEDS_INTERACTION = DBUS_ERROR + "InteractiveAuthorizationRequired"
UNKNOWN_OBJECT = DBUS_ERROR + "UnknownObject"

# A build with sanitizers is slower; whoever runs the tests on one says by how much.
SLOWNESS = float(os.environ.get("PROMISC_TEST_SLOWNESS", "1"))
DEADLINE = 10 * SLOWNESS
PROMPT = 0.1 * SLOWNESS     # "within 100 ms"

BUILD = os.environ.get("PROMISC_BUILD", "")
SOURCE = os.environ.get("PROMISC_SOURCE", "")


def uid_of(user):
    return pwd.getpwnam(user).pw_uid


def link_path(index):
    return f"{ROOT}/link/{index}"


def reference_path(id):
    return f"{ROOT}/reference/{id}"


def escaped(name):
    """An interface name as the contract writes it."""
    return "".join(
        c if c != "\\" and unicodedata.category(c) not in ("Cc", "Cs") else
        "".join(f"\\x{byte:02x}" for byte in c.encode("utf-8", "surrogateescape"))
        for c in name.decode("utf-8", "surrogateescape"))
