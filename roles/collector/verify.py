"""What the collector promises beyond running and listening. Nothing here writes an event."""

import http.client
import time
from collections.abc import Callable
from typing import Any

from primetime.event import ULID
from primetime.verify.samples import samples
from roles.collector.settings import Collector

GROUP = "collector"


def _ask(node: Any, method: str, path: str, body: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(node.address, node.mine(Collector).port, timeout=10)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def _main_pid(host: Any) -> str:
    return str(host.check_output("systemctl show -P MainPID primetime-collector"))


def test_it_lives(node: Any) -> None:
    assert _ask(node, "GET", "/live") == (200, "live\n")


def test_it_takes_traffic(node: Any) -> None:
    assert _ask(node, "GET", "/ready") == (200, "ready\n")


def test_it_says_what_is_wrong_with_a_batch(node: Any) -> None:
    assert _ask(node, "POST", "/events", "[{}]") == (400, "event 0 has no id (byte 2 of the body)\n")


def test_it_knows_the_declared_shows_only(node: Any) -> None:
    event = '[{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","pos_ms":0,"show":"%s"}]'
    status, text = _ask(node, "POST", "/events", event % "not-declared")
    assert (status, text.split(" (")[0]) == (400, "event 0 has a show that is not declared")
    for show in node.data["shows"]:  # refused after the show was accepted, so nothing is stored
        status, text = _ask(node, "POST", "/events", (event % show).replace("}]", ',"pos_ms":0}]'))
        assert (status, text.split(" (")[0]) == (400, "event 0 has id, show or pos_ms twice")


def _told(node: Any) -> dict[str, float]:
    return samples(node.address, node.mine(Collector).metrics_port)


def _comes_true(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_its_metrics_count_what_it_answers(node: Any) -> None:
    counted = 'primetime_collector_requests_total{route="other",code="404"}'
    before = _told(node).get(counted, 0)
    assert _ask(node, "GET", "/verify")[0] == 404
    assert _comes_true(lambda: _told(node).get(counted, 0) > before)


def test_its_metrics_know_the_spool(node: Any) -> None:
    looked = "primetime_collector_spool_looked_timestamp_seconds"
    before = _told(node).get(looked, 0)
    assert _comes_true(lambda: _told(node).get(looked, 0) > before)


def test_its_configuration_is_valid(host: Any) -> None:
    command = "runuser -u collector -- nginx -t -e stderr -c /etc/primetime/collector/nginx.conf"
    assert host.run(command).rc == 0


def test_it_has_as_many_workers_as_declared(host: Any, node: Any) -> None:
    declared = node.mine(Collector).workers or int(host.check_output("nproc"))
    assert int(host.check_output("pgrep -c -P %s", _main_pid(host))) == declared


def test_all_of_it_runs_as_its_own_user(host: Any) -> None:
    pid = _main_pid(host)
    assert set(host.check_output("ps -o user= -p %s --ppid %s", pid, pid).split()) == {"collector"}


def test_it_goes_before_what_drains_the_spool(host: Any, node: Any) -> None:
    assert int(host.check_output("ps -o ni= -p %s", _main_pid(host))) == node.mine(Collector).nice


def test_a_worker_may_open_as_many_files_as_it_has_connections(host: Any, node: Any) -> None:
    limits = host.file(f"/proc/{_main_pid(host)}/limits").content_string
    (effective,) = (line.split()[3] for line in limits.splitlines() if line.startswith("Max open files"))
    assert int(effective) > node.mine(Collector).worker_connections


def test_the_spool_is_the_collector_s_and_open_to_its_group(host: Any, node: Any) -> None:
    spool = host.file(node.mine(Collector).spool_path)
    assert (spool.user, spool.group, oct(spool.mode)) == ("collector", "primetime-spool", "0o2770")


def test_the_spool_is_on_the_volume_that_was_made_for_it(host: Any, node: Any) -> None:
    mounted = host.run("findmnt -n -o FSTYPE %s", node.mine(Collector).spool_path).stdout.strip()
    assert mounted == ("ext4" if node.data["spool_volume"] else "")


def test_the_spool_has_a_ulid(host: Any, node: Any) -> None:
    ulid = host.file(f"{node.mine(Collector).spool_path}/spool.ulid").content_string
    assert ULID.fullmatch(ulid.removesuffix("\n"))


def test_the_distribution_s_nginx_stays_off(host: Any) -> None:
    assert not host.service("nginx").is_running
    assert host.service("nginx").is_masked
