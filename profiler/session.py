"""Runs the sources and feeds the sinks: one thread a source, one bounded queue, one thread that serves all sinks.

Nobody waits for a source: a late one is told of in a Note, a broken one is started again, and `stop` leaves a hung
one behind. A slow sink costs Frames (the oldest, counted), never the job that is watched.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module

from acceltop.profiler import __version__
from acceltop.profiler.clock import NS_PER_S, monotonic, now_ns
from acceltop.profiler.errors import AcceltopError, Unavailable, UsageError
from acceltop.profiler.model import DeviceFound, DeviceLost, Frame, Hello, Note, ProcessGone, Sample
from acceltop.profiler.queues import DropQueue
from acceltop.profiler.source import Source, SourceContext
from acceltop.profiler.text import clean

GROUP = "acceltop.collectors"
_TABLE = "entry_points.txt"
QUEUE_FRAMES = 8192
OPEN_DEADLINE_S = 15.0  # finding devices or entering a job takes longer than a reading
HEAD_START_S = 0.3  # until then a first picture should be there; beside the imports of other sources it takes longer
RESTARTS = 3
APART_S = 0.004  # from one source's reading to the next one's: at the same moment they would fight for the interpreter
TICK_S = 1.0  # how often lateness is looked for, too
STOP_S = 2.0  # all that `stop` may take
MAX_ERROR = 300  # characters of a source's own error in a Note
MAX_REMEMBERED = 4096  # devices and ended processes kept apart

Sink = Callable[[Frame], None]
Loader = Callable[[], Source]


def installed(only: Sequence[str] = (), without: Sequence[str] = ()) -> dict[str, Loader]:
    """Name → loader of the installed sources. Raises UsageError for a name in `only` that is none of them."""
    places = sources()
    unknown = [name for name in only if name not in places]
    if unknown:
        raise UsageError(f"no source is called {clean(unknown[0], 40)!r}", f"there are {', '.join(sorted(places))}")
    wanted = [name for name in sorted(places) if (not only or name in only) and name not in without]
    return {name: _loader(places[name]) for name in wanted}


def sources() -> dict[str, str]:
    """Name → `module:class`, as the entry points of all that is installed say."""
    found: dict[str, str] = {}
    for table in _entry_points():
        section = table.partition(f"[{GROUP}]")[2].partition("\n[")[0]
        for name, _, place in (line.partition("=") for line in section.splitlines() if "=" in line):
            found.setdefault(name.strip(), place.strip())
    return found


def _entry_points() -> Iterator[str]:
    """The tables. Read by hand in folders: loading importlib.metadata takes longer than a first reading of all GPUs."""
    from pathlib import Path

    for place in sys.path:
        if os.path.isfile(place):  # an archive
            from importlib.metadata import distributions

            yield from (known.read_text(_TABLE) or "" for known in distributions(path=[place]))
            continue
        for file in Path(place).glob(f"*-info/{_TABLE}"):
            with suppress(OSError):  # not for us to read
                yield file.read_text("utf-8", "replace")


def _loader(place: str) -> Loader:
    def load() -> Source:
        module, _, name = place.partition(":")
        source: Source = getattr(import_module(module), name)()
        return source

    return load


def hello() -> Hello:
    """The first frame of every stream of this machine."""
    system = os.uname()
    described = f"{system.sysname} {system.release} {system.machine}"
    return Hello(
        now_ns(), clean(system.nodename, 255), tool_version=__version__, os=clean(described, 200), cpu=_cpu_model()
    )


def _cpu_model() -> str:
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith(("model name", "Model")):
                return clean(line.partition(":")[2].strip(), 200)
    return os.uname().machine


class Session:
    """Owns the threads between sources and sinks. Start once, stop once (both may be called from any thread).

    `sinks` are called with each Frame, `ticks` about once a second, all on one thread, so they need no locks.
    The first error that one of them raises ends the session; `stop` raises it again.
    """

    def __init__(
        self,
        loaders: Mapping[str, Loader],
        context: SourceContext,
        sinks: Sequence[Sink],
        ticks: Sequence[Callable[[], None]] = (),
        capacity: int = QUEUE_FRAMES,
        greeting: bool = True,
        first: str = "",
    ) -> None:
        """Without `greeting` the first Frame is left to the source: another machine says its own Hello.

        The source that is called `first` has a head start: the others begin as soon as `seen` is set.
        """
        self.context = context
        self.ended = threading.Event()
        self.seen = threading.Event()
        self._greeting = greeting
        self._queue: DropQueue[Frame] = DropQueue(capacity)
        self._sinks, self._ticks = tuple(sinks), tuple(ticks)
        self._filter = _Filter()
        self._runners = [_Runner(name, load, context, self._queue.put) for name, load in loaders.items()]
        for place, runner in enumerate(self._runners):
            runner.after = self.seen if first in loaders and runner.name != first else None
            runner.shift_s = min(place * APART_S, context.interval_s / 2)
        self._dispatcher = threading.Thread(target=self._dispatch, name="acceltop-sinks", daemon=True)
        self._error: BaseException | None = None
        self._dropped_said = 0

    def start(self) -> None:
        """Puts Hello first, then sets all sources off."""
        if self._greeting:
            self._queue.put(hello())
        self._dispatcher.start()
        for runner in self._runners:
            runner.thread.start()

    def put(self, frame: Frame) -> None:
        """A Frame from outside the sources, such as the exit of a process that the caller started."""
        self._queue.put(frame)

    @property
    def dropped(self) -> int:
        """Frames pushed out by a slow sink since the start."""
        return self._queue.dropped

    @property
    def finished(self) -> bool:
        """No source will say anything more (each ended or was given up)."""
        return not any(runner.thread.is_alive() for runner in self._runners)

    def waiting_for(self, readings: int) -> list[str]:
        """Names of the sources that have given fewer readings than that, and still may."""
        return [r.name for r in self._runners if r.thread.is_alive() and r.readings < readings]

    def stop(self) -> None:
        """Ends everything within STOP_S, hung sources included. Raises the error of a sink, if there was one."""
        end = monotonic() + STOP_S
        self.context.stop.set()
        for runner in self._runners:
            # The sinks keep a part of the time: what is queued is worth more than a hung source.
            _join(runner.thread, end - STOP_S / 4)
        self._queue.close()
        _join(self._dispatcher, end)
        self.ended.set()
        if self._error is not None:
            raise self._error

    def _dispatch(self) -> None:
        try:
            next_tick = monotonic() + TICK_S
            while not (self._queue.closed and not len(self._queue)):
                for frame in self._queue.get(max(0.0, next_tick - monotonic())):
                    self._deliver(frame)
                self._watch()
                if monotonic() >= next_tick:
                    next_tick = monotonic() + TICK_S
                    self._tick()
            self._tick()
        except BaseException as error:  # carried to the thread that called `stop`
            self._error = error
            self._queue.close()
        finally:
            self.ended.set()

    def _deliver(self, frame: Frame) -> None:
        for out in self._filter.pass_on(frame):
            for sink in self._sinks:
                sink(out)

    def _watch(self) -> None:
        for runner in self._runners:
            note = runner.lateness()
            if note is not None:
                self._deliver(note)

    def _tick(self) -> None:
        if self._queue.dropped != self._dropped_said:
            self._dropped_said = self._queue.dropped
            self._deliver(Sample(now_ns(), "session", {"acceltop.frames.dropped": float(self._dropped_said)}))
        for tick in self._ticks:
            tick()


def _join(thread: threading.Thread, end: float) -> None:
    if thread.is_alive():
        thread.join(max(0.0, end - monotonic()))


@dataclass(frozen=True)
class _Call:
    """A call into a source that has not returned yet."""

    began: float
    began_ns: int
    deadline_s: float


class _Runner:
    """One source on its own thread: load, open, poll on absolute deadlines, close."""

    def __init__(self, name: str, load: Loader, context: SourceContext, emit: Sink) -> None:
        self.name = name
        self.readings = 0
        self.after: threading.Event | None = None
        self.shift_s = 0.0
        self.thread = threading.Thread(target=self._run, name=f"acceltop-{name}", daemon=True)
        self._load, self._context, self._emit = load, context, emit
        self._call: _Call | None = None
        self._late: _Call | None = None

    def lateness(self) -> Note | None:
        """A Note when the present call became late, and one when the source is back; None in between."""
        call = self._call
        if call is not None and self._late is None and monotonic() > call.began + call.deadline_s:
            self._late = call
            return self._note(
                "warning", "source.late", f"{self.name} has not answered for {call.deadline_s:g} s", call.began_ns
            )
        if self._late is not None and call is not self._late:
            late, self._late = self._late, None
            away = (now_ns() - late.began_ns) / NS_PER_S
            return self._note("info", "source.back", f"{self.name} answers again after {away:.1f} s", late.began_ns)
        return None

    def _run(self) -> None:
        if self.after is not None:
            self.after.wait(HEAD_START_S)
        for attempt in range(RESTARTS + 1):
            try:
                self._session()
                return
            except Unavailable as error:
                self._say("info", "source.unavailable", error.cause, error.next_step)
                return
            except AcceltopError as error:
                self._say("error", "source.failed", error.cause, error.next_step)
                return
            except Exception as error:  # a source's bug must not take the others with it
                _log("warning", "source %s", self.name, exc_info=True)
                last = attempt == RESTARTS
                self._say("error", "source.error", f"{self.name}: {_in_words(error)}", _GIVEN_UP if last else "")
            # A source that fails at once must not spin: each start waits longer than the one before.
            if self._context.stop.wait(self._context.interval_s * 2**attempt):
                return

    def _session(self) -> None:
        self._begin(OPEN_DEADLINE_S)
        source = None
        try:
            source = self._load()
            self._emit_all(source.open(self._context))
            self._opened()
            self._poll(source)
        finally:
            if source is not None:
                self._begin(OPEN_DEADLINE_S)
                source.close()
            self._begin(None)

    def _poll(self, source: Source) -> None:
        interval, stop = self._context.interval_s, self._context.stop
        due, pause_s = round(monotonic() / interval) * interval + self.shift_s, 0.0
        while not stop.wait(pause_s):
            self._begin(source.deadline_s)
            frames = source.poll()
            if frames is None:
                return
            self._emit_all(frames)
            self._begin(None)
            self.readings += 1
            # One right after the other: what is awake and in the caches serves all. What was missed stays missed.
            due += interval * max(1, int((monotonic() - due) / interval) + 1)
            pause_s = max(0.0, due - monotonic())

    def _opened(self) -> None:
        if self._call is not None:
            _log("info", "source %s opened in %.0f ms", self.name, 1e3 * (monotonic() - self._call.began))
        self._begin(None)

    def _begin(self, deadline_s: float | None) -> None:
        self._call = None if deadline_s is None else _Call(monotonic(), now_ns(), deadline_s)

    def _emit_all(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self._emit(frame)

    def _say(self, level: str, code: str, text: str, next_step: str = "") -> None:
        # What fails because everything is being ended says nothing about the source.
        if not self._context.stop.is_set():
            self._emit(replace(self._note(level, code, text), next_step=clean(next_step)))

    def _note(self, level: str, code: str, text: str, since_ns: int | None = None) -> Note:
        return Note(now_ns(), level, code, clean(text), source=self.name, since_ns=since_ns)


def _log(level: str, text: str, *args: object, exc_info: bool = False) -> None:
    """Heard with -v or --log-file, which load `logging`: a tenth of the whole import time."""
    get_logger = getattr(sys.modules.get("logging"), "getLogger", None)  # another thread may still be loading it
    logger = get_logger and get_logger("acceltop.session")
    if logger and logger.hasHandlers():
        getattr(logger, level)(text, *args, exc_info=exc_info)


_GIVEN_UP = "it failed again and again and is left out; -v shows more, please report it"


def _in_words(error: Exception) -> str:
    return clean(f"{type(error).__name__}: {error}", MAX_ERROR)


class _Filter:
    """What no sink needs to see twice, and the twins: one device that two sources know under two ids."""

    def __init__(self) -> None:
        self._devices: dict[str, DeviceFound] = {}
        self._gone: dict[int, ProcessGone] = {}

    def pass_on(self, frame: Frame) -> tuple[Frame, ...]:
        if isinstance(frame, DeviceFound):
            return self._found(frame)
        if isinstance(frame, DeviceLost):
            self._devices.pop(frame.device, None)
        if isinstance(frame, ProcessGone):
            return self._ended(frame)
        return (frame,)

    def _found(self, frame: DeviceFound) -> tuple[Frame, ...]:
        twin = self._twin(frame)
        if twin is not None and _by_api(frame):
            frame = replace(frame, same_as=twin.device)
        out: list[Frame] = [] if self._known(frame) else [frame]
        if twin is not None and _by_api(twin) and twin.same_as is None:
            out.append(replace(twin, same_as=frame.device, time_ns=frame.time_ns))
        for device in out:
            assert isinstance(device, DeviceFound)
            self._devices[device.device] = device
            _bound(self._devices)
        return tuple(out)

    def _twin(self, frame: DeviceFound) -> DeviceFound | None:
        address = _pci(frame.pci)
        others = (d for d in self._devices.values() if d.source != frame.source and _by_api(d) != _by_api(frame))
        return next((d for d in others if address is not None and _pci(d.pci) == address), None)

    def _known(self, frame: DeviceFound) -> bool:
        before = self._devices.get(frame.device)
        return before is not None and replace(before, time_ns=frame.time_ns) == frame

    def _ended(self, frame: ProcessGone) -> tuple[Frame, ...]:
        before = self._gone.get(frame.pid)
        if before is not None and (before.exit_code is not None or frame.exit_code is None):
            return ()
        self._gone[frame.pid] = frame
        _bound(self._gone)
        return (frame,)


def _by_api(device: DeviceFound) -> bool:
    """Known through a compute API, whose id gives way to the one of the driver's own counters."""
    return device.device.startswith("opencl:")


def _pci(address: str | None) -> tuple[int, str] | None:
    """A comparable form: drivers write the domain with 4 or with 8 digits."""
    domain, _, rest = (address or "").lower().partition(":")
    try:
        return (int(domain, 16), rest.partition(".")[0])
    except ValueError:
        return None


def _bound(known: dict[str, DeviceFound] | dict[int, ProcessGone]) -> None:
    if len(known) > MAX_REMEMBERED:
        known.pop(next(iter(known)))  # type: ignore[call-overload]
