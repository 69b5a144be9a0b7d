"""What collectd promises beyond running and listening."""

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from primetime.settings import from_data
from primetime.verify.samples import read as samples
from primetime.verify.shell import read
from roles.collectd.settings import CollectdAgent, CollectdReceiver
from roles.monitoring.settings import Monitoring

GROUP = "collectd_receiver"
ROUNDS = 4  # of figures, in which something arrives
ALWAYS = ("cpu", "load", "memory")  # what any host has, a container too
SENT = "primetime_collectd_receiver_"


def _left(node: Any, look: Callable[[], list[str]], more_s: int = 0) -> list[str]:
    """What `look` still finds wrong after these rounds; it returns once nothing is."""
    ends = time.monotonic() + ROUNDS * from_data(CollectdAgent, node.data).interval_s + more_s
    while (wrong := look()) and time.monotonic() < ends:
        time.sleep(0.5)
    return wrong


def _shown(host: Any, node: Any) -> dict[str, float]:
    """Asked on the host itself: its port is open to the monitoring host alone."""
    return samples(read(host, f"http://{node.address}:{node.mine(CollectdReceiver).http_port}/metrics"))


def _writing(node: Any, network: Any) -> list[str]:
    """The hosts that answer: one that is away is a broken promise of its own."""
    return [peer.name for peer in node.peers("collectd_agent") if peer.name in network.listening]


def test_each_host_s_figures_arrive(host: Any, node: Any, network: Any) -> None:
    names = _writing(node, network)

    def silent() -> list[str]:
        found = {
            (matched[2], matched[1])
            for sample in _shown(host, node)
            if (matched := re.match(r'collectd_([a-z]+)_.*\{host="([^"]+)"', sample))
        }
        return [f"{name}: {plugin}" for name in names for plugin in ALWAYS if (name, plugin) not in found]

    assert not (wrong := _left(node, silent)), f"nothing of {', '.join(wrong)}"


def test_it_has_room_for_every_figure(host: Any, node: Any) -> None:
    assert _shown(host, node)[f"{SENT}dropped_total"] == 0, (
        "more than most_figures: raise collectd_receiver_most_figures"
    )


def test_it_understands_what_agents_write(host: Any, node: Any) -> None:
    assert _shown(host, node)[f"{SENT}malformed_total"] == 0


def test_prometheus_has_each_host_s_figures(node: Any, network: Any) -> None:
    names = _writing(node, network)
    settings = from_data(Monitoring, node.data)
    query = urllib.parse.urlencode({"query": "collectd_load_load_shortterm"})
    [watcher] = node.peers("monitoring")
    url = f"http://{watcher.address}:{settings.prometheus_port}/api/v1/query?{query}"

    def unknown() -> list[str]:
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = {each["metric"]["host"] for each in json.load(answer)["data"]["result"]}
        return [name for name in names if name not in found]

    assert not (wrong := _left(node, unknown, 3 * settings.scrape_interval_s)), f"nothing of {', '.join(wrong)}"


def test_it_runs_as_its_own_user(host: Any) -> None:
    assert _user(host, "primetime-collectd-receiver") == "collectd-receiver"


def _user(host: Any, service: str) -> str:
    pid = host.check_output("systemctl show -P MainPID %s", service)
    return str(host.check_output("ps -o user:32= -p %s", pid).strip())


@pytest.mark.daemon("collectd_agent")
def test_it_runs_as_the_agent_s_user(host: Any) -> None:
    assert _user(host, "primetime-collectd-agent") == "collectd-agent"


@pytest.mark.daemon("collectd_agent")
def test_its_plugins_are_there(host: Any, node: Any) -> None:
    files = [f"/usr/lib/collectd/{plugin}.so" for plugin in node.mine(CollectdAgent).plugins]
    assert [file for file in files if not host.file(file).exists] == []


@pytest.mark.daemon("collectd_agent")
def test_the_distribution_s_collectd_stays_off(host: Any) -> None:
    assert not host.service("collectd").is_running
    assert host.service("collectd").is_masked
