"""The moments of a show as buttons: each a cause, an effect that people see, and the seconds until all is well again.

`Director` runs each in a thread of its own, never one twice at a time. What a moment breaks is written down before it
is broken, and mended when it ends, however it ends: by the clock, an error, Ctrl-C; after kill -9 by the next stage.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from primetime.errors import NotAsDeclared, PrimetimeError
from primetime.stage.kept import Broken, Kept
from primetime.stage.machines import add_collector, fill_disk, remove_collector, reset
from primetime.stage.script import now_ms
from primetime.stage.snapshot import MomentState, Snapshot
from primetime.stage.telling import passed, told

UNPLUGGED_S, DEAD_S = 8.0, 3.0  # so that it is seen
RECOVERY_S = 120.0
LOOK_AGAIN_S = 0.1
BURST_S = 5.0
VOTES, VOTE_S = 2_000, 10.0
COUNTED_S = 30.0
SENDING, BEGINS_S = ("burst", "vote"), 15.0  # what a command takes to send its first update on a busy machine

Say = Callable[[str], None]


class HandsLike(Protocol):
    """hands.py, or a test's."""

    local: bool
    whole: str  # why its machines cannot be broken; empty when they can
    diskless: str  # why none of them gets a small disk; empty when one can
    extra: str  # the collector that was added; empty when there is none

    def nodes(self, group: str) -> list[str]: ...
    def at_work(self) -> str: ...
    def burst(self, updates: int, over_s: float, batch: int, say: Say, poll: str = "") -> dict[str, Any]: ...
    def votes(self, poll: str) -> dict[str, int]: ...
    def verify(self, say: Say) -> dict[str, Any]: ...
    def ledger(self, say: Say) -> dict[str, Any]: ...
    def reset(self, say: Say) -> dict[str, Any]: ...
    def kill(self, node: str) -> None: ...
    def start(self, node: str) -> None: ...
    def unplug(self, node: str) -> None: ...
    def plug(self, node: str) -> None: ...
    def accepts(self, node: str) -> bool: ...
    def accepted(self, node: str) -> int: ...
    def further(self) -> str: ...
    def stay(self, more_s: float) -> None: ...
    def add(self, say: Say) -> dict[str, Any]: ...
    def remove(self, node: str, say: Say) -> float: ...
    def fill(self, node: str) -> Callable[[], None]: ...
    def empty(self, node: str) -> None: ...
    def look(self, node: str) -> dict[str, Any]: ...
    def end(self) -> None: ...


class StageEnds(Exception):
    """Raised in a moment that waits when the stage is ended."""


@dataclass(frozen=True)
class Moment:
    """`line` is what it will do, for whoever is about to press it; `run` returns what it did, in one line."""

    id: str
    key: str
    name: str
    line: str
    run: Callable[[Act], str]
    breaks: bool = False  # a host, a cable or a disk: only where they are local
    changes: bool = False  # which machines there are: only where they are local, and beside nothing else
    not_now: Callable[[HandsLike], str] = lambda hands: ""  # why it makes no sense; empty when it does


