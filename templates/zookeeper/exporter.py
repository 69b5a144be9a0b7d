#!/usr/bin/python3
# Managed by primetime (roles/zookeeper); edits are lost
"""exporter ADDRESS PORT ZOOKEEPER_PORT: what ZooKeeper answers to `mntr`, for Prometheus.

ZooKeeper's own provider is not among the jars that can be had at this version. Each number keeps its name, with
`zookeeper_` in front; `zookeeper_up` is 0 while it serves nobody, and then nothing else is told.
"""

import re
import socket
import sys

from telling import PATIENCE_S, Teller

NUMBER = re.compile(r"zk_([a-z0-9_]+)\t(-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)")
STATE = re.compile(r"zk_server_state\t([a-z-]+)")


def asked(address, port):
    """The answer to mntr; empty when there is none."""
    try:
        with socket.create_connection((address, port), PATIENCE_S) as connection:
            connection.settimeout(PATIENCE_S)
            connection.sendall(b"mntr")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")
    except OSError:
        return ""


def rendered(answer):
    """The answer in Prometheus' text format."""
    lines = answer.splitlines()
    found = [matched for line in lines if (matched := NUMBER.fullmatch(line))]
    states = [matched[1] for line in lines if (matched := STATE.fullmatch(line))]
    samples = [("up", int(bool(states)))]
    samples += [(f'server_state{{state="{state}"}}', 1) for state in states]
    samples += [(matched[1], matched[2]) for matched in found]
    return "".join(f"zookeeper_{name} {value}\n" for name, value in samples)


if __name__ == "__main__":
    address, port, zookeeper_port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with Teller((address, port), lambda: rendered(asked(address, zookeeper_port))) as teller:
        teller.serve_forever()
