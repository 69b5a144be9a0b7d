"""Single facts about the controlling machine that take more than reading one file. Called by facts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

LOOK_S = 10  # a command that takes longer has hung


def memory_available_mb(meminfo: str) -> int:
    """MemAvailable of the text of /proc/meminfo, in MiB."""
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 0


def writable(folder: Path) -> bool:
    """Whether a file system takes writes at all: /proc/sys does not in most containers."""
    return not os.statvfs(folder).f_flag & os.ST_RDONLY


def built_s(repo: Path) -> float:
    """When this primetime was made: its last commit, or its newest file where there is no git."""
    command = ["git", "-C", str(repo), "-c", "safe.directory=*", "log", "-1", "--format=%ct"]
    if shutil.which("git"):
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOOK_S)
        if done.returncode == 0 and done.stdout.strip().isdigit():
            return float(done.stdout)
    return max(path.stat().st_mtime for path in repo.glob("primetime/*.py"))


def synchronised() -> bool | None:
    """What chrony or systemd say of this machine's clock; None when neither runs here."""
    for command, yes in (
        (["chronyc", "-c", "tracking"], None),
        (["timedatectl", "show", "-P", "NTPSynchronized"], "yes"),
    ):
        if shutil.which(command[0]) is None:
            continue
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOOK_S)
        if done.returncode == 0:
            return done.stdout.strip() == yes if yes else not done.stdout.strip().endswith("Not synchronised")
    return None


def dropping_chains() -> list[str]:
    """The chains of this machine's firewall that drop forwarded packets and have no word of ours: needs root."""
    if shutil.which("nft") is None:
        return []
    done = subprocess.run(["nft", "-j", "list", "ruleset"], capture_output=True, text=True, timeout=LOOK_S)
    return parse_chains(json.loads(done.stdout)["nftables"]) if done.returncode == 0 else []


def parse_chains(ruleset: list[dict[str, Any]]) -> list[str]:
    """`family table chain` of each base chain that drops by policy, less those that let our bridges through both ways.

    `ruleset` is the list in `nft -j list ruleset`. Docker's FORWARD is the usual one.
    """
    dropping = []
    for chain in (entry["chain"] for entry in ruleset if "chain" in entry):
        if chain.get("hook") == "forward" and chain.get("policy") == "drop":
            place = (chain["family"], chain["table"], chain["name"])
            rules = [json.dumps(entry["rule"]) for entry in ruleset if _place(entry.get("rule")) == place]
            ways = ("iifname", "oifname")
            if not all(any(way in rule and '"pt-' in rule and '"accept"' in rule for rule in rules) for way in ways):
                dropping.append(" ".join(place))
    return dropping


def _place(rule: dict[str, Any] | None) -> tuple[str, str, str] | None:
    return (rule["family"], rule["table"], rule["chain"]) if rule else None


def overlay_problem(state: Path) -> str:
    """Why a host's root could not be mounted where hosts will be; empty when it could. Needs root."""
    there = next(folder for folder in (state, *state.parents) if folder.is_dir())
    with tempfile.TemporaryDirectory(prefix=".primetime-doctor-", dir=there) as folder:
        for name in ("lower", "upper", "work", "root"):
            Path(folder, name).mkdir()
        mount = "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root"
        command = ["unshare", "--mount", "sh", "-c", f"cd {folder} && {mount}"]
        return _complaint(command, f"cannot mount an overlay below {there}")


def namespace_problem() -> str:
    """Why a host could not have namespaces of its own; empty when it could. Needs root."""
    command = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "true"]
    return _complaint(command, "cannot make namespaces")


def _complaint(command: list[str], what: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=LOOK_S)
    return f"{what}: {done.stderr.strip().splitlines()[-1:] or ['no reason given']}" if done.returncode else ""
