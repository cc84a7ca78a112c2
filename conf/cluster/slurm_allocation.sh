#!/bin/bash
# Scheduler, workers and driver of a sweep in one Slurm allocation, of as many tasks as you ask for:
#   sbatch --ntasks=64 conf/cluster/slurm_allocation.sh +sweep=kuramoto_T
# Submit from the checkout, on a file system that all nodes share. Shortly before the time limit the driver lets
# running blocks finish and the job requeues itself; it then computes what is missing, as the same command does.
#SBATCH --job-name=sweep
#SBATCH --ntasks=4
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=1G
#SBATCH --time=01:00:00
#SBATCH --signal=B:TERM@180
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=sweep-%j.out

python=${PYTHON:-.venv/bin/python}
# INTERFACE=ib0 sbatch … chooses the network between the nodes; without, it is that of the default route.
interface=${INTERFACE:+--interface $INTERFACE}
host=$("$python" -c 'import sys; from distributed.utils import get_ip, get_ip_interface
print(get_ip_interface(*sys.argv[1:]) if sys.argv[1:] else get_ip())' $INTERFACE) || exit
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1

shared=$(mktemp -d "$PWD/.sweep-$SLURM_JOB_ID-XXXXXX")   # only you can read it
trap 'kill $scheduler $workers 2>/dev/null; rm -rf "$shared"' EXIT
"$python" -m pipeline.cluster.security "$shared/tls" || exit
tls=(--tls-ca-file "$shared/tls/ca.pem" --tls-cert "$shared/tls/ca.pem" --tls-key "$shared/tls/key.pem")
export DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=True

"$python" -m distributed.cli.dask_scheduler "${tls[@]}" --host "$host" --port 0 \
    --dashboard-address 127.0.0.1:0 --scheduler-file "$shared/scheduler.json" &
scheduler=$!
until [ -s "$shared/scheduler.json" ]; do sleep 0.5; kill -0 "$scheduler" || exit; done
srun "$python" -m distributed.cli.dask_worker "${tls[@]}" $interface --nthreads 1 \
    --dashboard-address 127.0.0.1:0 --scheduler-file "$shared/scheduler.json" &
workers=$!

source conf/cluster/requeue.sh
run_and_requeue "$python" -m pipeline "$@" cluster=scheduler cluster.scheduler_file="$shared/scheduler.json" \
    cluster.tls="$shared/tls"
