"""The distributions that hosts may run, by release: what differs between them beside package names.

Those stand with the role that needs them: `packages` of its settings are Debian 12's, `packages_on` another release's.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Distribution:
    """`python` is the interpreter that the shipper runs with; its wheels are brought for that version."""

    title: str
    python: str
    proved: bool  # hosts of it can be made here, and every role is validated on them


DISTRIBUTIONS = {
    "bookworm": Distribution("Debian 12", "3.11", proved=True),
    "trixie": Distribution("Debian 13", "3.13", proved=True),
    "jammy": Distribution("Ubuntu 22.04", "3.11", proved=False),
    "noble": Distribution("Ubuntu 24.04", "3.12", proved=False),
}
DEFAULT = "bookworm"  # what an image that is not named by its release has: a machine image of EC2


def release(image: str) -> str:
    """The release that hosts made of a topology's image run."""
    return image if image in DISTRIBUTIONS else DEFAULT


def python(image: str) -> str:
    """The version of Python that hosts made of an image run the shipper with: `3.11`."""
    return DISTRIBUTIONS[release(image)].python
