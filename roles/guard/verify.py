"""What the guard promises beyond running: that it could act. What its group says of the instance only EC2 knows."""

from typing import Any

from roles.collector.settings import Collector

GROUP = "guard"


def _as_guard(host: Any, *words: str) -> int:
    """The exit code of a command run as the guard is."""
    return int(host.run(" ".join(("setpriv", "--reuid=collector", "--regid=collector", "--groups=shipper", *words))).rc)


def test_it_runs_as_the_collector_s_user(host: Any) -> None:
    pid = host.check_output("systemctl show -P MainPID primetime-guard")
    assert host.check_output("stat -c %%U /proc/%s", pid) == "collector"


def test_it_sees_what_waits_in_the_spool(host: Any, node: Any) -> None:
    assert _as_guard(host, "test", "-r", node.mine(Collector).spool_path) == 0


def test_it_sees_what_the_shipper_cannot_ship(host: Any) -> None:
    assert _as_guard(host, "test", "-r", "/run/primetime-shipper/status.json") == 0


def test_it_may_make_the_collector_drain(host: Any) -> None:
    assert _as_guard(host, "test", "-w", "/run/primetime-collector") == 0


def test_it_is_heard_when_it_asks_for_the_spool_of_an_instance_that_is_gone(host: Any) -> None:
    assert host.run("systemctl is-active primetime-adopt.path").rc == 0
    watched = host.check_output("systemctl show -P Paths primetime-adopt.path")
    assert "/run/primetime-guard/wanted/vol-*" in watched
    assert _as_guard(host, "test", "-w", "/run/primetime-guard") == 0
