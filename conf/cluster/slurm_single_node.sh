#!/bin/bash
# A sweep on the cores of one node, with a local cluster in a Slurm job:
#   sbatch --cpus-per-task=64 conf/cluster/slurm_single_node.sh +sweep=kuramoto_T
# Submit from the checkout. Shortly before the time limit the driver lets running blocks finish and the job requeues
# itself; it then computes what is missing, as the same command does.
#SBATCH --job-name=sweep
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=1G
#SBATCH --time=01:00:00
#SBATCH --signal=B:TERM@180
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=sweep-%j.out

python=${PYTHON:-.venv/bin/python}

# TERM comes before the time limit, to this shell alone. It comes with scancel too, but then the job no longer counts
# as running, and stays away.
requeue=
stop() {
    if [ "$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T)" = RUNNING ]; then requeue=yes; fi
    kill -TERM "$driver"
}

trap stop TERM
"$python" -m pipeline "$@" cluster=local cluster.workers="$SLURM_CPUS_PER_TASK" &
driver=$!
while wait "$driver"; code=$?; kill -0 "$driver" 2>/dev/null; do :; done
if [ "$requeue" ] && [ "$code" = 4 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"
