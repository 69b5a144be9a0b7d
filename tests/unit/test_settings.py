"""Overrides are checked before any host is touched."""

from dataclasses import fields

import pytest

from primetime.errors import UsageError
from primetime.settings import from_data, known, problems
from roles.collector.settings import Collector
from roles.redis.settings import Redis


def test_defaults_hold_when_nothing_is_overridden() -> None:
    assert from_data(Redis, {}) == Redis()


def test_an_override_is_a_flat_key_with_the_group_s_prefix() -> None:
    assert from_data(Redis, {"redis_maxmemory_mb": 512}).maxmemory_mb == 512


def test_an_unknown_key_is_named_with_the_nearest_known_one() -> None:
    assert problems({"redis_maxmemoy_mb": 1}, "group_data/redis.py") == [
        "group_data/redis.py: redis_maxmemoy_mb: Redis has no such setting (did you mean maxmemory_mb?)"
    ]


def test_a_wrong_type_says_what_to_write() -> None:
    with pytest.raises(UsageError, match=r"redis_port: '6379' is str, not int: write one, for example 6379"):
        from_data(Redis, {"redis_port": "6379"})


def test_a_truth_value_is_not_a_number() -> None:
    assert problems({"redis_port": True}, "here") != []


def test_keys_of_no_role_are_left_alone() -> None:
    assert problems({"ssh_user": "root"}, "here", [Redis]) == []


@pytest.mark.parametrize("group", sorted(known()))
def test_every_settings_class_has_defaults_that_fit_its_own_types(group: str) -> None:
    cls = known()[group]
    defaults = {f"{group}_{field.name}": getattr(cls(), field.name) for field in fields(cls)}
    assert problems(defaults, group) == []


@pytest.mark.parametrize(
    "origin", ["https://vote.example.org/", "vote.example.org", 'https://a"b', "https://Vote.example"]
)
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    with pytest.raises(UsageError, match="write an origin like"):
        from_data(Collector, {"collector_origins": ["http://localhost:5173", origin]})
