"""The secrets file: what it shows and hides, whose key opens it, and that no change is lost or half done."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from primetime.drivers.nspawn.state import write_text
from primetime.errors import PrimetimeError, UsageError
from primetime.paths import REPO
from primetime.secrets import store as store_module
from primetime.secrets import topology as secrets
from primetime.secrets.keys import Key, new
from primetime.secrets.store import Store
from primetime.topology import Topology, parse

LONG_AGO = "2025-11-29T09:00:00+00:00"
CANARY = "canary-Zk3vQ8"
TOPOLOGY = """\
name: small
provider: nspawn
image: bookworm
shows: [quiz-20261121]
groups: {cache: {roles: [redis], count: 1, memory_mb: 256}}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PRIMETIME_SECRET_KEY", raising=False)
    monkeypatch.setenv("PRIMETIME_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def small(home: Path, tmp_path: Path) -> Topology:
    (tmp_path / "small.yml").write_text(TOPOLOGY)
    return parse(TOPOLOGY, str(tmp_path / "small.yml"))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.delenv("PRIMETIME_SECRET_KEY", raising=False)
    return Store(tmp_path / "small.secrets", Key(tmp_path / "keys" / "small.key"))


def text(store: Store, name: str) -> str:
    found = store.get(name)
    assert found
    return found.text


def secret(*words: str, topology: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "primetime", "secret", *words, "-t", str(topology)]
    return subprocess.run(command, cwd=REPO, input=stdin, capture_output=True, text=True)


def test_a_value_comes_back_as_it_was_set(store: Store) -> None:
    store.set({"redis_shipper": "= a b = ü\\"})
    assert text(store, "redis_shipper") == "= a b = ü\\"


def test_the_file_shows_names_and_dates_and_no_value(store: Store) -> None:
    store.set({"redis_shipper": CANARY})
    line = store.file.read_text().splitlines()[1]
    assert re.fullmatch(r"redis_shipper: \{set: '\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00', value: gAAAA[\w=-]+\}", line)


def test_a_change_of_one_secret_changes_its_line_alone(store: Store) -> None:
    store.set({"a_x": "1", "b_x": "2", "c_x": "3"})
    before = store.file.read_text().splitlines()
    store.set({"b_x": "4"})
    changed = [line for line in store.file.read_text().splitlines() if line not in before]
    assert [line.split(":")[0] for line in changed] == ["b_x"]


def test_file_and_key_are_their_owner_s_alone(store: Store) -> None:
    store.set({"redis_shipper": CANARY})
    assert [path.stat().st_mode & 0o777 for path in (store.file, store.key.file)] == [0o600, 0o600]
    assert store.key.file.parent.stat().st_mode & 0o777 == 0o700


def test_another_key_is_refused_with_a_sentence_that_says_where_the_right_one_belongs(store: Store) -> None:
    store.set({"redis_shipper": CANARY})
    store.key.write([new()])
    with pytest.raises(PrimetimeError, match=f"redis_shipper cannot be decrypted: {store.key.file}"):
        store.get("redis_shipper")


def test_nothing_is_set_under_a_key_that_does_not_open_the_rest(store: Store) -> None:
    store.set({"redis_shipper": CANARY})
    before = store.file.read_text()
    store.key.write([new()])
    with pytest.raises(PrimetimeError, match="cannot be decrypted"):
        store.set({"redis_monitoring": "x"})
    assert store.file.read_text() == before


def test_a_lost_key_is_no_reason_to_make_another(store: Store) -> None:
    store.set({"redis_shipper": CANARY})
    store.key.file.unlink()
    with pytest.raises(PrimetimeError, match=r"put it back there, or into PRIMETIME_SECRET_KEY"):
        store.set({"redis_monitoring": "x"})
    assert not store.key.file.exists()


def test_the_environment_s_key_opens_the_file_where_there_is_none_on_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.set({"redis_shipper": CANARY})
    monkeypatch.setenv("PRIMETIME_SECRET_KEY", store.key.file.read_text().strip())
    store.key.file.unlink()
    assert text(store, "redis_shipper") == CANARY


def test_a_key_that_is_none_is_not_quoted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.set({"redis_shipper": CANARY})
    monkeypatch.setenv("PRIMETIME_SECRET_KEY", "my-own-words")
    with pytest.raises(PrimetimeError) as caught:
        store.get("redis_shipper")
    assert "is no key" in str(caught.value) and "my-own-words" not in str(caught.value)


def test_a_line_with_another_s_ciphertext_is_refused(store: Store) -> None:
    store.set({"redis_shipper": "1", "redis_controller": "2"})
    tokens = {name: entry.token for name, entry in store.entries().items()}
    moved = store.file.read_text().replace(tokens["redis_controller"], tokens["redis_shipper"])
    store.file.write_text(moved)
    with pytest.raises(PrimetimeError, match="the line of redis_controller carries the value of redis_shipper"):
        store.get("redis_controller")


def test_a_new_key_keeps_values_and_dates_and_the_old_one_opens_nothing(store: Store) -> None:
    store.set({"redis_shipper": CANARY})
    since, old = store.entries()["redis_shipper"].since, store.key.read()
    store.change_key()
    assert (text(store, "redis_shipper"), store.entries()["redis_shipper"].since) == (CANARY, since)
    store.key.write(old)
    with pytest.raises(PrimetimeError, match="cannot be decrypted"):
        store.get("redis_shipper")


@pytest.mark.parametrize("files_written", [0, 1, 2])
def test_a_change_of_the_key_cut_short_anywhere_leaves_what_can_be_read(
    store: Store, files_written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.set({"redis_shipper": CANARY})
    left = [files_written]

    def write(path: Path, content: str, mode: int = 0o644) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        write_text(path, content, mode)

    monkeypatch.setattr(store_module, "write_text", write)
    monkeypatch.setattr("primetime.secrets.keys.write_text", write)
    with pytest.raises(KeyboardInterrupt):
        store.change_key()
    assert text(store, "redis_shipper") == CANARY


def test_two_commands_at_once_lose_no_value(store: Store) -> None:
    program = (
        "import sys; from pathlib import Path; from primetime.secrets.keys import Key\n"
        "from primetime.secrets.store import Store\n"
        "store = Store(Path(sys.argv[1]), Key(Path(sys.argv[2])))\n"
        "for number in range(10): store.set({f'{sys.argv[3]}_{number}': 'x'})\n"
    )
    command = [sys.executable, "-c", program, str(store.file), str(store.key.file)]
    both = [subprocess.Popen([*command, name], cwd=REPO) for name in ("left", "right")]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(store.entries()) == 20
    assert [text(store, name) for name in store.entries()] == ["x"] * 20


def test_what_is_no_secrets_file_is_named_and_not_quoted(store: Store) -> None:
    store.file.write_text(f"redis_shipper: {CANARY}: {{\n")
    with pytest.raises(PrimetimeError) as caught:
        store.entries()
    assert "not a secrets file" in str(caught.value) and CANARY not in str(caught.value)


def test_a_printed_value_is_its_name(store: Store) -> None:
    store.set({"redis_shipper": CANARY})
    value = store.get("redis_shipper")
    assert f"{value} {value!r} {[value]}" == "<secret redis_shipper> <secret redis_shipper> [<secret redis_shipper>]"


def test_what_a_local_topology_misses_is_made_once(small: Topology) -> None:
    assert secrets.make_missing(small) == ["redis_controller", "redis_monitoring", "redis_shipper"]
    before = [secrets.value(small, name).text for name in secrets.declared(small)]
    assert secrets.make_missing(small) == []
    assert [secrets.value(small, name).text for name in secrets.declared(small)] == before
    assert len({*before}) == 3 and min(map(len, before)) >= 43


def test_a_secret_that_a_role_asks_for_later_is_made_beside_the_others(small: Topology) -> None:
    secrets.store(small).set({"redis_shipper": CANARY})
    assert secrets.make_missing(small) == ["redis_controller", "redis_monitoring"]
    assert secrets.value(small, "redis_shipper").text == CANARY


def test_a_host_is_told_since_when_its_own_secrets_are_what_they_are(small: Topology) -> None:
    secrets.make_missing(small)
    store = secrets.store(small)
    assert isinstance(store, Store)
    line = store.file.read_text().splitlines()[3]
    assert line.startswith("redis_shipper: ")
    store.file.write_text(store.file.read_text().replace(line, re.sub(r"set: '[^']*'", f"set: '{LONG_AGO}'", line)))
    assert secrets.since(small, ["base", "shipper"]) == {"redis_shipper": datetime.fromisoformat(LONG_AGO)}
    assert list(secrets.since(small, ["base", "redis"])) == ["redis_controller", "redis_monitoring", "redis_shipper"]


def test_a_missing_secret_says_what_it_is_for_and_which_command_puts_it_where(small: Topology, home: Path) -> None:
    with pytest.raises(PrimetimeError) as caught:
        secrets.check(small)
    assert str(caught.value).splitlines()[2] == (
        f"Secret redis_shipper of small (redis: the shipper counts) is not in {home}/secrets/small.secrets: "
        f"bin/primetime up -t {small.file} makes it, or bin/primetime secret set redis_shipper -t {small.file}"
    )


def test_set_takes_the_value_from_standard_input_and_shows_it_nowhere(small: Topology) -> None:
    done = secret("set", "redis_shipper", topology=Path(small.file), stdin=f"{CANARY}\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert secrets.value(small, "redis_shipper").text == CANARY
    listed = secret("list", "--json", topology=Path(small.file))
    assert listed.returncode == 3  # the other two are not set
    assert CANARY not in done.stdout + listed.stdout + listed.stderr
    assert json.loads(listed.stdout)["missing"] == ["redis_controller", "redis_monitoring"]


@pytest.mark.parametrize("stdin", ["", "\n", "a\nb\n", "a\x00b"])
def test_what_is_not_one_line_of_characters_is_refused(small: Topology, stdin: str) -> None:
    done = secret("set", "redis_shipper", topology=Path(small.file), stdin=stdin)
    assert (done.returncode, "redis_shipper was not set" in done.stderr) == (2, True)


def test_set_takes_no_value_as_an_argument(small: Topology) -> None:
    assert secret("set", "redis_shipper", CANARY, topology=Path(small.file)).returncode == 2
    assert secrets.store(small).entries() == {}


def test_a_name_that_no_role_declares_is_refused_with_the_nearest(small: Topology) -> None:
    done = secret("set", "redis_shiper", topology=Path(small.file), stdin="x")
    assert (done.returncode, "did you mean redis_shipper?" in done.stderr) == (2, True)


def test_rotate_makes_another_value_and_says_what_to_run_next(small: Topology) -> None:
    secrets.make_missing(small)
    before = {name: secrets.value(small, name).text for name in secrets.declared(small)}
    done = secret("rotate", "redis_shipper", topology=Path(small.file))
    after = {name: secrets.value(small, name).text for name in before}
    assert [name for name in before if before[name] != after[name]] == ["redis_shipper"]
    assert f"until you run: bin/primetime converge -t {small.file}" in done.stdout
    assert "the shipper logs in again" in done.stdout


def test_rotate_of_nothing_says_what_could_be_rotated(small: Topology) -> None:
    done = secret("rotate", topology=Path(small.file))
    assert (done.returncode, "--all or --key" in done.stderr) == (2, True)


def test_a_secret_from_elsewhere_is_set_and_not_rotated(small: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = secrets.Secret("redis_token", "a pager's", "Redis restarts", random_bytes=0)
    monkeypatch.setattr(secrets.known()["redis"], "secrets", (elsewhere,))
    assert secrets.make_missing(small) == []
    with pytest.raises(PrimetimeError, match=r"redis_token of small .*: bin/primetime secret set redis_token -t"):
        secrets.check(small)


@pytest.mark.parametrize(
    ("settings", "needed"),
    [("", False), ("settings: {redis_maxmemory_mb: 0}", False), ("settings: {redis_maxmemory_mb: 7}", True)],
)
def test_a_secret_is_needed_only_with_its_setting(
    settings: str, needed: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = secrets.Secret("redis_token", "a pager's", "Redis restarts", when="maxmemory_mb")
    monkeypatch.setattr(secrets.known()["redis"], "secrets", (token,))
    assert ("redis_token" in secrets.declared(parse(TOPOLOGY + settings, "small.yml"))) == needed


def test_a_typing_error_in_a_deploy_is_told(small: Topology) -> None:
    with pytest.raises(UsageError, match="small has no secret redis_shpper"):
        secrets.value(small, "redis_shpper")