class Act:
    """What a moment may use while it runs."""

    def __init__(self, director: Director, moment: Moment) -> None:
        self.hands, self.goal = director.hands, director.goal
        self._director, self._moment = director, moment

    def say(self, line: str) -> None:
        self._director.tell(self._moment, line)

    def wait(self, claim: Callable[[], bool], what: str, deadline_s: float = RECOVERY_S) -> float:
        """Until `claim` holds: after how many seconds it did. PrimetimeError naming `what` when it does not."""
        began = time.monotonic()
        while not claim():
            if time.monotonic() > began + deadline_s:
                raise PrimetimeError(f"not within {deadline_s:.0f} s: {what}")
            self.sleep(LOOK_AGAIN_S)
        return time.monotonic() - began

    def sleep(self, seconds: float) -> None:
        if self._director.ending.wait(seconds):
            raise StageEnds

    def snapshot(self) -> Snapshot:
        return self._director.snapshot()

    @contextmanager
    def broken(self, mend: str, node: str) -> Iterator[Callable[[], None]]:
        """Yields what mends it; done at the end in any case, and only once."""
        broken = (mend, node)
        self._director.kept.add(broken)
        done = threading.Event()

        def again() -> None:
            if not done.is_set():
                self._director.mend(broken)
                done.set()

        try:
            yield again
        finally:
            again()

    @contextmanager
    def broken_for_good(self, mend: str, node: str) -> Iterator[None]:
        """What stays until the stage ends, or another moment mends it; mended here only when this fails."""
        broken = (mend, node)
        self._director.kept.add(broken)
        try:
            yield
        except BaseException:
            self.say(f"{node} did not come to be: taking it away again")
            self._director.mend(broken)
            raise

    def once_somebody_takes(self) -> None:
        """Beside a fault that was begun a moment ago: a crowd that finds no collector at all would not even begin."""
        until = time.monotonic() + BEGINS_S
        while not any(map(self.hands.accepts, self.hands.nodes("collector"))) and time.monotonic() < until:
            self.say("waits until a collector takes traffic")
            self.sleep(LOOK_AGAIN_S)

    def mended(self, mend: str, node: str) -> None:
        """There is nothing left to mend of it."""
        self._director.kept.remove((mend, node))

    def note_verified(self, node: str) -> None:
        """Every promise of a node is kept."""
        kept = self._director.kept
        proved, at_ms = kept.proved
        kept.prove({**proved, node: ()}, at_ms)

    def begin_anew(self) -> None:
        """What was proved, counted and pressed so far is of another show, and maybe of other machines."""
        self._director.forget()

    def once_phones_send(self) -> None:
        """Beside a burst that was begun a moment ago: what breaks before it sends would break the burst itself."""
        self.say("waits until phones send")
        until = time.monotonic() + BEGINS_S
        while self._director.sends() and not self.snapshot().counter.rate and time.monotonic() < until:
            self.sleep(LOOK_AGAIN_S)


def burst(act: Act) -> str:
    act.once_somebody_takes()
    certificate = act.hands.burst(act.goal, BURST_S, 10, act.say)
    return passed(certificate, f"{act.goal:,} updates asked for in {BURST_S:g} s. {told(certificate)}")


def vote(act: Act) -> str:
    """A poll of its own each time: votes of phones that have voted in it before would move nothing."""
    act.once_somebody_takes()
    poll = f"vote-{time.strftime('%H%M%S')}"
    certificate = act.hands.burst(VOTES, VOTE_S, 1, act.say, poll)
    line = passed(certificate, f"{VOTES:,} phones, one request each, in {VOTE_S:g} s. {told(certificate)}")
    if not act.hands.nodes("redis"):
        return line

    def counted() -> bool:
        return sum(act.hands.votes(poll).values()) >= int(certificate["acked"])

    act.wait(counted, "Redis has counted every vote", COUNTED_S)
    leader, most = max(act.hands.votes(poll).items(), key=lambda choice: choice[1])
    return (
        f"{certificate['acked']:,} phones voted within {certificate['accept_seconds']:.1f} s, and each counts once: "
        f"{leader.upper()} leads with {most:,}. {certificate['missing']:,} missing."
    )


def kill_collector(act: Act) -> str:
    node = act.hands.nodes("collector")[0]
    act.once_phones_send()
    with act.broken("start", node) as start:
        act.say(f"killing {node}")
        act.hands.kill(node)
        act.say(f"{node} is dead for {DEAD_S:g} s. Phones keep what was not acknowledged, and send it again.")
        act.sleep(DEAD_S)
        act.say(f"{node} is started again")
        began = time.monotonic()
        start()
        act.wait(lambda: act.hands.accepts(node), f"{node} takes traffic")
    seconds = time.monotonic() - began
    return (
        f"{node} was dead for {DEAD_S:g} s, its disk kept. It accepts again {seconds:.1f} s after its start; "
        "C counts what it had acknowledged."
    )


def unplug_store(act: Act) -> str:
    node = act.hands.nodes("hbase_regionserver")[0]
    most = 0

    def waiting() -> int:
        return sum(queue.waiting for queue in act.snapshot().queues if queue.sink == "hbase")

    act.once_phones_send()
    with act.broken("plug", node) as plug:
        act.hands.unplug(node)
        until = time.monotonic() + UNPLUGGED_S
        while (left := until - time.monotonic()) > 0:
            most = max(most, waiting())
            act.say(f"{node} has no cable for {left:.0f} s more. {most:,} updates wait on the collectors' disks.")
            act.sleep(min(left, 0.25))
        plug()
        plugged = time.monotonic()

    def stored() -> bool:
        nonlocal most
        most = max(most, waiting())
        act.say(f"{node} is plugged in again. {waiting():,} updates wait to be stored.")
        now = act.snapshot()
        fresh = now.proof.at_ms > at_ms and not now.proof.trouble
        return fresh and not any(queue.waiting or queue.failing for queue in now.queues if queue.sink == "hbase")

    at_ms = act.snapshot().at_ms
    act.wait(stored, "everything that waited is stored")
    seconds = time.monotonic() - plugged
    return (
        f"{node} was unplugged for {UNPLUGGED_S:g} s: {most:,} updates waited on disk. "
        f"All stored {seconds:.1f} s after it was plugged in."
    )


