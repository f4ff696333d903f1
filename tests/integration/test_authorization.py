# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may, as polkit says; and that no polkit, however dead, keeps anybody else waiting."""

import time

import pytest
from jeepney import HeaderFields

from checks import error_of, nothing_changes, rule, within
from links import await_agreement, counter, index_of, ip
from names import (DEADLINE, DENIED, INVALID, LIMIT, LINK, MANAGER, NEEDS_INTERACTION, NO_SUCH_LINK,
                   NO_SUCH_REFERENCE, PROMPT, ROOT, SLOWNESS, escaped, link_path)
from polkit import UNANSWERED

ACQUIRE = "org.example.Promisc.acquire"
RELEASE = "org.example.Promisc.release"
NO_ANSWER = 10      # s, after which an unanswered check is denied


def has_details(interface, index, reason):
    """A rule's condition."""
    return " && ".join(f"action.lookup('{name}') == '{value}'" for name, value in (
        ("interface", interface), ("ifindex", index), ("reason", reason)))


# the real polkitd

def test_by_default_a_person_is_asked(root, client, index, polkit):
    caller = client("caller1")
    with nothing_changes(root, "v0"):
        assert error_of(caller.acquire, index)[0] == NEEDS_INTERACTION
        # It may ask, but there is nobody.
        assert error_of(caller.acquire, index, interactive=True)[0] == DENIED


def test_a_rule_says_no(root, client, index, polkit):
    polkit.rules(rule("subject.user == 'caller1'", "NO"))
    caller = client("caller1")
    with nothing_changes(root, "v0"):
        assert error_of(caller.acquire, index)[0] == DENIED
        assert error_of(caller.acquire, index, interactive=True)[0] == DENIED


def test_a_rule_decides_by_every_detail(root, client, index, polkit):
    polkit.rules(rule(f"action.id == '{ACQUIRE}' && subject.user == 'caller1' && "
                      f"{has_details('v0', index, 'backup – “β”')}"))
    right, wrong = client("caller1"), client("caller2")
    with nothing_changes(root, "v0", "v1"):
        assert error_of(right.acquire, index, "other")[0] == NEEDS_INTERACTION
        assert error_of(right.acquire, index_of("v1"), "backup – “β”")[0] == NEEDS_INTERACTION
        assert error_of(wrong.acquire, index, "backup – “β”")[0] == NEEDS_INTERACTION
    assert right.acquire(index, "backup – “β”")
    assert counter("v0") == 1


def test_a_rule_finds_an_odd_name(root, client, links, polkit):
    ip("link", "add", b"a\xffb\\", "type", "ifb")
    index = index_of(b"a\xffb\\")
    root.wait(lambda: index in [i for i, _, _ in root.manager("ListLinks")[0]], what="the link")
    name = escaped(b"a\xffb\\").replace("\\", "\\\\")
    polkit.rules(rule(f"action.lookup('interface') == '{name}'"))
    assert client("caller1").acquire(index)


def test_a_person_agrees(root, client, index, polkit, agent):
    caller = client("caller1")
    person = agent(caller)
    call = caller.send_acquire(index, "watching the door", interactive=True)
    prompt = person.await_prompt()
    action, message = prompt.body[:2]
    assert action == ACQUIRE and "v0" in message
    assert counter("v0") == 0
    # Whoever did not allow interaction is not shown a prompt.
    assert error_of(caller.acquire, index)[0] == NEEDS_INTERACTION
    assert not person.calls
    person.approve(prompt)
    id, _ = caller.reply(call)
    assert counter("v0") == 1
    assert root.references()[0]["Id"] == id
    # Nothing is retained: the next one asks again.
    call = caller.send_acquire(index, "watching the door", interactive=True)
    person.dismiss(person.await_prompt())
    with nothing_changes(root, "v0"):
        name, message = error_of(caller.reply, call)
    assert name == DENIED and "dismiss" in message.lower()


