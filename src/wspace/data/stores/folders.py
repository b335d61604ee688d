"""A folder of files, nested or not, and the folders that it links to."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

from wspace.data.kinds import is_skipped_folder
from wspace.data.stores.store import Listed, Store
from wspace.errors import WspaceError, one_line

__all__ = ["Folder"]


class Folder(Store):
    """The files below a folder. Linked folders are followed, each folder once."""

    def files(self) -> list[Listed]:
        """Every file; linked folders come last, so that what is read twice keeps its own name."""
        entries: list[Listed] = []
        waiting, linked, seen = [self.path], list[Path](), set[tuple[int, int]]()
        try:
            while waiting or linked:
                folder = waiting.pop() if waiting else linked.pop(0)
                status = folder.stat()
                if (status.st_dev, status.st_ino) in seen:
                    self.left_out["links to folders that are here already"] += 1
                    continue
                seen.add((status.st_dev, status.st_ino))
                with os.scandir(folder) as inside:
                    found = sorted(inside, key=lambda file: file.name)
                for file in found:
                    relative = Path(file.path).relative_to(self.path).as_posix()
                    if _is_folder(file):
                        if is_skipped_folder(file.name):
                            self.left_out[f"folders {one_line(file.name)}"] += 1
                        else:
                            (linked if file.is_symlink() else waiting).append(Path(file.path))
                    else:
                        entries += self._listed(file, relative)
        except OSError as error:
            raise WspaceError(
                f"{error.filename}: cannot be read ({error.strerror}): check its rights."
            ) from None
        return entries

    def _listed(self, file: os.DirEntry[str], relative: str) -> list[Listed]:
        try:
            status = file.stat()
        except OSError:  # a link to nowhere: named when it is read
            return [Listed(relative, 0, None, relative)]
        if not stat.S_ISREG(status.st_mode):  # a pipe named a.png would block for ever
            self.left_out["pipes and devices"] += 1
            return []
        return [Listed(relative, status.st_size, None, relative)]

    def open(self, stored: str) -> tuple[int, IO[bytes]]:
        """As `Store.open`."""
        file = open(self.path / stored, "rb")  # noqa: SIM115
        return os.fstat(file.fileno()).st_size, file


def _is_folder(file: os.DirEntry[str]) -> bool:
    try:
        return file.is_dir()
    except OSError:  # a link that leads in a circle
        return False
