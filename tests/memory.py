"""The memory of a process, told by itself: what the system counts for children goes back to those before them."""


def largest_memory():
    """Bytes that this process has held at most so far."""
    with open("/proc/self/status") as told:
        (line,) = [line for line in told if line.startswith("VmHWM:")]
    return 1024 * int(line.split()[1])
