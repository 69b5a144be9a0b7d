"""A command line that makes no sense is answered in one sentence, with exit code 2, before anything is touched."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from primetime.cli import main, ssh

TOPOLOGY = """\
name: test-nowhere-up
provider: nspawn
image: bookworm
shows: [a]
groups:
  cache: {roles: [redis], count: 2, memory_mb: 256}
"""


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["primetime", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(str(ended.value.code)), capsys.readouterr().err


@pytest.fixture
def topology(tmp_path: Path) -> str:
    path = tmp_path / "t.yml"
    path.write_text(TOPOLOGY)
    return str(path)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("convrege", "there is no verb convrege: did you mean converge?"),
        ("xyz", "there is no verb xyz: choose one of "),
        ("converge --speed 3", "unrecognized arguments: --speed 3"),
        ("converge -t", "argument -t/--topology: expected one argument"),
        ("ssh", "the following arguments are required: node"),
        ("ssh cache-1 -x", "ssh has no option -x: what stands after NODE is -t TOPOLOGY, or the command"),
        ("ssh cache-1 -t", "ssh -t: write which topology"),
    ],
)
def test_what_is_no_command_says_so(
    words: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = said(monkeypatch, capsys, *words.split())
    assert (code, err.startswith(f"primetime: {sentence}"), err.count("\n")) == (2, True, 1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("converge --limit cahce-1", "no node cahce-1 in {topology}: did you mean cache-1?"),
        ("converge --limit cache-1,x", "no node x in {topology}: it has cache-1, cache-2"),
        ("ssh store-9", "no node store-9 in {topology}: it has cache-1, cache-2"),
        ("ssh cache-1", "test-nowhere-up: cache-1 is not running: bin/primetime up -t {topology} --yes starts it"),
        ("verify", "test-nowhere-up: no machine is up: bin/primetime up -t {topology} --yes makes them"),
    ],
)
def test_what_is_not_there_is_named_with_what_to_do(
    words: str, sentence: str, topology: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verb, *rest = words.split()
    code, err = said(monkeypatch, capsys, verb, "-t", topology, *rest)
    assert (code, err.splitlines()[-1]) == (2, f"primetime: {sentence.format(topology=topology)}")


@pytest.mark.parametrize("option", ["-t {}", "--topology {}", "--topology={}"])
@pytest.mark.parametrize("command", ["", " -- ls -t", " ls -t x"])
def test_ssh_takes_its_topology_after_the_node_too(
    option: str, command: str, topology: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"ssh cache-1 {option.format(topology)}{command}".split()
    code, err = said(monkeypatch, capsys, *words)
    assert (code, err.startswith("primetime: test-nowhere-up: cache-1 is not running")) == (2, True)


def test_what_stands_after_the_command_is_the_command_s() -> None:
    for words in (["ls", "-t", "x"], ["--", "ls", "-t", "x"]):
        assert ssh._after_node(words, "demo") == ("demo", ["ls", "-t", "x"])
    assert ssh._after_node(["-t", "other", "--", "-t"], "demo") == ("other", ["-t"])
