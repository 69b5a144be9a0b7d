"""Jenkins: accounts as hashes, what Configuration as Code reads, what is brought and what is refused."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml

from primetime import certificate
from primetime.errors import PrimetimeError, UsageError
from primetime.operations import rendered
from primetime.passwords import hashed
from primetime.paths import REPO
from primetime.secrets.value import Value
from roles.jenkins.accounts import MATRIX
from roles.jenkins.brought import local
from roles.jenkins.jobs import JOBS
from roles.jenkins.settings import Jenkins

AS_JENKINS_READS_IT = re.compile(r"\$2a\$\d\d\$[./A-Za-z0-9]{53}")


def configuration(**settings: Any) -> dict[str, Any]:
    """What the template makes, as YAML."""
    text = rendered(
        "templates/jenkins/jenkins.yaml.j2",
        hashes={user: f"hash-of-{user}" for user in MATRIX},
        matrix=MATRIX,
        jobs=JOBS,
        jenkins=Jenkins(**settings),
        url="https://10.0.0.10:443/",
    ).text
    found = yaml.safe_load(text)
    assert isinstance(found, dict)
    return found


def test_a_hash_is_the_password_s_in_the_form_that_jenkins_reads() -> None:
    found = hashed("secret", "admin", "salt")
    assert AS_JENKINS_READS_IT.fullmatch(found)
    assert bcrypt.checkpw(b"secret", found.encode())
    assert not bcrypt.checkpw(b"Secret", found.encode())


def test_a_hash_is_the_same_each_time_and_another_for_each_account_and_topology() -> None:
    found = [hashed("secret", *of) for of in (("admin", "a"), ("admin", "a"), ("ops", "a"), ("admin", "b"))]
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_every_account_has_its_hash_and_its_rights() -> None:
    jenkins = configuration()["jenkins"]
    realm, matrix = jenkins["securityRealm"]["local"], jenkins["authorizationStrategy"]["globalMatrix"]["entries"]
    assert realm["users"] == [{"id": user, "password": f"#jbcrypt:hash-of-{user}"} for user in MATRIX]
    assert {each["user"]["name"]: tuple(each["user"]["permissions"]) for each in matrix} == MATRIX


def test_nobody_signs_up_and_nobody_is_named_but_accounts() -> None:
    jenkins = configuration()["jenkins"]
    assert jenkins["securityRealm"]["local"]["allowsSignup"] is False
    assert {kind for each in jenkins["authorizationStrategy"]["globalMatrix"]["entries"] for kind in each} == {"user"}


def test_no_account_but_the_administrator_s_may_change_anything() -> None:
    able = [user for user, rights in MATRIX.items() for right in rights if re.search("Administer|Configure", right)]
    assert able == ["admin"]


def test_the_controller_runs_no_job_and_opens_no_port_for_agents() -> None:
    jenkins = configuration()["jenkins"]
    assert (jenkins["numExecutors"], jenkins["slaveAgentPort"]) == (0, -1)


def test_agents_come_by_websocket_and_run_one_job_at_a_time() -> None:
    (node,) = configuration()["jenkins"]["nodes"]
    agent = node["permanent"]
    assert (agent["name"], agent["labelString"], agent["numExecutors"]) == ("primetime-1", "primetime", 1)
    assert agent["launcher"] == {"inbound": {"webSocket": True}}
    assert configuration(agents=())["jenkins"]["nodes"] == []
    assert len(configuration(agents=("a", "b"))["jenkins"]["nodes"]) == 2


def scripts(**settings: Any) -> str:
    return "\n".join(each["script"] for each in configuration(**settings).get("jobs", []))


def test_there_are_jobs_only_where_it_is_said_where_they_come_from() -> None:
    assert "jobs" not in configuration()
    found = scripts(jobs_from="https://git.example/it's", jobs_branch="release")
    assert found.count('"https://git.example/it\\u0027s"') == len(JOBS) + 1
    assert found.count('branch("release")') == len(JOBS)
    assert found.count("{") == found.count("}")


def test_each_job_is_a_file_of_this_repository_and_each_file_a_job() -> None:
    found = scripts(jobs_from="https://git.example/primetime")
    paths = re.findall(r'scriptPath\("(.*)"\)', found)
    assert paths == [job.script for job in JOBS]
    assert sorted(paths) == sorted(str(path.relative_to(REPO)) for path in (REPO / ".ci" / "jenkins").glob("*.groovy"))


def test_deploying_starts_by_hand_only_and_asks_what() -> None:
    (deploy,) = [job for job in JOBS if job.name == "deploy"]
    assert (deploy.cron, dict(deploy.parameters)) == ("", {"TOPOLOGY": "production"})
    (script,) = [
        each["script"] for each in configuration(jobs_from="https://a")["jobs"] if '"deploy"' in each["script"]
    ]
    assert 'stringParam("TOPOLOGY", "production")' in script
    assert "cron" not in script


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n"
PEM = f"{CERTIFICATE}-----BEGIN PRIVATE KEY-----\nB\n-----END PRIVATE KEY-----\n"


def test_a_certificate_that_is_given_is_unwrapped() -> None:
    value = Value("jenkins_certificate", base64.b64encode(PEM.encode()).decode())
    assert certificate.given(value).text == PEM


@pytest.mark.parametrize("text", ["no base64!", "bm90aGluZw==", base64.b64encode(CERTIFICATE.encode()).decode()])
def test_what_is_no_certificate_with_its_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(PrimetimeError, match="Secret jenkins_certificate is no certificate with its key") as refused:
        certificate.given(Value("jenkins_certificate", text))
    assert text not in str(refused.value)


def test_what_is_brought_is_the_file_whose_digest_is_declared(tmp_path: Path) -> None:
    war = tmp_path / "jenkins.war"
    war.write_bytes(b"war")
    digest = hashlib.sha256(b"war").hexdigest()
    assert local("jenkins_war", str(war), digest) == str(war)
    with pytest.raises(UsageError, match=f"has sha256 {digest}, and jenkins_war_sha256 says nothing"):
        local("jenkins_war", str(war), "")
    with pytest.raises(UsageError, match=r"jenkins_war: there is no file .*/other.war on this machine"):
        local("jenkins_war", str(tmp_path / "other.war"), digest)
