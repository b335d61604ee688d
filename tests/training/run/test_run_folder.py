import errno
import json
import multiprocessing
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tiny_run import make_config

from wspace.errors import WspaceError
from wspace.training import loop
from wspace.training.run.folder import (
    Log,
    RunLock,
    create_run,
    read_config,
    truncate_log,
    write_config,
)


def test_runs_are_numbered_from_the_highest_there_is(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    assert create_run(out, "avatars-64").name == "00000-avatars-64"
    assert create_run(out, "other").name == "00001-other"
    (out / "00041-by-hand").mkdir()
    (out / "123-too-short").mkdir()
    assert create_run(out, "avatars-64").name == "00042-avatars-64"


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    run = create_run(tmp_path, "../../etc/x y")
    assert run.parent == tmp_path
    assert run.is_dir()


def _create(out: Path, name: str, found: Any) -> None:
    for _ in range(10):
        found.put(create_run(out, name).name)


def test_processes_that_start_at_once_get_numbers_of_their_own(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    found = context.Queue()
    processes = [context.Process(target=_create, args=(tmp_path, n, found)) for n in "abcd"]
    for process in processes:
        process.start()
    names = [found.get(timeout=30) for _ in range(40)]
    for process in processes:
        process.join()
    assert len({name[:5] for name in names}) == 40
    assert sorted(names) == sorted(os.listdir(tmp_path))


def test_a_place_that_cannot_hold_runs_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WspaceError, match="cannot make a run folder"):
        create_run(tmp_path / "file", "a")


@pytest.mark.parametrize("content", [None, b"{}"])
def test_a_model_to_start_from_that_cannot_be_read_leaves_no_run(
    tmp_path: Path, content: bytes | None
) -> None:
    model = tmp_path / "model.safetensors"
    if content is not None:
        model.write_bytes(content)
    with pytest.raises(WspaceError, match=r"model\.safetensors"):
        loop.start(make_config(tmp_path, start_from=str(model)), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_configuration_comes_back(tmp_path: Path) -> None:
    config = {"preset": "compact", "seed": 2**32 - 1, "learning_rate": 0.1 + 0.2, "none": None}
    write_config(tmp_path, config)
    assert read_config(tmp_path) == config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no config.json"),
        ("", "damaged"),
        ("[]", "damaged"),
        ("[" * 100_000, "damaged"),
        ("\xff", "damaged"),
        (" " * (2**20 + 1), "larger than"),
    ],
)
def test_a_folder_that_is_no_run_is_told_so(
    tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(WspaceError, match=message):
        read_config(tmp_path)


def test_a_missing_run_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(WspaceError, match=r"is no folder.*give a run folder"):
        read_config(tmp_path / "missing")


def test_the_second_holder_is_told_who_has_the_lock(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from wspace.training.run.folder import RunLock\n"
        "with RunLock(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        expected = rf"in use by process {holder.pid} on {re.escape(os.uname().nodename)} since 20"
        with pytest.raises(WspaceError, match=expected), RunLock(tmp_path):
            pass
        holder.kill()  # as a power cut: nothing is cleaned up
        holder.wait()
        with RunLock(tmp_path):
            assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_the_lock_is_free_again_after_use_and_after_an_error(tmp_path: Path) -> None:
    with RunLock(tmp_path), pytest.raises(WspaceError), RunLock(tmp_path):
        pass
    with pytest.raises(KeyError), RunLock(tmp_path):
        raise KeyError
    with RunLock(tmp_path):
        pass


def test_a_lock_file_of_nonsense_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(b"\xff" * 5000)
    with RunLock(tmp_path):
        assert len((tmp_path / "lock").read_bytes()) < 500


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_line_is_in_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with Log(path) as log:
        log.write({"step": 1})
        assert lines(path) == [{"step": 1}]
        log.write({"step": 2})
        assert lines(path) == [{"step": 1}, {"step": 2}]


@pytest.mark.parametrize("torn", ["x", '{"step": 2', "y" * 200_000])
def test_a_torn_last_line_is_cut(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n' + torn)
    with Log(path) as log:
        log.write({"step": 2})
    assert lines(path) == [{"step": 1}, {"step": 2}]


def test_a_full_disk_costs_lines_and_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.jsonl"
    told: list[str] = []
    log = Log(path, warn=told.append)
    log.write({"step": 1})
    write, room = os.write, 5

    def full(descriptor: int, content: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room = 0
        return write(descriptor, content[:5])  # the disk takes half a line, then no more

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        log.write({"step": 2})
        log.write({"step": 3})
    assert lines(path) == [{"step": 1}]
    log.write({"step": 4})
    log.close()
    assert lines(path) == [{"step": 1}, {"event": "log lines lost", "count": 2}, {"step": 4}]
    assert len(told) == 1
    assert "No space left on device" in told[0]


def test_a_log_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(WspaceError, match=r"cannot write .*log\.jsonl"):
        Log(tmp_path / "missing" / "log.jsonl")


def test_lines_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with Log(path) as log:
        for step in range(1, 6):
            log.write({"step": step})
    before = path.read_text()
    truncate_log(tmp_path, 3)
    assert lines(path) == [{"step": 1}, {"step": 2}, {"step": 3}]
    with Log(path) as log:
        for step in (4, 5):
            log.write({"step": step})
    assert path.read_text() == before


def test_a_line_about_going_back_stays_with_the_step_it_goes_back_to(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    records = [{"step": 1}, {"step": 2}, {"step": 1, "event": "rollback"}, {"step": 2}, {"a": 1}]
    with Log(path) as log:
        for record in records:
            log.write(record)
    truncate_log(tmp_path, 1)
    assert lines(path) == records[:3]


def test_dropping_from_a_log_with_nonsense_or_none_is_safe(tmp_path: Path) -> None:
    truncate_log(tmp_path, 3)
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'\xff\n{"step": 1}\n[]\n{"step": true}\n{"step": 9}\n{"step": 2')
    truncate_log(tmp_path, 3)
    assert path.read_bytes() == b'\xff\n{"step": 1}\n'
    truncate_log(tmp_path, 0)
    assert path.read_bytes() == b""


def test_two_threads_of_one_process_cannot_both_hold_the_lock(tmp_path: Path) -> None:
    told: list[str] = []

    def second() -> None:
        try:
            with RunLock(tmp_path):
                pass
        except WspaceError as error:
            told.append(str(error))

    with RunLock(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert str(os.getpid()) in told[0]
