"""User-data: boot.py with what it has to know of one group's machines. Called by steps and, for digests, by wanted."""

from __future__ import annotations

import hashlib
import pprint
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from primetime.drivers.aws import regions

BOOT = Path(__file__).with_name("boot.py")
PLACE = "SETTINGS: dict[str, Any] = {}\n"
SERVICES = ("s3", "autoscaling")  # that boot calls by itself


def source_digest() -> str:
    """Of what all machines run, whatever they have to know."""
    return hashlib.sha256(BOOT.read_bytes()).hexdigest()[:12]


def user_data(settings: Mapping[str, Any]) -> str:
    """A program that cloud-init runs."""
    source = BOOT.read_text()
    assert PLACE in source
    known = pprint.pformat(dict(settings), width=118)
    return "#!/usr/bin/python3\n" + source.replace(PLACE, f"SETTINGS: dict[str, Any] = {known}\n")


def endpoints(region: str) -> dict[str, str]:
    """Where this command finds AWS, for machines to find it there too."""
    found = {}
    for service in SERVICES:
        where = regions.endpoint(service, region)
        standard = where.port == (443 if where.secure else 80)
        scheme = "https" if where.secure else "http"
        found[service] = f"{scheme}://{where.host}" + ("" if standard else f":{where.port}")
    return found


def environment(region: str) -> dict[str, str]:
    """What primetime on a machine needs of this command's environment."""
    return {**regions.given(), "AWS_REGION": region}
