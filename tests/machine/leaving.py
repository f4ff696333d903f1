# SPDX-License-Identifier: LGPL-2.1-or-later
"""A process held at its exit: it has done all that it does itself, and neither the kernel nor its parent has done more."""

import ctypes
import os
import signal

PTRACE_CONT, PTRACE_SEIZE = 7, 0x4206
PTRACE_O_TRACEEXIT = 1 << 6
PTRACE_EVENT_EXIT = 6
WALL = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


def ptrace(request, pid, data):
    libc.ptrace.argtypes = ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p
    if libc.ptrace(request, pid, None, data) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


class Leaving:
    """with Leaving(pid) as leaving: end it, leaving.await_exit(), look; then it goes on."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        ptrace(PTRACE_SEIZE, self.pid, PTRACE_O_TRACEEXIT)
        return self

    def await_exit(self):
        while True:
            _, status = os.waitpid(self.pid, WALL)
            assert os.WIFSTOPPED(status), status
            if status >> 8 == signal.SIGTRAP | PTRACE_EVENT_EXIT << 8:
                return
            ptrace(PTRACE_CONT, self.pid, os.WSTOPSIG(status))

    def __exit__(self, *error):
        # Whose tracer is gone goes on.
        ptrace(PTRACE_CONT, self.pid, 0)
        os.waitpid(self.pid, WALL)
