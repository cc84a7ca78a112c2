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
source conf/cluster/requeue.sh
run_and_requeue "$python" -m pipeline "$@" cluster=local cluster.workers="$SLURM_CPUS_PER_TASK"
