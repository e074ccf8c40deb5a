#!/bin/bash
# A study shared out to machines under SLURM:  sbatch slurm-study.sh
# Each job of the array makes its share of the runs. When all have ended, run the same command on any
# machine without --share: it reports, and makes what is still missing. Submitting again goes on.

# Change these: shares (jobs of the array), GPUs and cores of each, hours, and your partition.
#SBATCH --job-name=dmrnet-study
#SBATCH --array=1-8
#SBATCH --ntasks=1
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
##SBATCH --partition=NAME
##SBATCH --account=NAME

# A job that is preempted starts again and appends to its output.
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A-%a.out

set -euo pipefail

# Change this to how your environment is entered (module load ..., conda activate ...).
source .venv/bin/activate

# Change these: the study, its data, and a folder that all machines see.
STUDY=table1
DATA=casia-surf
ROOT=prepared
OUT=runs/table1

# One run at a time on the job's GPU. For small networks on cores alone: --workers 8 --threads 1.
dmrnet study "$STUDY" --data "$DATA" --root "$ROOT" --out "$OUT" \
  --share "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
  --workers 1 --threads 4 --retry 1