def verify(act: Act) -> str:
    report = act.hands.verify(act.say)
    act._director.note_verified(report)
    line = f"{report['checked']} promises looked at, {len(report['failed'])} not kept."
    if report["failed"]:
        raise NotAsDeclared(line)
    return line


def count(act: Act) -> str:
    report = act.hands.ledger(act.say)
    missing = sum(run["missing"] for run in report["runs"])
    compared = sum(run["acked"] for run in report["runs"])
    line = (
        f"{compared:,} acknowledged ids of {len(report['runs'])} rehearsals compared one by one with what is stored. "
        f"{missing:,} missing."
    )
    if report["problems"]:
        first = report["problems"][0]
        raise NotAsDeclared(f"{line} {len(report['problems'])} problems, the first: {first['what']}: {first['name']}")
    return line


MOMENTS = (
    Moment("burst", "b", "Kick-off burst", "everybody at once: the burst, then every id read back", burst),
    Moment("vote", "v", "Vote by phone", f"{VOTES:,} phones, one request each", vote),
    Moment(
        *("add", "a", "Add a collector", "one more host, made, converged and verified; then it takes its part"),
        *(add_collector,),
        changes=True,
        not_now=lambda hands: f"{hands.extra} was added already: R removes it" if hands.extra else "",
    ),
    Moment(
        *("remove", "r", "Remove it again", "the collector that was added: drained first, so that nothing is lost"),
        *(remove_collector,),
        changes=True,
        not_now=lambda hands: "" if hands.extra else "no collector was added: A adds one",
    ),
    Moment("kill", "k", "Kill a collector", "its whole host, with SIGKILL", kill_collector, breaks=True),
    Moment("unplug", "u", "Unplug the store", f"HBase's cable, for {UNPLUGGED_S:g} s", unplug_store, breaks=True),
    Moment(
        *("fill", "x", "Fill a disk", "a collector's, with its spool on it", fill_disk),
        breaks=True,
        not_now=lambda hands: hands.diskless,
    ),
    Moment("count", "c", "Count again", "every id of the last rehearsals against what is stored", count),
    Moment("verify", "p", "Prove all promises", "every promise of every role, on every host", verify),
    Moment("reset", "", "Reset", "back to the seeded state: what shows have left is removed", reset, changes=True),
)


