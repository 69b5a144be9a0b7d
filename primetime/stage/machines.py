"""What the buttons do to a cluster's machines beside killing them: one more collector, one less, a full disk, and all
of it as it was in the beginning.

Called by moments.py. A collector that was added is written down as something to mend: it goes when the stage ends.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from primetime.errors import NotAsDeclared
from primetime.stage.telling import passed, told

if TYPE_CHECKING:
    from primetime.stage.moments import Act

FULL_S, UNFELT_S = 8.0, 40.0  # from when it is felt; and when nobody sends
LOOK_S = 0.25
SHARED, SHARED_S = 2_000, 2.0  # what proves that the new one takes traffic


def add_collector(act: Act) -> str:
    node = act.hands.further()
    with act.broken_for_good("remove", node):
        act.say(f"making {node}")
        made = act.hands.add(act.say)
        act.note_verified(node)
        act.wait(lambda: act.hands.accepts(node), f"{node} takes traffic")
        before = act.hands.accepted(node)
        certificate = act.hands.burst(SHARED, SHARED_S, 10, act.say)
        took = act.hands.accepted(node) - before
    seconds = ", ".join(f"{what} in {lasted:.1f} s" for what, lasted in made["seconds"].items())
    line = f"{node}: {seconds}. It took {took:,} of {SHARED:,} updates. {told(certificate)}"
    if not took:
        raise NotAsDeclared(line)
    return passed(certificate, line)


def remove_collector(act: Act) -> str:
    node = act.hands.extra
    act.say(f"{node} takes no more traffic, and ships what it has")
    drained_s = act.hands.remove(node, act.say)
    act.mended("remove", node)
    report = act.hands.ledger(act.say)
    missing = sum(run["missing"] for run in report["runs"])
    line = f"{node} was empty after {drained_s:.1f} s, and then removed. {missing:,} missing."
    if report["problems"]:
        raise NotAsDeclared(f"{line} {len(report['problems'])} problems, the first: {report['problems'][0]['name']}")
    return line


def fill_disk(act: Act) -> str:
    node = act.hands.nodes("collector")[0]
    felt = 0.0
    act.once_phones_send()
    with act.broken("empty", node) as empty:
        act.say(f"the spool of {node} moves onto a small disk of its own")
        fill = act.hands.fill(node)
        act.wait(lambda: act.hands.accepts(node), f"{node} takes traffic on its small disk")
        fill()
        until = time.monotonic() + UNFELT_S
        while (left := until - time.monotonic()) > 0:
            if not felt and not act.hands.accepts(node):
                felt, until = time.monotonic(), time.monotonic() + FULL_S
            heard = (
                "It answers 503 with Retry-After: phones send again." if felt else "Nobody has felt it yet: press B."
            )
            act.say(f"the disk of {node} is full, for {left:.0f} s more. {heard}")
            act.sleep(min(left, LOOK_S))
        act.say(f"{node} gets its room back")
        healed = time.monotonic()
        empty()
        act.wait(lambda: act.hands.accepts(node), f"{node} takes traffic")
    seconds = time.monotonic() - healed
    heard = f"phones heard 503 for {healed - felt:.0f} s and sent again" if felt else "nobody sent, so nobody felt it"
    return f"The disk of {node} was full: {heard}. It accepts again {seconds:.1f} s after it got its room back."


def reset(act: Act) -> str:
    node, began = act.hands.extra, time.monotonic()
    report = act.hands.reset(act.say)
    if node:
        act.mended("remove", node)
    act.begin_anew()
    seeded = report["seeded"]
    state = f": {seeded['updates']:,} updates, sha256 {seeded['sha256'][:12]}…" if seeded else ""
    line = f"Back in the seeded state after {time.monotonic() - began:.1f} s{state}"
    if report["beside"]:
        beside = ", ".join(f"{number:,} {what}" for what, number in report["beside"].items())
        raise NotAsDeclared(f"{line} Beside it, sent meanwhile: {beside}.")
    return line
