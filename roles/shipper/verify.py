"""What the shipper promises beyond running."""

import json
import time
from typing import Any

from primetime.verify.samples import samples
from roles.shipper.settings import Shipper

GROUP = "shipper"


def _main_pid(host: Any) -> str:
    return str(host.check_output("systemctl show -P MainPID primetime-shipper"))


def _status(host: Any) -> dict[str, Any]:
    found = json.loads(host.check_output("cat /run/primetime-shipper/status.json"))
    assert isinstance(found, dict)
    return found


def test_it_runs_as_its_own_user(host: Any) -> None:
    assert host.check_output("stat -c %%U /proc/%s", _main_pid(host)) == "shipper"


def test_its_password_is_readable_by_it_alone(host: Any, node: Any) -> None:
    if node.peers("redis"):
        password = host.file("/etc/primetime/shipper/redis.password")
        assert (password.mode, password.user) == (0o400, "shipper")


def test_it_may_write_to_the_spool(host: Any) -> None:
    assert "primetime-spool" in host.user("shipper").groups


def test_it_gives_way_to_everything_else(host: Any, node: Any) -> None:
    assert host.check_output("ps -o ni= -p %s", _main_pid(host)).strip() == str(node.mine(Shipper).nice)


def test_each_lane_has_a_process(host: Any, node: Any) -> None:
    """And so has what tells metrics."""
    settings = node.mine(Shipper)
    lanes = settings.hbase_lanes + (settings.redis_lanes if node.peers("redis") else 0)
    assert int(host.check_output("pgrep -c -P %s", _main_pid(host))) == lanes + 1


def test_its_status_is_fresh(host: Any) -> None:
    deadline = time.monotonic() + 10
    while True:
        now_ms = int(host.check_output("date +%s%3N"))
        if now_ms - _status(host)["at_ms"] < 5000:
            return
        assert time.monotonic() < deadline, "no status within the last 5 s"


def test_its_status_names_both_sinks(host: Any) -> None:
    assert _status(host)["sinks"].keys() == {"hbase", "redis"}


def test_its_metrics_are_those_of_its_status(host: Any, node: Any) -> None:
    told = samples(node.address, node.mine(Shipper).metrics_port)
    said = _status(host)
    lagging = {
        f'primetime_shipper_lag_seconds{{sink="{sink}"}}' for sink, of in said["sinks"].items() if "disabled" not in of
    }
    assert lagging <= told.keys()
    assert abs(told["primetime_shipper_report_timestamp_seconds"] - said["at_ms"] / 1000) < 5
