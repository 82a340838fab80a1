"""See acceltop at work: a small training job is started, and attached to from outside as any other would be.

On a terminal the screens open on it. Without one, or with --duration or --text, its report is printed after that time
(15 s); the trace stays in this folder as demo.mcap.
"""

from __future__ import annotations

import argparse
import selectors
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

from acceltop.profiler.cli import options, output, screen
from acceltop.profiler.cli.live import watch
from acceltop.profiler.cli.recorder import recording
from acceltop.profiler.errors import AcceltopError, Exit

WATCHED_S = 15.0
IMPORT_S = 120.0  # importing torch from a cold disk
JOB_S = 600  # the job ends by itself, should we be killed


def configure(parser: options.Parser) -> None:
    parser.add_argument("-o", "--output", default="demo.mcap", metavar="FILE.mcap", help="the trace (%(default)s)")
    parser.add_argument("--text", action="store_true", help="the report, on a terminal too")
    options.add_attaching(parser)
    options.add_sampling(parser)
    screen.add_looks(parser)
    options.add_common(parser)


def run(args: argparse.Namespace) -> int:
    _check_torch()
    if not screen.wanted(args):
        return _report(args)
    with _training() as job:
        screen.watch(args, (job.pid,))
    return Exit.DONE


def _report(args: argparse.Namespace) -> int:
    from acceltop.profiler.analysis.summary import Summary

    _make_room(args.output)
    summary = Summary()
    seconds = args.duration or WATCHED_S
    with _training() as job, recording(args.output) as recorder:
        output.say(f"a training job runs as process {job.pid}: attaching, and watching it for {seconds:g} s")
        watch(
            options.context(args, (job.pid,)),
            [summary.add, recorder.add, output.Warnings()],
            [recorder.tick],
            only=args.only,
            duration_s=seconds,
        )
    output.write_report(summary.document(), args)
    sys.stdout.flush()
    output.say(f"kept as {recorder.summary()}; `acceltop report {args.output}` shows it again")
    return Exit.DONE


def _check_torch() -> None:
    if find_spec("torch") is None:
        install = "pip install torch --index-url https://download.pytorch.org/whl/cpu"
        raise AcceltopError("the demo trains with PyTorch, which is not installed here", f"{install} (or: make demo)")


def _make_room(path: str) -> None:
    """The trace of the demo before this one goes; another file of that name was asked for with -o."""
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise AcceltopError(f"can't replace {path}: {error.strerror}", "choose another with -o") from None


@contextmanager
def _training() -> Iterator[subprocess.Popen[str]]:
    """The job, once it trains; ended on leaving."""
    with as_file(files("acceltop.profiler.demo") / "train.py") as script:
        output.say("starting the training job (importing PyTorch takes some seconds)")
        command = [sys.executable, str(script), "--seconds", str(JOB_S)]
        # A pipe that nobody reads any more ends the job, however we end.
        job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            _wait_for_first_step(job)
            yield job
        finally:
            job.terminate()
            with suppress(subprocess.TimeoutExpired):
                job.communicate(timeout=5)
            job.kill()
            job.wait()


def _wait_for_first_step(job: subprocess.Popen[str]) -> None:
    assert job.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(job.stdout, selectors.EVENT_READ)
        ready = selector.select(IMPORT_S)
    if not ready or not job.stdout.readline():
        said = job.communicate(timeout=5)[1].strip().splitlines() if ready else []
        raise AcceltopError(
            "the training job did not start" + (f" ({said[-1]})" if said else ""),
            "is torch whole? python -c 'import torch'",
        )
