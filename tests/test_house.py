"""Arrows point downwards: the contracts in pyproject.toml."""

import subprocess
import sys
from pathlib import Path


def test_the_contracts_are_kept():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-2000:]
