# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real polkitd with rules of the test, its absence, another in its place, and people to ask."""

import os
import signal
from contextlib import contextmanager

from jeepney import HeaderFields

from bus import Bus
from names import AUTHORITY, DBUS, POLKIT

UNANSWERED = "polkit does not authorize anybody: no answer in time"    # what the service says once


class Polkit:
    """The real polkitd, its rules, and its absence."""

    ACTIVATION = "/run/sandbox/system-services/org.freedesktop.PolicyKit1.service"
    RULES = "/etc/polkit-1/rules.d/10-test.rules"

    def __init__(self):
        self.bus = Bus()
        self.bus.subscribe(f"type='signal',sender='{DBUS}',member='NameOwnerChanged',arg0='{POLKIT}'")
        self.bus.subscribe(f"type='signal',sender='{POLKIT}',interface='{AUTHORITY[1]}',member='Changed'")
        self.probe = Bus("caller1")
        self.text = None
        self.generation = 0
        with open(self.ACTIVATION) as f:
            self.activation = f.read()
        self.rules("")

    def end(self):
        self.probe.kill()
        self.bus.kill()

    def check(self, action, details, subject):
        """polkit's own answer to root: (authorized, challenge, details)."""
        question = ("system-bus-name", {"name": ("s", subject)}), action, details, 0, ""
        return self.bus.call(*AUTHORITY, "CheckAuthorization", "(sa{sv})sa{ss}us", question, POLKIT)[0]

    def start(self):
        """Starts polkitd, if it does not run; on one processor and before all else there, because one answer in some
        thousands comes 15 s late, if the thread that has run the rules wakes the other just before that waits."""
        self.bus.bus("StartServiceByName", "su", POLKIT, 0)
        os.sched_setaffinity(self.pid(), {min(os.sched_getaffinity(0))})
        os.sched_setscheduler(self.pid(), os.SCHED_FIFO, os.sched_param(1))

    def rules(self, text):
        """Sets the rules and returns when polkitd goes by them."""
        self.start()
        if text == self.text:
            return
        self.generation += 1
        generation = f'if (action.lookup("generation") == "{self.generation}") return polkit.Result.YES;'
        temporary = os.path.dirname(self.RULES) + "/.new"
        with open(temporary, "w") as f:
            f.write(f"polkit.addRule(function(action, subject) {{ {generation} }});\n{text}\n")
        os.rename(temporary, self.RULES)

        def in_force():
            return self.check("org.example.Promisc.inspect", {"generation": str(self.generation)},
                              self.probe.unique)[0]
        # polkitd says Changed after each time that it has read its rules.
        self.bus.wait(in_force, what="polkit's new rules")
        self.text = text

    def pid(self):
        return self.bus.bus("GetConnectionUnixProcessID", "s", POLKIT)[0]

    def stop_answering(self):
        os.kill(self.pid(), signal.SIGSTOP)

    @contextmanager
    def silent(self):
        """It answers later."""
        pid = self.pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def kill(self):
        since = self.bus.mark()
        os.kill(self.pid(), signal.SIGKILL)
        self.bus.await_signal("NameOwnerChanged", since=since, match=lambda name, old, new: not new)

    def remove(self):
        """From here on there is no polkit, and nothing starts one."""
        os.unlink(self.ACTIVATION)
        self.bus.bus("ReloadConfig")
        self.kill()

    def restore(self):
        """As on a fresh machine: polkitd starts at the first call."""
        if not os.path.exists(self.ACTIVATION):
            with open(self.ACTIVATION, "w") as f:
                f.write(self.activation)
            self.bus.bus("ReloadConfig")


class FakePolkit(Bus):
    """In polkitd's place, under its user; answers only what the test answers."""

    def __init__(self, polkit):
        self.polkit = polkit
        polkit.remove()
        super().__init__("polkitd")
        self.bus("RequestName", "su", POLKIT, 4)

    def checks(self):
        return [c for c in self.calls if c.header.fields[HeaderFields.member] == "CheckAuthorization"]

    def cancellations(self):
        return [c.body[0] for c in self.calls
                if c.header.fields[HeaderFields.member] == "CancelCheckAuthorization"]

    def await_checks(self, count=1):
        self.wait(lambda: len(self.checks()) >= count, what=f"{count} checks")
        return self.checks()

    def verdict(self, check, authorized, challenge=False, details=None):
        self.answer(check, "(bba{ss})", ((authorized, challenge, details or {}),))


class Agent(Bus):
    """An authentication agent for the process of one client."""

    PATH = "/agent"

    def __init__(self, client):
        super().__init__(client.user)
        self.root = Bus()
        with open(f"/proc/{client.pid}/stat") as f:
            start = int(f.read().rsplit(")", 1)[1].split()[19])
        process = {"pid": ("u", client.pid), "start-time": ("t", start), "uid": ("i", client.uid)}
        self.call(*AUTHORITY, "RegisterAuthenticationAgent", "(sa{sv})ss",
                  (("unix-process", process), "C", self.PATH), POLKIT)

    def await_prompt(self):
        """The call that asks: its body is (action, message, icon, details, cookie, identities)."""
        return self.wait(lambda: self.calls and self.calls.pop(0), what="prompt")

    def approve(self, prompt):
        """As the agent's setuid helper does after the right password."""
        cookie, identities = prompt.body[4:]
        self.root.call(*AUTHORITY, "AuthenticationAgentResponse2", "us(sa{sv})",
                       (self.uid, cookie, identities[0]), POLKIT)
        self.answer(prompt)

    def dismiss(self, prompt):
        self.refuse(prompt, "org.freedesktop.PolicyKit1.Error.Cancelled", "dismissed")

    def kill(self):
        self.root.kill()
        super().kill()
