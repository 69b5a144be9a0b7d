"""Promises that follow from any role's declarations: its services run, in sandboxes, and its endpoints listen."""

import re
from collections.abc import Callable
from typing import Any

from primetime.verify import sandbox
from primetime.verify.promises import Rendered
from roles.base.settings import Base

MOST_EXPOSED = 4.0  # of systemd's 10

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


def test_is_exposed_little(host: Any, unit: str) -> None:
    command = "systemd-analyze security --no-pager --threshold=%s %s"
    analysis = host.run(command, str(round(MOST_EXPOSED * 10)), unit)
    assert analysis.rc == 0, (analysis.stdout or analysis.stderr).strip().splitlines()[-1].lstrip("→ ")


def test_is_refused_what_is_not_its_own(host: Any, node: Any, unit: str) -> None:
    found = sandbox.tried(host, node, unit, node.mine(Base).ssh_port)
    assert found.did == []
    process = sandbox.process(host, unit)
    assert process is None or process == found.state


def test_is_held_to_its_own_network(host: Any, node: Any, unit: str) -> None:
    """Port 53 is open to hosts, everywhere: only the unit's own fence can refuse it."""
    if sandbox.fenced(host, unit):
        assert sandbox.tried(host, node, unit, node.mine(Base).ssh_port).beyond == []


def test_has_its_system_calls_filtered(host: Any, unit: str) -> None:
    if not host.file("/proc/sys/kernel/seccomp/actions_avail").exists:
        raise Rendered("this host's kernel filters no system calls")
    process = sandbox.process(host, unit)
    assert process is None or process["Seccomp"] == "2"


def test_is_in_force(host: Any, sysctl: tuple[str, int]) -> None:
    key, value = sysctl
    path = f"/proc/sys/{key.replace('.', '/')}"
    assert f"-{key} = {value}" in host.file("/etc/sysctl.d/60-primetime.conf").content_string.splitlines()
    found = host.check_output("cat %s", path)
    if found != str(value) and host.run("test -w %s", path).rc:
        raise Rendered(f"it is {found}, and this host may not set it")
    assert found == str(value)


def test_may_open_as_many_files_as_it_asks_for(host: Any, unit: str) -> None:
    asked = re.findall(r"^LimitNOFILE=(\d+)", "\n".join(sandbox.lines(host, unit)), re.MULTILINE)
    pid = host.check_output("systemctl show -P MainPID %s", unit)
    if not asked or pid == "0":
        return
    wanted = int(asked[-1])  # of the unit and what is laid over it the last one holds
    found, most = (
        int(host.check_output("grep 'Max open files' /proc/%s/limits", process).split()[4]) for process in (pid, "1")
    )
    if found < wanted and found == most:
        raise Rendered(f"{found} of {wanted}: this host as a whole has no more")
    assert found >= wanted


def test_keeps_no_log_of_its_own(host: Any, unit: str) -> None:
    """What it writes to is its data, or in memory: all else goes to the journal, which is bounded."""
    pid = host.check_output("systemctl show -P MainPID %s", unit)
    own = ("/dev/", "/run/", "/memfd:", *host.check_output("systemctl show -P ReadWritePaths %s", unit).split())
    find = "for p in %s $(pgrep -P %s); do find /proc/$p/fd -perm -200 -lname '/*' -printf '%%l\\n'; done; true"
    written = host.check_output(find, pid, pid).splitlines() if pid != "0" else []
    assert [path for path in written if not path.startswith(own)] == []
