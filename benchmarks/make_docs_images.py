"""Makes the pictures of docs/steering.md by running its very commands.

python benchmarks/make_docs_images.py                the bundled model, into docs/images
python benchmarks/make_docs_images.py --model RUN    another model in the place of avatars
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs/steering.md"
MOST_BYTES = 3_000_000  # of the whole folder


def main() -> None:
    """Run each command, then copy each picture that the guide shows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="avatars")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/images")
    arguments = parser.parse_args()
    model = arguments.model
    if Path(model).exists():
        model = str(Path(model).resolve())
    text = GUIDE.read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        for command in commands:
            words = [model if word == "avatars" else word for word in shlex.split(command)]
            if words[1] == "reproduce":
                words += ["--model", model]
            print("$", command, flush=True)
            program = [sys.executable, "-c", "from wspace.cli.main import main; main()"]
            subprocess.run([*program, *words[1:]], cwd=folder, check=True)
        arguments.out.mkdir(parents=True, exist_ok=True)
        for name in re.findall(r"\]\(images/([^)]+)\)", text):
            (found,) = Path(folder).rglob(name)
            shutil.copyfile(found, arguments.out / name)
    total = sum(path.stat().st_size for path in arguments.out.iterdir())
    print(f"{total} bytes in {arguments.out}")
    if total > MOST_BYTES:
        raise SystemExit(f"more than {MOST_BYTES} bytes: make the sheets smaller")


if __name__ == "__main__":
    main()
