"""How many blocks travel in one task: as many as take a worker about a tenth of a second."""

from collections import deque
from collections.abc import Iterator

from pipeline.execution.worker import BlockReport, block_of
from pipeline.plan import Job

TASK_SECONDS = 0.1
"""What a task may take. Blocks that take more than half of it travel alone."""
MOST_BLOCKS = 64
"""In one task."""
_ROUNDED = 1 + 1e-9  # a sum of n equal parts may be a little more than the whole
_NEWEST = 0.2
"""Weight of the newest block in the mean of recent blocks."""


class Batches:
    """Cuts jobs into batches, by the time that blocks took a worker so far.

    A block is expected to take as long as the last one of its point: points may differ a hundredfold. Before there
    is one, as long as recent blocks of any point, which took longer if anything, as the longest come first.

    Args:
        jobs: blocks of one store.
    """

    def __init__(self, jobs: Iterator[Job]) -> None:
        self._jobs, self._ahead, self._ended = jobs, deque[Job](), False
        self._of_point: dict[int, float] = {}
        self._recent = float("inf")  # one block a task to begin with

    def learn(self, report: BlockReport) -> None:
        """Take a block that was computed into account.

        Args:
            report: what its worker says.
        """
        seconds, (point, _) = report.worker_seconds, block_of(report.job)
        self._of_point[point] = seconds
        known = self._recent < float("inf")
        self._recent = (1 - _NEWEST) * self._recent + _NEWEST * seconds if known else seconds

    def take(self, room: int) -> list[list[Job]]:
        """The next jobs, in their order.

        What is left at the end is spread over all tasks there is room for, so that no worker waits for another.

        Args:
            room: number of tasks, at least 1.

        Returns:
            At most so many batches, none of them empty; none if no jobs are left.
        """
        expected = self._look_ahead(room)
        limit = _ROUNDED * (min(TASK_SECONDS, expected / room) if self._ended else TASK_SECONDS)
        batches: list[list[Job]] = []
        while self._ahead and len(batches) < room:
            batches.append([self._ahead.popleft()])
            seconds = self._seconds(batches[-1][0])
            while self._ahead and (seconds := seconds + self._seconds(self._ahead[0])) <= limit:
                batches[-1].append(self._ahead.popleft())
        return batches

    def _look_ahead(self, room: int) -> float:
        """Have the jobs of so many full tasks at hand, or all that are left; the seconds they will take."""
        expected = sum(map(self._seconds, self._ahead))
        while not self._ended and expected < room * TASK_SECONDS:
            job = next(self._jobs, None)
            if job is None:
                self._ended = True
            else:
                self._ahead.append(job)
                expected += self._seconds(job)
        return expected

    def _seconds(self, job: Job) -> float:
        """What a block is expected to take: no more than a task, no less than lets the most blocks travel together."""
        seconds = self._of_point.get(block_of(job)[0], self._recent)
        return min(max(seconds, TASK_SECONDS / MOST_BLOCKS), TASK_SECONDS)
