"""What a certificate says, in a sentence or two, for the room. Called by what the buttons do."""

from __future__ import annotations

from typing import Any

from primetime.errors import NotAsDeclared


def passed(certificate: dict[str, Any], line: str) -> str:
    """`line`; NotAsDeclared with it when the certificate did not pass."""
    if certificate["missing"] or certificate["unanswered"] or not certificate["acked"]:
        raise NotAsDeclared(line)
    return line


def told(certificate: dict[str, Any]) -> str:
    """A certificate in a sentence or two."""
    acked, missing = certificate["acked"], certificate["missing"]
    accepted = f"{acked:,} accepted in {certificate['accept_seconds']:.1f} s" if acked else "None was accepted"
    stored = certificate["stored_seconds"]
    readable = f", the last one stored after {stored:.1f} s" if stored is not None else ""
    return f"{accepted}{readable}. {missing:,} missing."