def test_the_caller_is_killed_at_the_prompt(root, client, index, polkit, agent):
    caller = client("caller1")
    person = agent(caller)
    with nothing_changes(root, "v0"):
        caller.send_acquire(index, interactive=True)
        prompt = person.await_prompt()
        caller.kill()
        # The prompt is taken away.
        cancel = person.await_prompt()
        assert cancel.header.fields[HeaderFields.member] == "CancelAuthentication"
        assert cancel.body == (prompt.body[4],)


def test_release_of_anothers(root, client, index, polkit):
    allowed = rule(f"action.id == '{ACQUIRE}'")
    polkit.rules(allowed)
    owner, other = client("caller1"), client("caller2")
    id, path = owner.acquire(index, "mine")
    with nothing_changes(root, "v0"):
        for release in (lambda: other.release(index, id),
                        lambda: other.call(path, "org.example.Promisc.Reference", "Release")):
            assert error_of(release)[0] == NEEDS_INTERACTION
        polkit.rules(allowed + rule(f"action.id == '{RELEASE}'", "NO"))
        assert error_of(other.release, index, id, interactive=True)[0] == DENIED
    # By the details of the reference, not of the call.
    polkit.rules(allowed + rule(f"action.id == '{RELEASE}' && {has_details('v0', index, 'mine')}"))
    other.release(index, id)
    assert root.await_released(id) == "revoked"
    assert counter("v0") == 0


def test_polkitd_killed_while_it_is_asked(root, client, index, polkit):
    caller = client("caller1")
    polkit.rules(rule("true"))
    polkit.stop_answering()
    with nothing_changes(root, "v0"):
        call = caller.send_acquire(index)
        # Another is served meanwhile; that is also how it is known that the question has been put.
        root.get(ROOT, MANAGER, "References")
        caller.get(ROOT, MANAGER, "References")
        polkit.kill()
        with within(NO_ANSWER / 2 * SLOWNESS):
            assert error_of(caller.reply, call)[0] == DENIED
    # The next call starts a new one.
    assert caller.acquire(index)


def test_polkitd_stopped_and_continued(service, root, client, index, polkit):
    """It has its name, and says nothing for a while."""
    polkit.rules(rule("true"))
    caller, same_user, holder = client("caller1"), client("caller1"), client("caller2")
    held, _ = holder.acquire(index)
    with polkit.silent():
        began = time.monotonic()
        call = caller.send_acquire(index, "unanswered")
        # Others do not notice, nor does the caller itself.
        with within(PROMPT):
            caller.link(index)
        with within(PROMPT):
            of_root, _ = root.acquire(index)
        with within(PROMPT):
            root.release(index, of_root)
        with within(PROMPT):
            holder.release(index, held)
        name, message = error_of(caller.reply, call, timeout=NO_ANSWER + DEADLINE)
        assert NO_ANSWER <= time.monotonic() - began < NO_ANSWER + 2 * SLOWNESS
        assert name == DENIED and "polkit did not answer" in message
        assert UNANSWERED in service.stderr()
    # What is asked from now on is answered, and what it says to the question before is not listened to.
    id, _ = same_user.acquire(index, "answered")
    assert [r["Reason"] for r in root.references()] == ["answered"]
    polkit.rules(rule("subject.user == 'caller2'"))
    with nothing_changes(root, "v0"):
        assert error_of(caller.acquire, index)[0] == NEEDS_INTERACTION
    assert counter("v0") == 1


def test_polkitd_started_anew(root, client, index, polkit):
    """The next one is asked anew, and decides by its own rules."""
    callers = {user: client(user) for user in ("caller1", "caller2")}
    polkit.rules(rule("true"))
    for user, other in ("caller1", "caller2"), ("caller2", "caller1"):
        polkit.stop_answering()
        calls = {u: c.send_acquire(index, "asked of the one before") for u, c in callers.items()}
        for c in callers.values():
            c.get(ROOT, MANAGER, "References")
        polkit.kill()
        assert [error_of(callers[u].reply, serial)[0] for u, serial in calls.items()] == [DENIED] * 2
        polkit.rules(rule(f"subject.user == '{user}'"))
        assert callers[user].acquire(index, user)
        with nothing_changes(root, "v0"):
            assert error_of(callers[other].acquire, index)[0] == NEEDS_INTERACTION
    assert [r["Reason"] for r in sorted(root.references(), key=lambda r: r["Id"])] == ["caller1", "caller2"]
    assert counter("v0") == 2


