"""Which roles a change reaches, so that only those are validated. Called by the verb `validate --changed-since`.

A role's own files are roles/ROLE and templates/ROLE. It is reached, too, by what it imports or renders of other roles,
by what stands on its host beside it, and by what all roles share.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from primetime.artifacts import KINDS
from primetime.errors import PrimetimeError, UsageError
from primetime.needs import role as role_of
from primetime.paths import REPO
from primetime.validation.hosts import HOSTS

# No host has anything of these.
ELSEWHERE = ("bench", "docs", "inventories", "tests", "vagrant")
OF_A_KIND = {"jars": "jars"}  # folder → the artifact that is made of it, and of nothing else
_NAMED = re.compile(r"\b(?:roles|templates)[./]([a-z]+)\b")


def files_since(revision: str, repo: Path = REPO) -> list[str]:
    """Paths that differ from a revision of git's, committed or not, new ones too. UsageError when there is none."""
    if not shutil.which("git") or not (repo / ".git").exists():
        raise PrimetimeError(f"--changed-since asks git, and {repo} is no clone of it: leave the option out")
    if _git(repo, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").returncode:
        raise UsageError(f"--changed-since {revision}: git knows no such revision: fetch it, or name another")
    found = _git(repo, "diff", "--name-only", "--no-renames", revision).stdout
    return sorted({*found.splitlines(), *_git(repo, "ls-files", "--others", "--exclude-standard").stdout.splitlines()})


def _git(repo: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(repo), "-c", "safe.directory=*", "-c", "core.quotePath=off", *words]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def reached(files: Iterable[str], repo: Path = REPO) -> list[str]:
    """The roles that changed files reach, in the order of HOSTS."""
    parts = [Path(file).parts for file in files]
    if any(_shared(part) for part in parts):
        return list(HOSTS)
    own = {part[1] for part in parts if part[0] in ("roles", "templates") and len(part) > 2}
    own |= {role for part in parts if part[0] in OF_A_KIND for role in KINDS[OF_A_KIND[part[0]]][0]}
    return [role for role in HOSTS if own & depends_on(role, repo)]


def _shared(part: tuple[str, ...]) -> bool:
    """Whether all roles have a part in a file: the package, deploy.py, group_data and whatever is new at the top."""
    of_one_role = part[0] in ("roles", "templates") and len(part) > 2
    page = len(part) == 1 and (
        part[0].startswith(".") or part[0].endswith(".md") or part[0] in ("LICENSE", "Jenkinsfile")
    )
    hidden = part[0].startswith(".")  # .ci, .github
    return not (of_one_role or page or hidden or part[0] in (*ELSEWHERE, *OF_A_KIND))


def depends_on(role: str, repo: Path = REPO) -> set[str]:
    """A role, and all that its files and its host's other roles name of others, themselves or by way of others."""
    found: set[str] = set()
    waiting = {"base", role, *(role_of(each.replace("/", "_")) for each in HOSTS[role][0])}
    while waiting:
        one = waiting.pop()
        found.add(one)
        waiting |= _names(one, repo) - found
    return found


def _names(role: str, repo: Path) -> set[str]:
    files = [path for top in ("roles", "templates") for path in (repo / top / role).rglob("*") if path.is_file()]
    text = "\n".join(path.read_text(errors="replace") for path in files if path.suffix in (".py", ".j2"))
    return {
        name
        for name in _NAMED.findall(text)
        if (repo / "roles" / name).is_dir() or (repo / "templates" / name).is_dir()
    }
