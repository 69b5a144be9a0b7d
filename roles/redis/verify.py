"""What Redis promises beyond running and listening."""

from typing import Any

from roles.redis.settings import Redis

GROUP = "redis"


def _config(host: Any, node: Any, key: str) -> str:
    port = node.mine(Redis).port
    answer = host.check_output("redis-cli -h %s -p %s --raw config get %s", node.address, str(port), key)
    return str(answer.splitlines()[1])


def test_it_answers_ping(host: Any, node: Any) -> None:
    port = node.mine(Redis).port
    assert host.check_output("redis-cli -h %s -p %s ping", node.address, str(port)) == "PONG"


def test_it_refuses_writes_rather_than_forget_counts(host: Any, node: Any) -> None:
    assert _config(host, node, "maxmemory-policy") == "noeviction"


def test_its_memory_is_bounded_as_declared(host: Any, node: Any) -> None:
    assert int(_config(host, node, "maxmemory")) == node.mine(Redis).maxmemory_mb << 20


def test_it_appends_to_disk(host: Any, node: Any) -> None:
    assert _config(host, node, "appendonly") == "yes"


def test_it_runs_as_its_own_user(host: Any) -> None:
    pid = host.check_output("systemctl show -P MainPID primetime-redis")
    assert host.check_output("stat -c %%U /proc/%s", pid) == "redis"


def test_the_distribution_s_redis_stays_off(host: Any) -> None:
    assert not host.service("redis-server").is_running
