import os
import subprocess
import sys

import pytest

from resnet_tutorial import InputError
from resnet_tutorial.files import write_atomic


def test_it_writes_with_the_usual_permissions(tmp_path):
    write_atomic(tmp_path / "new" / "a.bin", b"abc")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"abc"
    assert (tmp_path / "new" / "a.bin").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_interrupt_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "a.bin", b"abc")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot write"):
        write_atomic(tmp_path / "file" / "a.bin", b"abc")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_a_full_disk_keeps_the_old_file(tmp_path):
    """The operating system refuses the write in the middle, as it does on a full disk."""
    script = (
        "import resource, signal, sys; from pathlib import Path; from resnet_tutorial.files import write_atomic\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "write_atomic(Path(sys.argv[1]), b'x' * 100_000)"
    )
    target = tmp_path / "last.pt"
    target.write_bytes(b"old")
    result = subprocess.run([sys.executable, "-c", script, str(target)], capture_output=True, text=True)
    assert result.returncode != 0 and "cannot write" in result.stderr
    assert target.read_bytes() == b"old" and os.listdir(tmp_path) == ["last.pt"]
