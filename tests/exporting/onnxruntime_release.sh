#!/usr/bin/env bash
# onnxruntime_release.sh FOLDER PYTHON: ONNX Runtime's C header and library, laid out as its releases are.
# The library is that of the Python package; the header is Debian's, which has it from release 13 on. Its
# version of the API may be older than the library, which keeps earlier ones.
set -euo pipefail
out=$1 python=$2
test -e "$out/lib/libonnxruntime.so" && exit

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | grep '/debian/$' | head -n 1)
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] $mirror trixie main" > "$work/sources.list"
mkdir -p "$work"/{lists,cache/archives}/partial "$work/deb" "$out/lib"
# Lists and packages of their own: those of the system stay as they are, and nothing is installed.
apt=(apt-get -q -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
(cd "$work/deb" && "${apt[@]}" update && "${apt[@]}" download libonnxruntime-dev)
dpkg-deb -x "$work"/deb/libonnxruntime-dev_*.deb "$work/unpacked"
cp -r "$work/unpacked/usr/include" "$out"

library=$("$python" -c 'import glob, onnxruntime; print(*glob.glob(f"{onnxruntime.__path__[0]}/capi/libonnxruntime.so.*"))')
ln -sf "$library" "$out/lib/libonnxruntime.so.1"  # the name that programs load it by
ln -sf libonnxruntime.so.1 "$out/lib/libonnxruntime.so"
