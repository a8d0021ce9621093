"""Scenarios with the published client, run one at a time: interop.py ENDPOINT SCENARIO [TLS-JSON].

Ends with the line `passed SCENARIO` if everything held.
"""

import json
import os
import sys
import time

import slim_bindings as slim
from peers import Peer, expect, receive, seconds, send, silent, start

SIZES = [0, 1, 1_000, 64 << 10, 1 << 20, 3 << 20]
ORDERED = 2_000


def pair_of(endpoint, tls, mls):
    alice, bob = Peer(endpoint, "org/ns/alice", tls), Peer(endpoint, "org/ns/bob", tls)
    session = alice.pair("org/ns/bob", mls)
    return session, bob.accept()


def payloads(endpoint, tls, mls):
    """Every size arrives whole, in both directions."""
    near, far = pair_of(endpoint, tls, mls)
    for size in SIZES:
        payload = bytes(index % 251 for index in range(min(size, 4_096))) * (size // 4_096 + 1)
        payload = payload[:size]
        send(near, payload)
        expect(far, payload)
        send(far, payload)
        expect(near, payload)


def pair_mls(endpoint, tls):
    payloads(endpoint, tls, True)


def pair_clear(endpoint, tls):
    payloads(endpoint, tls, False)


def order(endpoint, tls):
    """Two thousand messages arrive once each and in order."""
    near, far = pair_of(endpoint, tls, True)
    handles = [near.publish(b"%d" % index, None, None) for index in range(ORDERED)]
    got = [int(receive(far)) for _ in range(ORDERED)]
    assert got == list(range(ORDERED)), "messages were lost, repeated or out of order"
    for handle in handles:
        handle.wait()


def group(endpoint, tls, size):
    """Members come, talk, and go; who was removed reads nothing more."""
    moderator = Peer(endpoint, "org/ns/moderator", tls)
    session = moderator.group("org/ns/room")
    members = [Peer(endpoint, f"org/ns/member{index}", tls) for index in range(size - 1)]
    sessions = []
    for member in members:
        sessions.append(moderator.invite(session, member))
    everyone = [session, *sessions]
    for index, speaker in enumerate(everyone):
        word = b"from %d" % index
        send(speaker, word)
        for listener in everyone:
            if listener is not speaker:
                expect(listener, word)
    session.remove(members[-1].name).wait()
    send(session, b"without the last")
    for listener in sessions[:-1]:
        expect(listener, b"without the last")
    quiet, heard = silent(sessions[-1], 3)
    assert quiet, f"a removed member read {heard!r}"
    late = Peer(endpoint, "org/ns/late", tls)
    joined = moderator.invite(session, late)
    send(session, b"with a new one")
    for listener in [*sessions[:-1], joined]:
        expect(listener, b"with a new one")


def group5(endpoint, tls):
    group(endpoint, tls, 5)


def group10(endpoint, tls):
    group(endpoint, tls, 10)


def anycast(endpoint, tls):
    """Sessions to a name spread over its instances, and each sticks to one."""
    client = Peer(endpoint, "org/ns/client", tls)
    workers = [Peer(endpoint, "org/ns/worker", tls) for _ in range(3)]
    chosen = []
    for _ in range(6):
        session = client.pair("org/ns/worker")
        found = None
        for index, worker in enumerate(workers):
            try:
                far = worker.app.listen_for_session(seconds(1))
            except slim.SlimError:
                continue
            found = index
            break
        assert found is not None, "no instance was asked"
        for number in range(5):
            send(session, b"%d" % number)
            expect(far, b"%d" % number)
        chosen.append(found)
    assert set(chosen) == {0, 1, 2}, f"sessions went to {chosen}"


def nobody(endpoint, tls):
    """A session to a name that nobody has ends in an error, in time."""
    client = Peer(endpoint, "org/ns/client", tls)
    before = time.monotonic()
    try:
        client.pair("org/ns/nobody", retries=2)
    except slim.SlimError:
        assert time.monotonic() - before < 20, "the error took too long"
        return
    raise AssertionError("a session to nobody was opened")


def restart(endpoint, tls):
    """The router dies and comes back in the middle of a session; the clients carry on."""
    near, far = pair_of(endpoint, tls, True)
    send(near, b"before")
    expect(far, b"before")
    print("restart", flush=True)
    assert sys.stdin.readline().strip() == "restarted"
    near.publish(b"after", None, None)
    expect(far, b"after")
    send(far, b"back")
    expect(near, b"back")


SCENARIOS = {
    "pair_mls": pair_mls,
    "pair_clear": pair_clear,
    "order": order,
    "group5": group5,
    "group10": group10,
    "anycast": anycast,
    "nobody": nobody,
    "restart": restart,
}


def main():
    endpoint, scenario = sys.argv[1], sys.argv[2]
    tls = json.loads(sys.argv[3]) if len(sys.argv) > 3 else None
    start()
    SCENARIOS[scenario](endpoint, tls)
    print(f"passed {scenario}", flush=True)
    # The client's threads would keep the process.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
