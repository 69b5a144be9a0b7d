"""Package names and Python by distribution: data of the roles, and each release has its own."""

from __future__ import annotations

import pytest

from primetime import bundle, distributions
from primetime.distributions import DISTRIBUTIONS
from primetime.drivers.nspawn.images import RELEASES
from primetime.settings import known, packages


def test_what_is_proved_is_what_hosts_can_be_made_of() -> None:
    assert [release for release, each in DISTRIBUTIONS.items() if each.proved] == list(RELEASES)


def test_a_package_has_the_name_that_the_release_gives_it() -> None:
    assert "libluajit2-5.1-2" in packages(["collector"], "bookworm")
    assert "libluajit-5.1-2" in packages(["collector"], "trixie")
    assert packages(["zookeeper", "hdfs"], "jammy") == ("openjdk-17-jre-headless",)


def test_roles_name_packages_of_releases_that_there_are() -> None:
    named = {release for cls in known().values() for release in getattr(cls, "packages_on", {})}
    assert named <= set(DISTRIBUTIONS)


@pytest.mark.parametrize(("image", "release"), [("trixie", "trixie"), ("ami-0123456789abcdef0", "bookworm")])
def test_an_image_that_is_no_release_runs_the_default_one(image: str, release: str) -> None:
    assert distributions.release(image) == release


def test_bundles_for_two_pythons_have_two_names() -> None:
    assert bundle.SHIPPER.version(distributions.python("bookworm")) != bundle.SHIPPER.version(
        distributions.python("trixie")
    )
