#!/usr/bin/env bash
# Trains on two machines that reach each other. Start it on both, with the same options:
#   FIRST=192.168.0.11 examples/launch/two_machines.sh [more options of wspace train]
# Both need wspace, the data at DATA, and the folder OUT, which they share (NFS or the like).
# It may be started again by the same NAME, on either or both: the run goes on.
set -euo pipefail

FIRST=${FIRST:?the address of the machine that both meet at} # CHANGE
NAME=${NAME:-faces-1}       # CHANGE: for every new run; no spaces
DATA=${DATA:-pictures.zip}  # CHANGE: the same pictures on both
OUT=${OUT:-runs}            # CHANGE: a folder that both see
PROCESSES=${PROCESSES:-2}   # CHANGE: as many as one machine has GPUs; without any, one for two cores or more
MACHINES=${MACHINES:-2}     # 1:2 begins with one, and takes the other in when it comes
PORT=${PORT:-29400}         # free on FIRST, and open between the machines as all above 32767 are
# The address by which the other reaches this machine: CHANGE where it has several. Its own name often means 127.0.1.1.
ADDRESS=${ADDRESS:-$(hostname -I | cut -d ' ' -f 1)}

# Else torch 2.13 tells a machine that comes later, or again, nothing of where the others are.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
# FIRST is where the meeting is held; a machine that has that address holds it
MEETING=()
[[ " $(hostname -I) " == *" $FIRST "* ]] && MEETING=(--rdzv-conf is_host=true)

if [[ -z ${OMP_NUM_THREADS:-} ]]; then # each process takes its share of the cores
    cores=$(nproc)
    export OMP_NUM_THREADS=$((cores > PROCESSES ? cores / PROCESSES : 1))
fi
exec torchrun --nnodes "$MACHINES" --nproc-per-node "$PROCESSES" --max-restarts 3 \
    --rdzv-backend c10d --rdzv-endpoint "$FIRST:$PORT" --rdzv-id "$NAME" --local-addr "$ADDRESS" \
    "${MEETING[@]}" -m wspace train "$DATA" --out "$OUT" "$@"