def test_no_polkit(root, client, index, polkit):
    polkit.rules(rule("true"))
    caller, same_user = client("caller1"), client("caller1")
    id, _ = caller.acquire(index)
    polkit.remove()
    with nothing_changes(root, "v0"), within(NO_ANSWER / 2 * SLOWNESS):
        name, message = error_of(caller.acquire, index)
        assert name == DENIED and "polkit" in message.lower()
        assert error_of(client("caller2").release, index, id)[0] == DENIED
    # Whoever holds can let go, and root needs nobody.
    same_user.release(index, id)
    of_root, _ = root.acquire(index)
    root.release(index, of_root)
    assert counter("v0") == 0


# what only a polkit of the test's shows

def details(check):
    """→ subject's bus name, action, details, flags, cancellation id"""
    (kind, subject), action, details, flags, cancellation = check.body
    assert kind == "system-bus-name"
    return subject["name"][1], action, details, flags, cancellation


def test_what_polkit_is_asked(root, client, index, fake_polkit):
    caller, other = client("caller1"), client("caller2")
    call = caller.send_acquire(index, "a reason")
    check = fake_polkit.await_checks(1)[-1]
    name, action, said, flags, cancellation = details(check)
    assert (name, action, flags) == (caller.unique, ACQUIRE, 0) and cancellation
    assert (said["interface"], said["ifindex"], said["reason"]) == ("v0", str(index), "a reason")
    assert "v0" in said["polkit.message"]
    fake_polkit.verdict(check, True)
    id, _ = caller.reply(call)

    call = other.send(link_path(index), LINK, "Release", "t", (id,), flags=4)
    check = fake_polkit.await_checks(2)[-1]
    name, action, said, flags, _ = details(check)
    assert (name, action, flags) == (other.unique, RELEASE, 1)
    assert (said["interface"], said["ifindex"], said["reason"]) == ("v0", str(index), "a reason")
    assert "v0" in said["polkit.message"]
    fake_polkit.verdict(check, False)
    assert error_of(other.reply, call)[0] == DENIED

    # The holder's own user is not asked about, nor is root.
    client("caller1").release(index, id)
    of_root, _ = root.acquire(index)
    root.release(index, of_root)
    fake_polkit.settle()
    assert len(fake_polkit.checks()) == 2


def test_what_is_wrong_is_not_asked_about(root, client, index, fake_polkit):
    caller = client("caller1")
    id, _ = root.acquire(index)
    with nothing_changes(root, "v0"):
        assert error_of(caller.acquire, index, "")[0] == INVALID
        assert error_of(caller.acquire, index, "x", {"colour": ("s", "red")})[0] == INVALID
        assert error_of(caller.release, index, id + 1)[0] == NO_SUCH_REFERENCE
        assert error_of(caller.release, index_of("v1"), id)[0] == NO_SUCH_REFERENCE
    fake_polkit.settle()
    assert not fake_polkit.checks()


def test_an_answer_is_for_its_question_alone(root, client, index, fake_polkit):
    caller = client("caller1")
    calls = {reason: caller.send_acquire(index, reason) for reason in ("first", "second", "third")}
    checks = {details(c)[2]["reason"]: c for c in fake_polkit.await_checks(3)}
    fake_polkit.verdict(checks["third"], False)
    fake_polkit.verdict(checks["second"], True)
    fake_polkit.verdict(checks["first"], False)
    assert error_of(caller.reply, calls["third"])[0] == DENIED
    assert error_of(caller.reply, calls["first"])[0] == DENIED
    caller.reply(calls["second"])
    assert [r["Reason"] for r in root.references()] == ["second"]
    assert counter("v0") == 1
    # and for that call alone: the same again is asked again
    call = caller.send_acquire(index, "second")
    fake_polkit.verdict(fake_polkit.await_checks(4)[-1], False)
    assert error_of(caller.reply, call)[0] == DENIED


