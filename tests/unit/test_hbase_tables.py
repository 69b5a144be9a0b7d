"""How `events` is divided: by whole salts, evenly, 8 regions a RegionServer."""

from __future__ import annotations

from itertools import pairwise

import pytest

from primetime.event import SALTS
from roles.hbase.tables import salt_splits, tables


def sizes(splits: list[bytes]) -> list[int]:
    """Salts in each region."""
    edges = [0, *(split[0] for split in splits), SALTS]
    return [after - before for before, after in pairwise(edges)]


@pytest.mark.parametrize("servers", [1, 2, 3, 5, 8])
def test_events_has_8_regions_a_regionserver(servers: int) -> None:
    assert len(tables(servers, 8)["events"]) + 1 == 8 * servers


def test_no_region_is_without_a_salt() -> None:
    assert min(sizes(salt_splits(1000))) == 1


@pytest.mark.parametrize("regions", [1, 8, 24, 40, 64])
def test_regions_differ_by_one_salt_at_most(regions: int) -> None:
    assert max(sizes(salt_splits(regions))) - min(sizes(salt_splits(regions))) <= 1


def test_what_is_not_salted_is_one_region() -> None:
    assert (tables(3, 8)["deadletters"], tables(3, 8)["ledger"]) == ([], [])
