"""What Jenkins promises beyond running and listening. Asked from the controlling machine, as a person would."""

import base64
import ssl
import urllib.error
import urllib.request
from typing import Any

from primetime.passwords import hashed
from roles.jenkins.accounts import MATRIX
from roles.jenkins.plugins import locked, look, sums
from roles.jenkins.settings import Jenkins

GROUP = "jenkins"
PEM = "/etc/primetime/jenkins-proxy/certificate.pem"
CONFIGURATION = "/etc/primetime/jenkins/jenkins.yaml"
HOME = "/var/lib/primetime-jenkins"
CLOSED = ("/", "/api/json", "/manage", "/computer/")  # to whoever has no account


class _Unmoved(urllib.request.HTTPRedirectHandler):
    """Says what was answered, wherever it leads."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _status(host: Any, node: Any, path: str, user: str = "", password: str = "") -> int:
    """What Jenkins answers over TLS to someone who trusts nothing but the certificate that the host was given."""
    trusted = ssl.create_default_context(cadata=host.check_output("openssl x509 -in %s", PEM))
    trusted.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trusted.check_hostname = not node.mine(Jenkins).certificate  # one that was given names what people call it
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=trusted), _Unmoved)
    request = urllib.request.Request(f"https://{node.address}:{node.mine(Jenkins).port}{path}")
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
    try:
        with opener.open(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def _password(node: Any, user: str) -> str:
    return str(node.secret(f"jenkins_{user}").text)


def test_it_answers_over_tls_with_its_certificate(host: Any, node: Any) -> None:
    assert _status(host, node, "/login") == 200


def test_its_certificate_lasts_another_week(host: Any) -> None:
    assert host.run("openssl x509 -in %s -noout -checkend 604800", PEM).rc == 0


def test_nobody_gets_in_without_an_account(host: Any, node: Any) -> None:
    assert {path: _status(host, node, path) for path in CLOSED} == dict.fromkeys(CLOSED, 403)


def test_each_account_gets_in_with_its_password_only(host: Any, node: Any) -> None:
    let_in = {user: _status(host, node, "/api/json", user, _password(node, user)) for user in MATRIX}
    assert let_in == dict.fromkeys(MATRIX, 200)
    assert _status(host, node, "/api/json", "admin", _password(node, "viewer")) in (401, 403)


def test_only_the_administrator_may_change_it(host: Any, node: Any) -> None:
    allowed = {user: _status(host, node, "/manage", user, _password(node, user)) < 400 for user in MATRIX}
    assert allowed == {user: user == "admin" for user in MATRIX}


def test_it_keeps_no_password_but_its_hash(host: Any, node: Any) -> None:
    file = host.file(CONFIGURATION)
    assert (file.mode, file.user, file.group) == (0o640, "root", "jenkins")
    text, salt = file.content_string, node.secret("jenkins_salt").text
    wrong = [
        user
        for user in MATRIX
        if _password(node, user) in text or f"#jbcrypt:{hashed(_password(node, user), user, salt)}" not in text
    ]
    assert wrong == []


def test_the_key_of_its_certificate_is_the_proxy_s_alone(host: Any) -> None:
    file = host.file(PEM)
    assert (file.mode, file.user) == (0o400, "jenkins-proxy")


def test_nobody_else_reads_its_home(host: Any) -> None:
    home = host.file(HOME)
    assert (home.mode, home.user, home.group) == (0o750, "jenkins", "jenkins")


def test_it_and_its_proxy_run_as_their_own_users(host: Any) -> None:
    found = {}
    for user in ("jenkins", "jenkins-proxy"):
        pid = host.check_output("systemctl show -P MainPID primetime-%s", user)
        found[user] = set(host.check_output("ps -o user:32= -p %s --ppid %s", pid, pid).split())
    assert found == {"jenkins": {"jenkins"}, "jenkins-proxy": {"jenkins-proxy"}}


def test_its_heap_is_as_given(host: Any, node: Any) -> None:
    pid = host.check_output("systemctl show -P MainPID primetime-jenkins")
    words = host.check_output("tr '\\0' '\\n' < /proc/%s/cmdline", pid).splitlines()
    assert f"-Xmx{node.heap_mb('jenkins')}m" in words


def test_its_plugins_are_those_of_the_lock(host: Any, node: Any) -> None:
    found = sums(host.check_output(f"{look(HOME)} || true"))
    wanted = {plugin.file: plugin.sha256 for plugin in locked(node.mine(Jenkins).plugins)}
    assert {file for file, sha256 in wanted.items() if found.get(file) != sha256} == set()


def test_its_home_is_backed_up_every_night(host: Any) -> None:
    timer = "primetime-jenkins-backup.timer"
    assert (host.service(timer).is_enabled, host.service(timer).is_running) == (True, True)
    assert host.check_output("systemctl show -P Result primetime-jenkins-backup.service") == "success"


def test_what_backs_it_up_is_exposed_little(host: Any) -> None:
    analysis = host.run("systemd-analyze security --no-pager --threshold=40 primetime-jenkins-backup.service")
    assert analysis.rc == 0, analysis.stdout.strip().splitlines()[-1]


def test_nobody_else_reads_its_backups(host: Any, node: Any) -> None:
    folder = host.file(node.mine(Jenkins).backup_path)
    assert (folder.mode, folder.user) == (0o700, "jenkins")


def test_the_proxy_s_configuration_is_valid(host: Any) -> None:
    as_the_unit_does = "setpriv --reuid jenkins-proxy --regid jenkins-proxy --clear-groups --inh-caps +net_bind_service"
    command = f"{as_the_unit_does} --ambient-caps +net_bind_service nginx -t -e stderr -c"
    assert host.run(f"{command} /etc/primetime/jenkins-proxy/nginx.conf").rc == 0


def test_the_distribution_s_units_stay_off(host: Any) -> None:
    assert [unit for unit in ("nginx", "jenkins") if host.service(unit).is_running] == []
    assert [unit for unit in ("nginx", "jenkins") if not host.service(unit).is_masked] == []
