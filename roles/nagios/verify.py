"""What Nagios promises beyond running and listening. Asked from the controlling machine, as a person would."""

import base64
import json
import ssl
import time
import urllib.error
import urllib.request
from typing import Any

from primetime.endpoints import Endpoint
from primetime.passwords import hashed
from roles.nagios.settings import Nagios

GROUP = "nagios"
WEB = "/etc/primetime/nagios-web"
PEM = f"{WEB}/certificate.pem"
PROGRAMS = "/cgi-bin/nagios4"
CLOSED = ("/", f"{PROGRAMS}/status.cgi?host=all", f"{PROGRAMS}/statusjson.cgi", "/nagios4/stylesheets/common.css")
CHANGES = (f"{PROGRAMS}/cmd.cgi?cmd_typ=7", "/main.php")  # schedules a check; is the program's own text
USER = "viewer"


def _answer(host: Any, node: Any, path: str, password: str | None = None) -> tuple[int, bytes]:
    """What the page answers over TLS to someone who trusts nothing but the certificate that the host made."""
    trusted = ssl.create_default_context(cadata=host.check_output("openssl x509 -in %s", PEM))
    trusted.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    request = urllib.request.Request(f"https://{node.address}:{node.mine(Nagios).port}{path}")
    if password is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=20, context=trusted) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, b""


def _password(node: Any) -> str:
    return str(node.secret("nagios_viewer").text)


def _asked(host: Any, node: Any, query: str) -> Any:
    """The data of an answer about what is so now."""
    path = f"{PROGRAMS}/statusjson.cgi?query={query}&details=true&formatoptions=enumerate"
    return json.loads(_answer(host, node, path, _password(node))[1])["data"]


def _services(host: Any, node: Any) -> dict[tuple[str, str], str]:
    """(node, check) → ok, warning, critical, unknown or pending."""
    found = _asked(host, node, "servicelist")["servicelist"]
    return {(name, service): each["status"] for name, of in found.items() for service, each in of.items()}


def test_its_configuration_is_valid(host: Any) -> None:
    done = host.run("runuser -u nagios -- nagios4 -v /etc/primetime/nagios/nagios.cfg")
    assert done.rc == 0, "; ".join(line for line in done.stdout.splitlines() if line.startswith("Error"))


def test_it_knows_every_host(host: Any, node: Any) -> None:
    assert set(_asked(host, node, "hostlist")["hostlist"]) == {peer.name for peer in node.peers("base")}


def test_its_checks_are_of_what_hosts_declare(host: Any, node: Any) -> None:
    wanted = {(check["node"], check["service"]) for check in node.data["checks"]}
    differing = sorted(f"{name} {service}" for name, service in wanted ^ set(_services(host, node)))
    assert not differing, f"declared and not checked, or checked and not declared: {', '.join(differing)}"


def test_what_listens_is_shown_as_well(host: Any, node: Any, network: Any) -> None:
    """What does not listen is its own role's broken promise; a way that is closed is base's."""
    hosts, settings = {peer.name: peer for peer in node.peers("base")}, node.mine(Nagios)
    listening = {
        (check["node"], check["service"])
        for check in node.data["checks"]
        if check["node"] in network.listening and network.listens(hosts[check["node"]], Endpoint("", check["port"]))
    }
    ends = time.monotonic() + settings.interval_s + settings.timeout_s

    def wrong() -> list[str]:
        shown = _services(host, node)
        return [
            f"{name} {service}: {shown.get((name, service))}"
            for name, service in sorted(listening)
            if shown.get((name, service)) != "ok"
        ]

    while (left := wrong()) and time.monotonic() < ends:
        time.sleep(0.5)
    assert not left, "; ".join(left)


def test_nobody_gets_in_without_the_password(host: Any, node: Any) -> None:
    assert {path: _answer(host, node, path)[0] for path in CLOSED} == dict.fromkeys(CLOSED, 401)
    for wrong in ("", "nagiosadmin", _password(node)[:-1]):
        assert _answer(host, node, CLOSED[1], wrong)[0] == 401  # a second later, each


def test_who_has_the_password_sees_what_is_checked(host: Any, node: Any) -> None:
    status, page = _answer(host, node, "/", _password(node))
    checked = sorted({check["node"] for check in node.data["checks"]})
    missing = [name for name in checked if f"host={name}'".encode() not in page]
    assert (status, missing) == (200, [])


def test_nobody_changes_anything_by_its_page(host: Any, node: Any) -> None:
    assert {path: _answer(host, node, path, _password(node))[0] for path in CHANGES} == dict.fromkeys(CHANGES, 403)


def test_its_certificate_lasts_another_week(host: Any) -> None:
    assert host.run("openssl x509 -in %s -noout -checkend 604800", PEM).rc == 0


def test_the_key_of_its_certificate_is_its_page_s_alone(host: Any) -> None:
    file = host.file(PEM)
    assert (file.mode, file.user) == (0o400, "nagios-web")


def test_it_keeps_no_password_but_its_hash(host: Any, node: Any) -> None:
    file = host.file(f"{WEB}/users")
    assert (file.mode, file.user, file.group) == (0o640, "root", "nagios-web")
    wanted = f"{USER}:{hashed(_password(node), USER, node.secret('nagios_salt').text)}"
    assert [line for line in file.content_string.splitlines() if not line.startswith("#")] == [wanted]


def test_it_and_its_page_run_as_their_own_users(host: Any) -> None:
    found = {}
    for service in ("primetime-nagios", "primetime-nagios-web"):
        pid = host.check_output("systemctl show -P MainPID %s", service)
        found[service] = set(host.check_output("ps -o user:32= -p %s --ppid %s", pid, pid).split())
    assert found == {"primetime-nagios": {"nagios"}, "primetime-nagios-web": {"nagios-web"}}


def test_the_configuration_of_its_page_is_valid(host: Any) -> None:
    assert host.run("runuser -u nagios-web -- lighttpd -tt -f %s/lighttpd.conf", WEB).rc == 0


def test_the_distribution_s_units_stay_off(host: Any) -> None:
    assert [unit for unit in ("nagios4", "lighttpd") if host.service(unit).is_running] == []
    assert [unit for unit in ("nagios4", "lighttpd") if not host.service(unit).is_masked] == []
