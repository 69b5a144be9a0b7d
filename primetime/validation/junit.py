"""Outcomes as JUnit's XML, which CI servers read: a suite for each role on a distribution, a test for each step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from primetime.validation.case import ERROR, FAILED, SKIPPED, Outcome, Step

_TAGS = {FAILED: "failure", ERROR: "error", SKIPPED: "skipped"}
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def report(outcomes: Sequence[Outcome]) -> str:
    """The document."""
    steps = [step for outcome in outcomes for step in outcome.steps]
    root = ElementTree.Element("testsuites", {"name": "validate", **_counts(steps)})
    for outcome in outcomes:
        suite = ElementTree.SubElement(root, "testsuite", {"name": str(outcome.case), **_counts(outcome.steps)})
        for step in outcome.steps:
            _test(suite, f"{outcome.case.release}.{outcome.case.role}", step)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _counts(steps: Sequence[Step]) -> dict[str, str]:
    def how_many(verdict: str) -> str:
        return str(sum(step.verdict == verdict for step in steps))

    return {
        "tests": str(len(steps)),
        "failures": how_many(FAILED),
        "errors": how_many(ERROR),
        "skipped": how_many(SKIPPED),
        "time": f"{sum(step.seconds for step in steps):.1f}",
    }


def _test(suite: ElementTree.Element, where: str, step: Step) -> None:
    test = ElementTree.SubElement(suite, "testcase", classname=where, name=step.name, time=f"{step.seconds:.1f}")
    if step.verdict in _TAGS:
        said = [_NOT_XML.sub("?", sentence) for sentence in step.said]
        told = ElementTree.SubElement(test, _TAGS[step.verdict], message=said[0] if said else "not tried")
        told.text = "\n".join(said)
