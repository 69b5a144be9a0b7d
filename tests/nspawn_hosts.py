"""Hosts by the nspawn driver for tests: made at once, spoken to by ssh."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from libcloud.compute.base import Node
from libcloud.compute.providers import get_driver

import primetime.drivers  # noqa: F401  (registers the driver)


def driver_of(network: str) -> Any:
    return get_driver("nspawn")(network)


def create(driver: Any, *names: str, memory_mb: int = 256, image: str = "bookworm", **size: Any) -> list[Node]:
    """Hosts, made at once and answering ssh."""
    built = driver.ex_ensure_image(image)
    with ThreadPoolExecutor(min(len(names), 8)) as pool:
        nodes = list(pool.map(lambda name: driver.create_node(name, driver.ex_size(memory_mb, **size), built), names))
    driver.ex_wait_for_ssh(nodes)
    return nodes


def ssh(node: Node, command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ssh", "-F", node.extra["ssh_config"], node.name, command], capture_output=True, text=True, check=check
    )


def state_of(driver: Any, name: str) -> str:
    return str(next(node.state.value for node in driver.list_nodes() if node.name == name))
