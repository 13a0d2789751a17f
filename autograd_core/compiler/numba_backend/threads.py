"""Ranges of tasks over the machine's cores, by threads that wait between runs.

A kernel releases the GIL, so a second Python thread is enough: no kernel has to be compiled in Numba's parallel mode.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["THREADS", "each_chunk"]

THREADS = max(1, min(os.cpu_count() or 1, 8))

_queue: SimpleQueue[_Job] | None = None
_start = threading.Lock()


class _Job:
    """Chunks that are taken one by one by whoever is free."""

    def __init__(self, work: Callable[[int, int], None], chunks: int) -> None:
        self.work, self.chunks = work, chunks
        self.next_chunk = itertools.count().__next__  # atomic
        self.next_worker = itertools.count(1).__next__
        self.error: BaseException | None = None
        self.left = chunks
        self.lock = threading.Lock()
        self.done = threading.Lock()
        self.done.acquire()

    def help(self, worker: int) -> None:
        """Works until no chunk is left to take."""
        while (chunk := self.next_chunk()) < self.chunks:
            try:
                if self.error is None:
                    self.work(chunk, worker)
            except BaseException as error:  # handed to the caller
                self.error = error
            with self.lock:
                self.left -= 1
                if not self.left:
                    self.done.release()


def _wait_for_jobs(queue: SimpleQueue[_Job]) -> None:
    while True:
        job = queue.get()
        job.help(job.next_worker())
        del job


def _pool() -> SimpleQueue[_Job]:
    global _queue
    with _start:
        if _queue is None:
            _queue = SimpleQueue()
            for i in range(THREADS - 1):
                name = f"autograd_core-{i}"
                threading.Thread(target=_wait_for_jobs, args=(_queue,), name=name, daemon=True).start()
        return _queue


def _forget_pool() -> None:
    """A forked process has none of its parent's threads."""
    global _queue, _start
    _queue, _start = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def each_chunk(work: Callable[[int, int], None], chunks: int) -> None:
    """Calls `work(chunk, worker)` for each chunk, on this thread (worker 0) and those of the pool.

    Args:
        work: releases the GIL for most of its time. Calls with one `worker` never overlap.
        chunks: how many.
    """
    helpers = min(THREADS, chunks) - 1
    if helpers < 1:
        for chunk in range(chunks):
            work(chunk, 0)
        return
    job = _Job(work, chunks)
    queue = _queue or _pool()
    for _ in range(helpers):
        queue.put(job)
    job.help(0)
    job.done.acquire()
    if job.error is not None:
        raise job.error
