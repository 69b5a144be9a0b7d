"""Alerts for real: something is broken on hosts, the alert arrives, and when it is mended word of that arrives too.

What arrives is what Alertmanager sends to a receiver of ours on the monitoring host. Expressions are those of the
roles. Durations are shrunk, and one threshold (SHRUNK); where filling something up would take hours, so are budgets.
What mends it is the alert's runbook: its commands, word for word, on hosts that have the names in it.
"""

from __future__ import annotations

import json
import urllib.request

import pytest

from primetime.inventory import live
from primetime.topology import load
from tests.alerts.conftest import TOLD, WATCH
from tests.alerts.fired import FIRED, Fault
from tests.conftest import Bench
from tests.operations_page import commands
from tests.waiting import wait_for

pytestmark = pytest.mark.long

SETTLES_S = 180  # until what was started serves
ARRIVES_S = 180  # a session ends, a DataNode is given up, on a busy machine


def told(bench: Bench) -> list[tuple[str, str]]:
    """(alert, `firing` or `resolved`) of each word that arrived, in order."""
    lines = bench.ssh(WATCH, "sh", "-c", f"cat {TOLD} 2>/dev/null || true").splitlines()
    return [
        (each["labels"]["alertname"], each["status"]) for line in lines if line for each in json.loads(line)["alerts"]
    ]


def firing(bench: Bench) -> set[str]:
    """What Alertmanager has, in which a daemon that does not tell how it is would be."""
    address, port = live(load(str(bench.topology))).endpoint("monitoring", "alertmanager")
    with urllib.request.urlopen(f"http://{address}:{port}/api/v2/alerts", timeout=10) as answer:
        return {alert["labels"]["alertname"] for alert in json.load(answer)}


def run_the_runbook(bench: Bench, fault: Fault) -> None:
    """What looks may find it broken; what mends has to work, and what it says at its end to be good."""
    page = f"docs/runbooks/{fault.alert}.md"
    for verb, *words in commands("console", page):
        assert bench.run(verb, *words, check=False).returncode != 2, (verb, words)
    segments = fault.segments(bench)
    fault.by_hand(bench)
    for words in commands("sh", page):
        for segment in segments if "SEGMENT" in words else [""]:
            mend(bench, [word.replace("SEGMENT", segment) for word in words])


def mend(bench: Bench, words: list[str]) -> None:
    """What a person does who follows it: `verify` again until it is good, `ledger` whatever still waits."""
    said = ""

    def good() -> bool:
        nonlocal said
        done = bench.run(words[0], *words[1:], check=False)
        said = f"{words} exited {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        assert done.returncode == 0 or (done.returncode == 3 and words[0] in ("verify", "ledger")), said
        return done.returncode == 0 or words[0] == "ledger"

    wait_for(good, said, SETTLES_S)


@pytest.mark.parametrize("fault", FIRED, ids=lambda fault: f"{fault.alert} {fault.how.__name__}")
def test_an_alert_arrives_and_its_runbook_ends_it(request: pytest.FixtureRequest, fault: Fault) -> None:
    watched: Bench = request.getfixturevalue(fault.cluster)
    wait_for(lambda: firing(watched) == {"Watchdog"}, "nothing fires before it", ARRIVES_S)
    watched.ssh(WATCH, "rm", "-f", TOLD)
    try:
        fault.how(watched)
        wait_for(lambda: (fault.alert, "firing") in told(watched), f"{fault.alert} arrives", ARRIVES_S)
        run_the_runbook(watched, fault)
        wait_for(lambda: (fault.alert, "resolved") in told(watched), f"word that {fault.alert} is over", ARRIVES_S)
    finally:
        fault.after(watched)