def test_renamed_while_polkit_is_asked(root, client, index, fake_polkit):
    """The answer was for an interface of another name."""
    caller = client("caller1")
    call = caller.send_acquire(index)
    first = fake_polkit.await_checks()[0]
    assert details(first)[2]["interface"] == "v0"
    ip("link", "set", "v0", "down")
    ip("link", "set", "v0", "name", "secret")
    root.wait(lambda: root.link(index)["Name"] == "secret", what="new name")
    fake_polkit.verdict(first, True)
    # Either it is denied at once, or polkit is asked anew, by the new name.
    caller.settle()
    caller.get(ROOT, MANAGER, "Version")
    fake_polkit.settle()
    for again in fake_polkit.checks()[1:]:
        assert details(again)[2]["interface"] == "secret"
        fake_polkit.verdict(again, False)
    assert error_of(caller.reply, call)[0] == DENIED
    assert counter("secret") == 0 == len(root.references())


@pytest.mark.parametrize("again", [False, True])
def test_the_link_goes_while_polkit_is_asked(root, client, index, fake_polkit, again):
    caller = client("caller1")
    call = caller.send_acquire(index)
    check = fake_polkit.await_checks()[0]
    since = len(root.log)
    ip("link", "del", "v0")
    if again:
        # the same index and the same name, but not the same link
        ip("link", "add", "v0", "index", index, "type", "ifb")
        root.await_signal("InterfacesAdded", since=since, match=lambda path, _: path == link_path(index))
    else:
        root.await_signal("InterfacesRemoved", since=since, match=lambda path, _: path == link_path(index))
    fake_polkit.verdict(check, True)
    assert error_of(caller.reply, call)[0] == NO_SUCH_LINK
    assert root.references() == []
    if again:
        assert counter("v0") == 0


@pytest.mark.parametrize("first", ["link", "answer"])
def test_the_link_goes_as_polkit_answers(service, root, client, index, fake_polkit, first):
    """The answer and the kernel's events are there at the same time."""
    caller = client("caller1")
    for n in range(1, 11):
        serial = caller.send_acquire(index)
        check = fake_polkit.await_checks(n)[-1]
        service.pause()
        if first == "answer":
            fake_polkit.verdict(check, True)
            fake_polkit.settle()
        ip("link", "del", "v0")
        ip("link", "add", "v0", "index", index, "type", "veth", "peer", "name", "v1")
        if first == "link":
            fake_polkit.verdict(check, True)
            fake_polkit.settle()
        service.resume()
        assert error_of(caller.reply, serial)[0] == NO_SUCH_LINK
        assert root.references() == []
        assert counter("v0") == 0
        await_agreement(root, "v0")
    # Not even for a moment was the new link's counter moved.
    assert not root.signals("PromiscuityChanged")


def test_the_reference_goes_while_polkit_is_asked(root, client, index, fake_polkit):
    id, _ = root.acquire(index)
    caller = client("caller1")
    call = caller.send(link_path(index), LINK, "Release", "t", (id,))
    check = fake_polkit.await_checks()[0]
    root.release(index, id)
    fake_polkit.verdict(check, True)
    assert error_of(caller.reply, call)[0] == NO_SUCH_REFERENCE


def test_the_caller_is_killed_while_polkit_is_asked(root, client, index, fake_polkit):
    caller = client("caller1")
    with nothing_changes(root, "v0"):
        caller.send_acquire(index)
        check = fake_polkit.await_checks()[0]
        caller.kill()
        fake_polkit.wait(fake_polkit.cancellations, what="cancellation")
        assert fake_polkit.cancellations() == [details(check)[4]]
        fake_polkit.verdict(check, True)        # as it may, if it was on its way
        fake_polkit.settle()
    # Nor does it count any more: eight others of that user find room.
    others = [client("caller1") for _ in range(8)]
    for other in others:
        other.send_acquire(index)
    assert len(fake_polkit.await_checks(9)) == 9


