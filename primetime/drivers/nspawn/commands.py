"""Run the tools that this driver stands on, and say what is missing when one is not there.

Called by every module beside this one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from primetime.errors import PrimetimeError

PACKAGE_OF = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "setsid": "util-linux",
    "unshare": "util-linux",
}


@cache
def require() -> None:
    """Raise PrimetimeError unless this process is root and every tool is installed."""
    if os.geteuid() != 0:
        raise PrimetimeError("Machines by systemd-nspawn need root: run the same command with sudo")
    packages = sorted({package for tool, package in PACKAGE_OF.items() if shutil.which(tool) is None})
    if packages:
        raise PrimetimeError(f"This machine lacks {', '.join(packages)}: apt-get install -y {' '.join(packages)}")


def has(tool: str) -> bool:
    """Whether a tool is on this machine: `doctor` looks around before anything is installed."""
    return shutil.which(tool) is not None


def run(*argv: str | Path, stdin: str = "") -> str:
    """Standard output of a command; PrimetimeError with its last words when it fails."""
    done = attempt(*argv, stdin=stdin)
    if done.returncode != 0:
        raise PrimetimeError(f"{' '.join(map(str, argv))} failed (exit {done.returncode}): {last_words(done.stderr)}")
    return done.stdout


def attempt(*argv: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The finished command, whatever its exit code."""
    return subprocess.run(list(map(str, argv)), input=stdin, capture_output=True, text=True, check=False)


def last_words(text: str, lines: int = 5) -> str:
    """The last lines of what a command said, on one line."""
    return "; ".join(line.strip() for line in text.strip().splitlines()[-lines:]) or "it said nothing"
