"""Cheap baselines on the splits that a study's methods have: run folders of `dmrnet.peers`.

``python tools/baselines.py --data NAME [--data.SETTING VALUE ...] --seeds N --out DIR`` makes a
run folder for each classifier and seed in ``DIR/runs``, with the rows of every combination on
validation and test, predictions, and CPU seconds to fit. ``dmrnet report`` and studies read them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from dmrnet.peers import PEERS
from dmrnet.peers.runs import make_peers
from dmrnet.settings.config import parse_run


def main() -> None:
    """Read the command line, and make the runs that are missing with one thread."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="name of the data set")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0")
    parser.add_argument("--methods", nargs="+", choices=[*PEERS], default=[*PEERS])
    parser.add_argument("--out", type=Path, required=True)
    options, flags = parser.parse_known_args()
    torch.set_num_threads(1)
    for seed in range(options.seeds):
        settings = parse_run(["--data", options.data, "--seed", str(seed), *flags])
        make_peers(settings, options.out / "runs", options.methods, print_line)


def print_line(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
