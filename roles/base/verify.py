"""What every host promises."""

import json
import subprocess
import sys
from typing import Any

GROUP = "base"


def test_every_node_of_the_topology_resolves(host: Any, node: Any) -> None:
    for peer in node.peers("base"):
        assert peer.address in host.check_output("getent hosts %s", peer.name)


def test_the_journal_has_a_limit(host: Any) -> None:
    assert "SystemMaxUse=" in host.file("/etc/systemd/journald.conf.d/primetime.conf").content_string


# argv: JSON of [address, port] pairs; prints JSON of those that accept a connection within the time-out
PROBE = """
import asyncio, json, sys
async def answers(address, port):
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 1.5)
    except (OSError, asyncio.TimeoutError):
        return False
    writer.close()
    return True
async def main():
    pairs = json.loads(sys.argv[1])
    found = await asyncio.gather(*(answers(*pair) for pair in pairs))
    print(json.dumps([pair for pair, open in zip(pairs, found) if open]))
asyncio.run(main())
"""


def _differing(probes: list[list[Any]], answered: list[list[Any]]) -> list[str]:
    open_ = {(address, port) for address, port in answered}
    return [
        f"{address}:{port} {'does not answer' if wanted else 'answers and must not'}"
        for address, port, wanted in probes
        if ((address, port) in open_) != wanted
    ]


def test_it_reaches_what_is_open_to_it_and_nothing_else(host: Any, node: Any) -> None:
    probes = node.data["probes"]
    pairs = json.dumps([[address, port] for address, port, _ in probes])
    answered = json.loads(host.check_output("python3 -c %s %s", PROBE, pairs))
    assert _differing(probes, answered) == []


def test_the_controlling_machine_reaches_what_is_open_to_it_and_nothing_else(host: Any, node: Any) -> None:
    probes = node.data["controller_probes"]
    pairs = json.dumps([[address, port] for address, port, _ in probes])
    done = subprocess.run([sys.executable, "-c", PROBE, pairs], capture_output=True, text=True, check=True)
    assert _differing(probes, json.loads(done.stdout)) == []


def test_nothing_undeclared_listens(host: Any, node: Any) -> None:
    declared = {flow["port"] for flow in node.data["flows_in"]}
    listening = set()
    for line in host.check_output("ss -Hltn").splitlines():
        address, _, port = line.split()[3].rpartition(":")
        if not address.startswith(("127.", "[::1]", "[::ffff:127.")):
            listening.add(int(port))
    assert listening - declared == set()


def test_the_firewall_drops_what_no_rule_names(host: Any) -> None:
    rules = host.check_output("nft list table inet primetime")
    assert rules.count("policy drop;") == 3
