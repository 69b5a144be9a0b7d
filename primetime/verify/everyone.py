"""Promises that follow from any role's declarations: its services run, its endpoints listen where declared."""

from collections.abc import Callable
from typing import Any

Check = Callable[..., None]


def at_depth(depth: int) -> Callable[[Check], Check]:
    """Marks a promise without which others of its daemon cannot be kept: `verify` tells those as its consequences."""

    def mark(check: Check) -> Check:
        check.__dict__["depth"] = depth
        return check

    return mark


@at_depth(0)
def test_is_running(host: Any, service: str) -> None:
    state = host.run("systemctl is-active %s", service).stdout.strip()
    assert state == "active", f"it is {state}"


def test_is_enabled(host: Any, service: str) -> None:
    state = host.run("systemctl is-enabled %s", service).stdout.strip()
    assert state == "enabled", f"it is {state or 'not there'}"


@at_depth(1)
def test_listens_where_declared(node: Any, network: Any, endpoint: Any) -> None:
    assert network.listens(node, endpoint), f"nothing listens on {node.address}:{endpoint.port}"


@at_depth(1)
def test_listens_on_one_host_of_its_group(node: Any, network: Any, group: str, elected: Any) -> None:
    listening = [peer.name for peer in node.peers(group) if network.listens(peer, elected)]
    assert len(listening) == 1, f"{', '.join(listening) or 'no host'} listens on port {elected.port}"
