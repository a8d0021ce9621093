"""Applications of the published Python client, each on a service (and so on a connection) of its own.

Applications that share a service exchange messages inside of it; the router would never see them.
"""

import datetime
import json
import time

import slim_bindings as slim

SECRET = "an interop secret that is long enough to be one"
PATIENCE = 30


def seconds(count):
    return datetime.timedelta(seconds=count)


def start():
    """Starts the client's runtime, with its log turned down."""
    slim.initialize_with_configs(
        slim.new_runtime_config(),
        slim.new_tracing_config_with("error", False, False, []),
        [slim.new_service_config()],
    )


def client_config(endpoint, tls=None):
    """Clear text, or TLS with the files that `tls` names."""
    if tls is None:
        return slim.new_insecure_client_config("http://" + endpoint)
    settings = {
        "ca_source": {"type": "file", "path": tls["ca"]},
        "include_system_ca_certs_pool": False,
    }
    if "cert" in tls:
        settings["source"] = {"type": "file", "cert": tls["cert"], "key": tls["key"]}
    config = {"endpoint": "https://" + endpoint, "server_name": "localhost", "tls": settings}
    return slim.new_config_from_json(json.dumps(config))


class Peer:
    """One application on one connection."""

    # An application ends when nobody refers to it, so all of them are kept.
    kept = []

    def __init__(self, endpoint, name, tls=None):
        Peer.kept.append(self)
        self.name = slim.Name(*name.split("/"))
        self.service = slim.create_service(f"interop{len(Peer.kept)}")
        self.connection = self.service.connect(client_config(endpoint, tls))
        self.app = self.service.create_app_with_secret(self.name, SECRET)
        self.app.subscribe(self.app.name(), self.connection)

    def open(self, kind, destination, mls, retries=10):
        """A session to a name; for a group, the group of that name."""
        settings = None
        if mls:
            settings = slim.MlsSettings(
                header_integrity_validation_percent=100, max_seen_control_message_ids_size=None
            )
        config = slim.SessionConfig(
            session_type=kind,
            max_retries=retries,
            interval=seconds(1),
            metadata={},
            mls_settings=settings,
        )
        destination = slim.Name(*destination.split("/"))
        self.app.set_route(destination, self.connection)
        return self.app.create_session_and_wait(config, destination)

    def pair(self, destination, mls=True, retries=10):
        return self.open(slim.SessionType.POINT_TO_POINT, destination, mls, retries)

    def group(self, name, mls=True):
        return self.open(slim.SessionType.GROUP, name, mls)

    def invite(self, session, peer):
        """Invites another application and waits until it has joined."""
        self.app.set_route(peer.name, self.connection)
        session.invite(peer.name).wait_for(seconds(PATIENCE))
        return peer.accept()

    def accept(self):
        return self.app.listen_for_session(seconds(PATIENCE))


def send(session, payload):
    """Sends and waits until the receivers have acknowledged."""
    session.publish(payload, None, None).wait_for(seconds(PATIENCE))


def receive(session, patience=PATIENCE):
    return bytes(session.get_message(seconds(patience)).payload)


def expect(session, payload):
    """Reads until `payload` arrives; anything else is an error of the test."""
    got = receive(session)
    assert got == payload, f"{len(got)} bytes arrived where {len(payload)} were sent"


def silent(session, patience):
    """Whether nothing can be read for a while."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            got = receive(session, 1)
        except slim.SlimError:
            continue
        return False, got
    return True, b""
