#!/usr/bin/env bash
# Trains with several processes on one machine: one a GPU, or some on a CPU's cores.
#   examples/launch/one_machine.sh [more options of wspace train]
# A process that dies is started again with the others, and the run goes on from its newest checkpoint.
set -euo pipefail

DATA=${DATA:-pictures.zip}  # CHANGE: a zip, folder, tars or Parquet files, as for `wspace train`
OUT=${OUT:-runs}            # CHANGE: where run folders are made
PROCESSES=${PROCESSES:-2}   # CHANGE: as many as there are GPUs; without any, one for two cores or more

if [[ -z ${OMP_NUM_THREADS:-} ]]; then # each process takes its share of the cores
    cores=$(nproc)
    export OMP_NUM_THREADS=$((cores > PROCESSES ? cores / PROCESSES : 1))
fi
exec torchrun --standalone --nproc-per-node "$PROCESSES" --max-restarts 3 \
    -m wspace train "$DATA" --out "$OUT" "$@"
