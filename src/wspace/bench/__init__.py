"""How fast this machine is with a network: what ``wspace bench`` and ``benchmarks/`` measure."""
