# For batch scripts, to be sourced: run_and_requeue COMMAND … runs a driver. Shortly before the job's time limit it lets
# running blocks finish and requeues the job, which then computes what is missing, as the same command does.
#
# TERM comes before the time limit, to this shell alone. It comes with scancel too, but then the job no longer counts
# as running, and stays away.
run_and_requeue() {
    requeue=
    stop() {
        if [ "$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T)" = RUNNING ]; then requeue=yes; fi
        kill -TERM "$driver"
    }
    trap stop TERM
    "$@" &
    driver=$!
    while wait "$driver"; code=$?; kill -0 "$driver" 2>/dev/null; do :; done
    if [ "$requeue" ] && [ "$code" = 4 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
    return "$code"
}
