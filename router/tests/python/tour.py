"""Sixty seconds with the published client: tour.py [ENDPOINT]. Two applications, one encrypted session."""

import os
import sys

from peers import Peer, receive, send, start


def main():
    endpoint = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:46357"
    start()
    alice, bob = Peer(endpoint, "org/demo/alice"), Peer(endpoint, "org/demo/bob")
    near = alice.pair("org/demo/bob", mls=True)
    far = bob.accept()
    send(near, b"hello through Slipring")
    print("bob read:  ", receive(far).decode())
    send(far, b"hello back")
    print("alice read:", receive(near).decode(), flush=True)
    # The client's threads would keep the process.
    os._exit(0)


if __name__ == "__main__":
    main()
