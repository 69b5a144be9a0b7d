"""What Redis promises beyond running and listening. Asked from the controlling machine: no password goes to a host."""

from contextlib import closing, suppress
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from primetime.shipper.redis_sink import Login, connect
from primetime.verify.shell import read
from roles.redis.settings import Redis, RedisExporter

GROUP = "redis"

# user → what it must be able to do, what it must not: words of a command each
ALLOWED: dict[str, list[tuple[str, ...]]] = {
    "shipper": [("GET", "position:x"), ("EVALSHA", "0" * 40, "1", "position:x")],
    "monitoring": [("INFO",)],
    "controller": [("HGETALL", "count:x"), ("INFO",), ("CONFIG", "GET", "maxmemory")],
}
FORBIDDEN: dict[str, list[tuple[str, ...]]] = {
    "shipper": [("FLUSHALL",), ("KEYS", "*"), ("CONFIG", "SET", "maxmemory", "0"), ("GET", "other"), ("ACL", "LIST")],
    "monitoring": [("GET", "total:x"), ("SET", "total:x", "0"), ("FLUSHALL",), ("CONFIG", "GET", "*")],
    "controller": [("FLUSHALL",), ("SHUTDOWN",), ("CONFIG", "SET", "maxmemory", "0"), ("ACL", "SETUSER", "x")],
    "reload": [("GET", "total:x"), ("INFO",), ("ACL", "LIST")],
}

UNKNOWN = [("PING",), ("INFO",), ("GET", "total:x"), ("FLUSHALL",)]  # what anybody may try
ANSWERS_S = 5
SECRETS = [secret.name for secret in Redis.secrets]


def _as(node: Any, user: str) -> closing[Any]:
    login = Login(user, lambda: str(node.secret(f"redis_{user}").text))
    return closing(connect(login, host=node.address, port=node.mine(Redis).port))


def _config(node: Any, key: str) -> str:
    with _as(node, "controller") as controller:
        return str(controller.config_get(key)[key])


def _refused(client: Any, *words: str) -> bool:
    try:
        client.execute_command(*words)
    except redis.AuthenticationError:
        return True
    return False


def test_it_answers_ping(node: Any) -> None:
    with _as(node, "controller") as controller:
        assert controller.ping()


def test_it_refuses_writes_rather_than_forget_counts(node: Any) -> None:
    assert _config(node, "maxmemory-policy") == "noeviction"


def test_its_memory_is_bounded_as_declared(node: Any) -> None:
    assert int(_config(node, "maxmemory")) == node.mine(Redis).bound_mb(*node.memory()) << 20


def test_it_appends_to_disk(node: Any) -> None:
    assert _config(node, "appendonly") == "yes"


def test_it_refuses_who_does_not_log_in(node: Any) -> None:
    once = Retry(NoBackoff(), 0)  # the library takes a refusal for a broken connection, and waits before it tries again
    at = {"host": node.address, "port": node.mine(Redis).port}
    with closing(redis.Redis(**at, retry=once, socket_timeout=ANSWERS_S)) as stranger:
        answered = [words for words in UNKNOWN if not _refused(stranger, *words)]
    assert answered == []


def test_its_default_user_is_off(node: Any) -> None:
    with _as(node, "controller") as controller:
        assert [user.split()[2] for user in controller.acl_list() if user.startswith("user default ")] == ["off"]


def test_each_role_logs_in_and_does_its_work(node: Any) -> None:
    for user, commands in ALLOWED.items():
        with _as(node, user) as client:
            for words in commands:
                with suppress(redis.exceptions.NoScriptError):  # allowed, and there is no script of that name
                    client.execute_command(*words)


def test_no_role_can_do_what_it_must_not(node: Any) -> None:
    with _as(node, "controller") as controller:
        able = [
            f"{user}: {' '.join(words)}"
            for user, commands in FORBIDDEN.items()
            for words in commands
            if "no permissions" not in str(controller.acl_dryrun(user, *words))
        ]
    assert able == []


def test_it_keeps_no_password_but_its_hash(host: Any, node: Any) -> None:
    users = host.file("/etc/primetime/redis/users.acl")
    assert (users.mode, users.user, users.group) == (0o640, "root", "redis")
    text = users.content_string
    assert [name for name in SECRETS if node.secret(name).sha256 not in text or node.secret(name).text in text] == []


def test_it_runs_as_its_own_user(host: Any) -> None:
    pid = host.check_output("systemctl show -P MainPID primetime-redis")
    assert host.check_output("stat -c %%U /proc/%s", pid) == "redis"


def test_the_distribution_s_redis_stays_off(host: Any) -> None:
    assert not host.service("redis-server").is_running


@pytest.mark.daemon("redis_exporter")
def test_it_shows_what_redis_says_to_monitoring(host: Any, node: Any) -> None:
    """Only the monitoring host may ask it, and the host itself."""
    url = f"http://{node.address}:{node.mine(RedisExporter).port}/metrics"
    assert "redis_memory_used_bytes " in read(host, url)


@pytest.mark.daemon("redis_exporter")
def test_it_keeps_its_password_to_itself(host: Any) -> None:
    passwords = host.file("/etc/primetime/redis/exporter.json")
    assert (passwords.mode, passwords.user) == (0o400, "redis-exporter")
