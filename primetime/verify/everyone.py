"""Promises that follow from any role's declarations: its services run, its endpoints listen where declared."""

from typing import Any


def test_is_running(host: Any, service: str) -> None:
    assert host.service(service).is_running


def test_is_enabled(host: Any, service: str) -> None:
    assert host.service(service).is_enabled


def test_listens_where_declared(host: Any, node: Any, endpoint: Any) -> None:
    address = "127.0.0.1" if endpoint.loopback else node.address
    listening = host.socket(f"{endpoint.transport}://{address}:{endpoint.port}").is_listening
    everywhere = host.socket(f"{endpoint.transport}://0.0.0.0:{endpoint.port}").is_listening
    assert listening or everywhere, f"nothing listens on {address}:{endpoint.port}"
