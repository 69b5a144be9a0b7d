"""The suite's groups are its folders."""

from primetime.cli.test import GROUPS
from primetime.paths import REPO


def test_every_folder_of_tests_is_a_group() -> None:
    folders = {path.parent.name for path in (REPO / "tests").glob("*/test_*.py")}
    assert folders == set(GROUPS), "name the folder, and what it is for, in GROUPS of primetime/cli/test.py"
