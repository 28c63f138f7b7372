"""The commit of this code."""

import subprocess
from pathlib import Path


def commit() -> tuple[str, bool]:
    """Return the hash of the commit, and whether files differ from it.

    The hash is empty outside a repository or without git.
    """
    return _git("rev-parse", "HEAD"), bool(_git("status", "--porcelain"))


def _git(*arguments: str) -> str:
    """Return the output of git about this code; empty outside a repository or without git."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return ""
    command = ["git", *arguments]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
