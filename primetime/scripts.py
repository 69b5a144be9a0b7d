"""A shell script on a live host, by ssh. Called by what changes a host beside its roles: the stage and `demo reset`."""

from __future__ import annotations

import shlex
import subprocess

from primetime.errors import PrimetimeError

SCRIPT_S = 60.0


def run(config: str, node: str, script: str, within_s: float = SCRIPT_S) -> str:
    """What the script prints, by ssh's file `config`; PrimetimeError when one of its commands fails."""
    command = ["ssh", "-F", config, "-o", "ConnectTimeout=5", node, "--", f"sh -ec {shlex.quote(script)}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False)
    except subprocess.TimeoutExpired:
        raise PrimetimeError(f"{node}: a script did not end within {within_s:.0f} s") from None
    if done.returncode:
        raise PrimetimeError(f"{node}: {done.stderr.strip()[-300:] or f'exit code {done.returncode}'}")
    return done.stdout.strip()
