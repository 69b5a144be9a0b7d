"""From when to when a show's report looks. Called by `show report`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from primetime.calendar import Broadcast
from primetime.errors import UsageError
from primetime.rehearsal.certificate import Certificate

BEFORE, AFTER = timedelta(seconds=30), timedelta(minutes=2)  # around rehearsals: what came in, and what followed
LONGEST = timedelta(days=2)


@dataclass(frozen=True)
class Window:
    """Two instants in UTC, and in words why these."""

    since: datetime
    until: datetime
    why: str

    @property
    def seconds(self) -> float:
        return (self.until - self.since).total_seconds()

    def has(self, moment: datetime) -> bool:
        return self.since <= moment <= self.until


def of(
    show: str,
    asked: tuple[datetime | None, datetime | None],
    broadcasts: Sequence[Broadcast],
    certificates: Sequence[Certificate],
    now: datetime,
) -> Window:
    """What was asked for; else the show's last broadcast that has begun; else its last day's rehearsals.

    UsageError when nothing says when the show was, or when it ends before it begins.
    """
    since, until = asked
    if since is not None or until is not None:
        return _checked(Window(since or (until or now) - timedelta(hours=1), until or now, "as asked for"), now)
    begun = [each for each in broadcasts if show in (each.name, each.show.name) and each.begins <= now]
    if begun:
        last = max(begun, key=lambda each: each.begins)
        return Window(last.begins - BEFORE, min(last.until, now), f"the broadcast {last.name}")
    rehearsed = [began(certificate) for certificate in certificates]
    if not rehearsed:
        raise UsageError(
            f"nothing tells when {show} was: no broadcast of that name has begun, and there is no rehearsal of it: "
            "say --from (and --until), like --from 2026-11-28T19:30"
        )
    recent = [moment for moment in rehearsed if moment > max(rehearsed) - timedelta(days=1)]
    what = "the rehearsal" if len(recent) == 1 else f"{len(recent)} rehearsals of a day"
    ends = max(recent) + max(timedelta(seconds=each.stored_seconds or 0) for each in certificates) + AFTER
    return Window(min(recent) - BEFORE, min(ends, now), what)


def began(certificate: Certificate) -> datetime:
    """When a run's first byte was sent."""
    return datetime.fromisoformat(certificate.started)


def instant(text: str) -> datetime:
    """A moment as people write it, `2026-11-28T19:30` with or without an offset; UTC when it has none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not a moment: write it like 2026-11-28T19:30 (UTC), or with an offset, 2026-11-28T20:30+01:00"
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _checked(window: Window, now: datetime) -> Window:
    if window.since >= window.until:
        raise UsageError(
            f"a report from {window.since:%Y-%m-%dT%H:%M} to {window.until:%Y-%m-%dT%H:%M} UTC has nothing in it: "
            "--from must be before --until, and both before now"
        )
    if window.until - window.since > LONGEST:
        raise UsageError(
            f"a report of more than {LONGEST.days} days would show no burst: say --from and --until nearer"
        )
    return Window(window.since, min(window.until, now), window.why)
