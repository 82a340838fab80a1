"""A source in a subprocess, driven step by step from a test."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from acceltop.profiler.codec import decode
from acceltop.profiler.model import Frame, Sample

F = TypeVar("F")
_SERVE = Path(__file__).with_name("serve_source.py")
_PATIENCE_S = 30.0


class Driven:
    """`opened` are the Frames of `open`; a source that is not available gives a Note with code "unavailable"."""

    def __init__(
        self,
        module: str,
        pids: Iterable[int] = (),
        options: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        prefix: tuple[str, ...] = (),
    ) -> None:
        context = json.dumps({"pids": list(pids), "options": dict(options or {})})
        self.process = subprocess.Popen(
            [*prefix, sys.executable, str(_SERVE), module, context],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.opened = self._answer()

    def poll(self) -> list[Frame]:
        """One reading."""
        return self._step("poll")

    def close(self) -> None:
        """Closes the source; the process goes on."""
        self._step("close")

    def end(self) -> int:
        """Lets the process end by itself and gives its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(_PATIENCE_S)

    def __enter__(self) -> Driven:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def _step(self, word: str) -> list[Frame]:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.strip())
        self._lines.put("END")

    def _answer(self) -> list[Frame]:
        frames = []
        while line := self._lines.get(timeout=_PATIENCE_S):
            if line == "END":
                assert self.process.stderr is not None
                raise AssertionError(f"the source's process ended: {self.process.stderr.read()}")
            frame = decode(line)
            assert frame is not None
            frames.append(frame)
        return frames


def of_kind(frames: Iterable[Frame], kind: type[F]) -> list[F]:
    """Those of one kind."""
    return [frame for frame in frames if isinstance(frame, kind)]


def by_device(frames: Iterable[Frame]) -> dict[str, Sample]:
    """The devices' samples (not those of processes)."""
    samples = of_kind(frames, Sample)
    return {sample.device: sample for sample in samples if sample.device is not None and sample.pid is None}
