#!/bin/bash
# One training on several GPUs, perhaps of several machines, under SLURM:  sbatch slurm.sh
# To go on with a run that was stopped or killed, submit it again: the same command continues after
# the last checkpoint of its folder. A requeued job does so by itself.

# Change these: machines, GPUs of each, cores for each GPU, hours, and your partition or account.
#SBATCH --job-name=dmrnet
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
##SBATCH --partition=NAME
##SBATCH --account=NAME

# A job that is preempted, or whose machine fails, starts again and appends to its output.
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out

set -euo pipefail

# Change this to how your environment is entered (module load ..., conda activate ...).
source .venv/bin/activate

# Change these: the data, and a folder that all machines see. It names the run, so keep it when you
# submit again.
TRAIN=data/train.npz
VAL=data/val.npz
OUT=runs/first

# One task is one process with one GPU. How many there are dmrnet reads from SLURM, so --devices and
# --nodes are left out. The batch size is that of all processes together: raise it with their number.
srun --kill-on-bad-exit=1 dmrnet fit \
  --data arrays --data.train "$TRAIN" --data.val "$VAL" \
  --method dmrnet \
  --batch-size 256 \
  --accelerator gpu \
  --num-workers 4 \
  --sync-batch-norm true \
  --out "$OUT"
