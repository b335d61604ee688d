"""What this machine is good at."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from wspace.errors import WspaceError
from wspace.machine import (
    choose_device,
    choose_precision,
    compiled,
    compiler_at_hand,
    compiling_pays,
    compiling_training_pays,
    cpu_capability,
)
from wspace.ops.choose import has_matrix_units

_FAULTS = """\
import resource, torch
from wspace.machine import keep_freed_memory
assert keep_freed_memory()
torch.ones(2**24)  # 64 MiB: 16384 pages, freed at once
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    torch.ones(2**22)  # 4096 pages
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_kept_memory_is_used_again_without_page_faults() -> None:
    command = [sys.executable, "-c", _FAULTS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(WspaceError, match="device='nonsense' is not to be had here"):
        choose_device("nonsense")
    assert choose_device("cpu") == torch.device("cpu")


def test_compiling_pays_where_convolutions_are_quick() -> None:
    assert not compiling_pays("cpu", "fp32")
    assert compiling_pays("cuda", "fp32")
    assert compiling_pays("cpu", "bf16") == compiler_at_hand()


def test_compiling_training_pays_on_matrix_units() -> None:
    assert compiling_training_pays("cuda", "bf16")
    assert not compiling_training_pays("cpu", "fp32")
    units = has_matrix_units() and compiler_at_hand()
    assert compiling_training_pays("cpu", "bf16") == units


def test_the_precision_is_one_that_there_is() -> None:
    assert choose_precision("cpu") in ("fp32", "bf16")
    if "BF16" in cpu_capability() or has_matrix_units():
        assert choose_precision("cpu") == "bf16"  # however busy the machine is
    assert cpu_capability().split()[0] == torch.backends.cpu.get_cpu_capability()
    assert cpu_capability().endswith(" AMX") == has_matrix_units()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of its compiler
def test_what_is_compiled_lies_in_a_folder_that_no_other_user_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for root in (tmp_path / "cache", None):  # without a home folder there is none
        monkeypatch.setattr("wspace.machine.cache_root", lambda root=root: root)
        monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
        compiled(torch.nn.Identity())
        folder = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])
        assert folder.stat().st_mode & 0o077 == 0
        assert (folder.parent == root) == (root is not None)