def test_a_polkit_that_never_answers(root, client, index, fake_polkit):
    holder = client("caller2")
    call = holder.send_acquire(index)
    fake_polkit.verdict(fake_polkit.await_checks(1)[0], True)
    held, _ = holder.reply(call)

    caller, patient = client("caller1"), client("caller1")
    began = time.monotonic()
    call = caller.send_acquire(index, "unanswered")
    interactive = patient.send_acquire(index, "with a person", interactive=True)
    checks = {details(c)[2]["reason"]: c for c in fake_polkit.await_checks(3)}

    # Others do not notice: root, the release of what is one's own, whoever reads, and the caller itself.
    with within(PROMPT):
        of_root, _ = root.acquire(index)
    with within(PROMPT):
        root.release(index, of_root)
    with within(PROMPT):
        holder.release(index, held)
    with within(PROMPT):
        caller.link(index)

    # It is denied in the end, and polkit told so; but a person may take longer.
    name, message = error_of(caller.reply, call, timeout=NO_ANSWER + DEADLINE)
    assert NO_ANSWER <= time.monotonic() - began < NO_ANSWER + 2 * SLOWNESS
    assert name == DENIED and "polkit" in message.lower()
    fake_polkit.wait(fake_polkit.cancellations, what="cancellation")
    assert fake_polkit.cancellations() == [details(checks["unanswered"])[4]]
    # An answer that comes too late is none.
    fake_polkit.verdict(checks["unanswered"], True)
    fake_polkit.verdict(checks["with a person"], True)
    id, _ = patient.reply(interactive)
    assert [r["Reason"] for r in root.references()] == ["with a person"]
    assert counter("v0") == 1


def test_130_questions_of_one_user(root, client, index, fake_polkit):
    one, same_user, other = client("caller1"), client("caller1"), client("caller2")
    callers = [one] * 100 + [same_user] * 30
    calls = [(caller, caller.send_acquire(index, f"number {n}")) for n, caller in enumerate(callers)]
    messages = []
    for caller, serial in calls[8:]:
        name, message = error_of(caller.reply, serial)
        assert name == LIMIT
        messages.append(message)
    assert all("authoriz" in m for m in messages)
    asked = fake_polkit.await_checks(8)
    fake_polkit.settle()
    assert len(asked) == len(fake_polkit.checks()) == 8
    assert {details(c)[2]["reason"] for c in asked} == {f"number {n}" for n in range(8)}

    # Another is asked about, and served; so is root.
    with within(2 * PROMPT):
        call = other.send_acquire(index, "other")
        fake_polkit.verdict(fake_polkit.await_checks(9)[-1], True)
        other.reply(call)
    with within(PROMPT):
        root.acquire(index)

    # Each answer makes room for one.
    fake_polkit.verdict(asked[0], False)
    assert error_of(one.reply, calls[0][1])[0] == DENIED
    one.send_acquire(index, "more")
    assert details(fake_polkit.await_checks(10)[-1])[2]["reason"] == "more"
    assert error_of(same_user.acquire, index)[0] == LIMIT


def test_questions_in_all(root, client, index, fake_polkit):
    # users that every Debian has
    users = "daemon", "bin", "sys", "games", "man", "lp", "mail", "news"
    callers = [client(user) for user in users for _ in range(8)]
    calls = [c.send_acquire(index, f"number {n}") for n, c in enumerate(callers)]
    asked = fake_polkit.await_checks(64)
    assert len(asked) == 64
    caller = client("caller1")
    name, message = error_of(caller.acquire, index)
    assert name == LIMIT and "authoriz" in message
    with within(PROMPT):
        root.acquire(index)
    # One answer makes room for one.
    fake_polkit.verdict(next(c for c in asked if details(c)[2]["reason"] == "number 0"), False)
    assert error_of(callers[0].reply, calls[0])[0] == DENIED
    caller.send_acquire(index)
    assert len(fake_polkit.await_checks(65)) == 65
