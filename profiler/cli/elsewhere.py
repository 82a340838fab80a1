"""Verbs on another machine: what `ssh` and `via` share. Everything is looked up there, and shown or kept here."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from acceltop.profiler.cli import options, output, screen, verb_module
from acceltop.profiler.cli.doctor import Check
from acceltop.profiler.cli.live import ending_signals, in_words
from acceltop.profiler.errors import AcceltopError, Exit, UsageError
from acceltop.profiler.remote import hosts
from acceltop.profiler.remote.source import RemoteSource
from acceltop.profiler.remote.transport import Transport
from acceltop.profiler.remote.watch import End, as_it_is, connect, connect_all, last_word, session, source, watch
from acceltop.profiler.session import Session, Sink
from acceltop.profiler.source import SourceContext
from acceltop.profiler.text import clean

_ARGS = ("target", "name", "tree", "no_inject", "only", "interval", "budget", "method")
_NO_ARGS: Mapping[str, Any] = {
    "target": None,
    "name": None,
    "tree": False,
    "no_inject": True,
    "only": (),
    "interval": 1.0,
    "budget": 0.0,
    "method": "auto",
}


@dataclass(frozen=True)
class Machines:
    """Where a verb shall run. `cache`: something of ours may be kept there."""

    transports: tuple[Transport, ...]
    cache: bool = True


def run(machines: Machines, words: Sequence[str]) -> int:
    """The verb and its options, as they would stand behind `acceltop` over there."""
    from acceltop.profiler.cli import recordings

    verb, *rest = words if words and not words[0].startswith("-") else ["bare", *words]
    if verb not in _VERBS and verb not in _RECORDINGS:
        there = ", ".join(sorted({*_VERBS, *_RECORDINGS} - {"bare"}))
        raise UsageError(f"no verb {clean(verb, 60)!r} works on another machine", f"there are {there}")
    configure = recordings.CONFIGURE.get(verb) or verb_module(verb).configure
    bare = verb == "bare"  # which has a --help of its own
    parser = options.Parser("acceltop ssh HOST" + ("" if bare else f" {verb}"), None, add_help=not bare)
    configure(parser)
    args = parser.parse_args(rest)
    options.set_up_logging(args)
    return (_VERBS.get(verb) or recordings.RUN[verb])(machines, args)


def _attach(machines: Machines, args: argparse.Namespace) -> int:
    from acceltop.profiler.analysis.summary import Summary
    from acceltop.profiler.cli.attach import TEXT_S

    if args.target is None and args.name is None:
        raise UsageError("no process is named", "give a PID or -n PATTERN")
    if screen.wanted(args):
        return _screen(machines, args)
    if args.json:
        return tell(_stream(machines, args, [output.JsonLines(), output.Warnings()], args.duration))
    summary = Summary()
    end = _stream(machines, args, [summary.add, output.Warnings()], args.duration or TEXT_S)
    output.write_report(summary.document(), args)
    return tell(end)


def _bare(machines: Machines, args: argparse.Namespace) -> int:
    return _screen(machines, args) if screen.wanted(args) else _snapshot(machines, args)


def _screen(machines: Machines, args: argparse.Namespace) -> int:
    """The screens over that machine; other processes that are chosen there mean another connection."""
    request = ask(args) if getattr(args, "target", None) or getattr(args, "name", None) else _picking(args)
    ready = reach(machines, request)
    pids = () if request["look"] else _joint_pids(machines, ready)

    def make(context: SourceContext, sinks: Sequence[Sink], ticks: Sequence[Callable[[], None]]) -> Session:
        sources = [ready.pop() for _ in range(len(ready))] or _chosen(machines, args, context.pids)
        return session(sources, context, sinks, ticks)

    screen.watch_elsewhere(args, pids, make)
    return Exit.DONE


def _joint_pids(machines: Machines, sources: Sequence[RemoteSource]) -> tuple[int, ...]:
    if len(machines.transports) == 1:
        return sources[0].pids
    order = {transport.label: index for index, transport in enumerate(machines.transports)}
    return tuple(hosts.joint_pid(order[source.name], pid) for source in sources for pid in source.pids)


def _picking(args: argparse.Namespace) -> dict[str, Any]:
    request = ask(args, look=True, without=["stacks"])
    request["args"] |= {"no_inject": True}
    return request


def _chosen(machines: Machines, args: argparse.Namespace, pids: tuple[int, ...]) -> list[RemoteSource]:
    """New connections: where processes were chosen to those, else to look at what there is."""
    several = len(machines.transports) > 1
    sources = []
    for index, transport in enumerate(machines.transports):
        there = hosts.pids_of(index, pids) if several else pids
        target = ",".join(map(str, there))
        request = ask(argparse.Namespace(**vars(args) | {"target": target, "name": None})) if there else _picking(args)
        rename = hosts.renamer(index, transport.label) if several else as_it_is
        sources.append(source(transport, request, machines.cache, rename=rename))
    return sources


def only_one(machines: Machines, why: str) -> Transport:
    """The machine, where it must be one."""
    if len(machines.transports) != 1:
        raise UsageError(why, "name that host alone")
    return machines.transports[0]


def _run(machines: Machines, args: argparse.Namespace) -> int:
    from acceltop.profiler.cli import run_elsewhere

    return run_elsewhere.run(machines, args)


def _report(machines: Machines, args: argparse.Namespace) -> int:
    from acceltop.profiler.cli import report_elsewhere

    return report_elsewhere.run(machines, args)


def _doctor(machines: Machines, args: argparse.Namespace) -> int:
    from acceltop.profiler.cli import doctor

    request = {"do": "doctor", "args": {"pid": args.pid, "only": args.only}, "stacks": True}
    for transport in machines.transports:
        doctor.tell(_checks(answer(transport, request, machines.cache)), args)
    return Exit.DONE


def _checks(word: Mapping[str, Any]) -> list[Check]:
    """What was said over there, as far as it makes sense."""
    listed = word.get("checks")
    checks = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    text = {"name", "text", "next_step"}
    return [Check(ok=check.get("ok") is True, **{key: str(check.get(key, "")) for key in text}) for check in checks]


def _snapshot(machines: Machines, args: argparse.Namespace) -> int:
    from acceltop.profiler.analysis.summary import Summary
    from acceltop.profiler.cli.snapshot import APART_S, LONGEST_S

    summary = Summary()
    request = ask(args, frameworks=True, without=["stacks"], readings=2)
    request["args"] |= {"interval": APART_S, "duration": LONGEST_S, "no_inject": True}
    end = watch_all(reach(machines, request), args, [summary.add])
    if end.reason == "signal":
        raise KeyboardInterrupt
    if args.json:
        output.write_json(summary.document())
    else:
        output.write_report(summary.document(), args, reading=True)
    return Exit.DONE


def _stream(machines: Machines, args: argparse.Namespace, sinks: Sequence[Sink], duration_s: float | None) -> End:
    return watch_all(reach(machines, ask(args)), args, sinks, duration_s=duration_s)


def watch_all(
    sources: Sequence[RemoteSource],
    args: argparse.Namespace,
    sinks: Sequence[Sink],
    ticks: Sequence[Callable[[], None]] = (),
    duration_s: float | None = None,
) -> End:
    """Until the end, or Ctrl-C."""
    with ending_signals() as asked:
        return watch(sources, far_context(args), asked, sinks, ticks, duration_s)


def far_context(args: argparse.Namespace) -> SourceContext:
    """For sources that only listen: readings come when they come."""
    return replace(options.context(args), interval_s=min(1.0, getattr(args, "interval", 1.0)))


def ask(args: argparse.Namespace, **more: Any) -> dict[str, Any]:
    """What is asked of the other side: data, never words of a shell."""
    wanted = {name: getattr(args, name, _NO_ARGS[name]) for name in _ARGS} | {"duration": None}
    stacks = wanted["target"] is not None or wanted["name"] is not None
    rest = {"frameworks": False, "look": False, "without": [], "readings": None, "stacks": stacks}
    return {"do": "watch", "args": wanted, **rest, **more}


def reach(machines: Machines, request: Mapping[str, Any]) -> list[RemoteSource]:
    """Those that can be reached. Raises the error of the last one when there is none."""
    if len(machines.transports) == 1:
        link = connect(machines.transports[0], request, machines.cache, output.say)
        return [source(machines.transports[0], request, machines.cache, link)]
    sources: list[RemoteSource] = []
    error: AcceltopError | None = None
    results = connect_all(machines.transports, request, machines.cache, output.say)
    for index, (transport, result) in enumerate(zip(machines.transports, results, strict=True)):
        if isinstance(result, AcceltopError):
            error = result
            output.say(f"without {transport.label}: {result}")
        else:
            rename = hosts.renamer(index, transport.label)
            sources.append(source(transport, request, machines.cache, result, rename))
    if not sources and error is not None:
        raise error
    return sources


def answer(transport: Transport, request: Mapping[str, Any], cache: bool) -> Mapping[str, Any]:
    """The one word of an action that only answers."""
    link = connect(transport, {"stacks": False, **request}, cache, output.say)
    try:
        return last_word(link)
    finally:
        link.close()


def tell(end: End) -> int:
    """How the processes ended."""
    for process in end.gone:
        output.say(f"process {process.pid} on {clean(process.host, 80)} ended{in_words(process.exit_code)}")
    return Exit.DONE


_VERBS: dict[str, Callable[[Machines, argparse.Namespace], int]] = {
    "attach": _attach,
    "run": _run,
    "report": _report,
    "doctor": _doctor,
    "snapshot": _snapshot,
    "bare": _bare,
}
_RECORDINGS = ("record", "recordings", "fetch", "stop")