class Director:
    """Runs moments. `snapshot` is the page's present; `looking` keeps it fresh while a moment runs."""

    def __init__(
        self,
        hands: HandsLike,
        kept: Kept,
        goal: int,
        moments: Sequence[Moment] = MOMENTS,
    ) -> None:
        self.hands, self.kept, self.goal = hands, kept, goal
        self.ending = threading.Event()
        self.snapshot: Callable[[], Snapshot] = _no_snapshot
        self.looking: Callable[[], Any] = _nobody
        self.begin_anew: Callable[[], None] = lambda: None
        self._moments = {moment.id: moment for moment in moments}
        self._states = {moment.id: _ready(moment) for moment in moments}
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    def states(self) -> list[MomentState]:
        """Every button, with why it cannot be pressed now."""
        with self._lock:
            states = list(self._states.values())
        return [MomentState(**{**vars(state), "refused": self.refused(state.id)}) for state in states]

    def refused(self, moment_id: str) -> str:
        """Why a moment cannot begin now; empty when it can."""
        moment, state = self._moments[moment_id], self._states[moment_id]
        running = {id_ for id_, each in self._states.items() if each.state == "running"}
        if state.state == "running":
            return "it is running"
        if (moment.breaks or moment.changes) and not self.hands.local:
            return "only on local machines"
        if why := (moment.breaks and self.hands.whole) or moment.not_now(self.hands):
            return why
        if running and (moment.changes or any(self._moments[id_].changes for id_ in running)):
            return "after what runs"
        if moment.breaks and any(self._moments[id_].breaks for id_ in running):
            return "one fault at a time"
        if not moment.breaks and any(not self._moments[id_].breaks for id_ in running):
            return "after the one that runs"
        if moment.breaks and running & {"verify"}:
            return "while promises are being proved"
        return ""

    def begin(self, moment_id: str) -> None:
        """Begin a moment. PrimetimeError saying why not."""
        if moment_id not in self._moments:
            raise PrimetimeError(f"there is no moment {moment_id}: choose one of {', '.join(self._moments)}")
        moment = self._moments[moment_id]
        busy = self.hands.at_work() if not self._commands_run() else ""
        with self._lock:
            why = self.refused(moment_id) or (busy and f"{busy} is at work on this topology")
            if why or self.ending.is_set():
                raise PrimetimeError(f"{moment.name}: not now: {why or 'the stage ends'}")
            self._set(moment, "running", moment.line, now_ms())
            thread = threading.Thread(target=self._run, args=(moment,), name=moment.id, daemon=True)
            self._threads[moment_id] = thread
        thread.start()

    def tell(self, moment: Moment, line: str) -> None:
        """What a running moment says meanwhile."""
        with self._lock:
            if self._states[moment.id].state == "running":
                self._set(moment, "running", line, self._states[moment.id].since_ms)

    def note_verified(self, report: dict[str, Any]) -> None:
        """What `verify --json` found, by node."""
        found: dict[str, tuple[str, ...]] = {node: () for node in self.hands.nodes("base")}
        for broken in [*report["failed"], *report.get("following", ())]:
            found[broken["node"]] = (*found.get(broken["node"], ()), f"{broken['role']}: {broken['promise']}")
        self.kept.prove(found, now_ms())

    def sends(self) -> bool:
        """Whether a burst or a vote was begun and has not ended."""
        return any(self._states[each].state == "running" for each in SENDING if each in self._states)

    def forget(self) -> None:
        """Every button is as in the beginning, but for those that run, and nothing is proved or counted."""
        self.kept.prove({}, 0)
        self.begin_anew()
        with self._lock:
            for moment in self._moments.values():
                if self._states[moment.id].state != "running":
                    self._states[moment.id] = _ready(moment)

    def mend(self, broken: Broken) -> None:
        """Mend what a moment broke, of this stage or of one that was killed."""
        verb, node = broken
        hands = self.hands
        verbs = {"start": hands.start, "plug": hands.plug, "empty": hands.empty, "remove": self._remove}
        verbs[verb](node)
        self.kept.remove(broken)

    def _remove(self, node: str) -> None:
        self.hands.remove(node, lambda line: None)

    def mend_what_was_left(self) -> list[Broken]:
        """What a stage that was killed had broken: mended now, and named."""
        left = list(self.kept.broken)
        for broken in left:
            self.mend(broken)
        return left

    def end(self, timeout_s: float = 60) -> None:
        """End what runs, mended. Returns when nothing of this stage is broken; PrimetimeError naming what is."""
        self.ending.set()
        self.hands.end()
        until = time.monotonic() + timeout_s
        for thread in list(self._threads.values()):
            thread.join(max(0.0, until - time.monotonic()))
        self.mend_what_was_left()

    def _commands_run(self) -> bool:
        return any(s.state == "running" and not self._moments[s.id].breaks for s in self._states.values())

    def _run(self, moment: Moment) -> None:
        act = Act(self, moment)
        try:
            with self.looking():
                state, line = "done", moment.run(act)
        except StageEnds:
            state, line = "failed", "ended with the stage"
        except Exception as error:  # a button must say what happened, whatever it was
            state, line = "failed", str(error) or type(error).__name__
        with self._lock:
            self._set(moment, state, line, now_ms())

    def _set(self, moment: Moment, state: str, line: str, since_ms: int) -> None:
        began_ms = since_ms if state == "running" else self._states[moment.id].began_ms
        self._states[moment.id] = MomentState(moment.id, moment.key, moment.name, state, line, since_ms, began_ms)


def _ready(moment: Moment) -> MomentState:
    return MomentState(moment.id, moment.key, moment.name, "ready", moment.line)


def _no_snapshot() -> Snapshot:
    raise PrimetimeError("the stage has not begun")


@contextmanager
def _nobody() -> Iterator[None]:
    yield
