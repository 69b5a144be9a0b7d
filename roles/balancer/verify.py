"""What the balancer promises beyond running and listening."""

import re
import urllib.request
from typing import Any

from roles.balancer.settings import Balancer

GROUP = "balancer"
CONFIG = "/etc/primetime/balancer/haproxy.cfg"
_STATE = re.compile(r'haproxy_server_status\{proxy="collectors",server="([^"]+)",state="UP"\} ([01])')


def _get(node: Any, port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://{node.address}:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def test_it_passes_on_to_a_collector(node: Any) -> None:
    assert _get(node, node.mine(Balancer).port, "/ready") == "ready\n"


def test_every_collector_is_ready_to_be_passed_to(node: Any) -> None:
    up = dict(_STATE.findall(_get(node, node.mine(Balancer).metrics_port, "/metrics")))
    assert up == {peer.name: "1" for peer in node.peers("collector")}


def test_its_configuration_is_valid(host: Any) -> None:
    assert host.run(f"runuser -u balancer -- haproxy -c -q -f {CONFIG}").rc == 0


def test_all_of_it_runs_as_its_own_user(host: Any) -> None:
    pid = host.check_output("systemctl show -P MainPID primetime-balancer")
    assert set(host.check_output("ps -o user= -p %s --ppid %s", pid, pid).split()) == {"balancer"}


def test_the_distribution_s_haproxy_stays_off(host: Any) -> None:
    assert not host.service("haproxy").is_running
    assert host.service("haproxy").is_masked
