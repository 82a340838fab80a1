"""More devices than lines: what a group says, and that nothing wrong is hidden in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

import pytest
from tests.views.screens import Hands, on_screen, press, text_of, utc
from tests.views.session_frames import T0, gpu_opening, gpu_second, gpu_session
from tests.views.test_facts import scene_of

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.model import DeviceFound, DeviceLost, Frame, Sample
from acceltop.profiler.remote.hosts import renamer
from acceltop.views.app import AcceltopApp
from acceltop.views.facts.groups import (
    DeviceGroup,
    DeviceRow,
    device_rows,
    row_history,
    row_lowest,
    row_state,
    row_value,
)
from acceltop.views.facts.trends import trend
from acceltop.views.scene import Scene
from acceltop.views.widgets.devices import DevicesPane
from acceltop.views.widgets.pane import Pane

SILENT = "nvidia:GPU-3"


def node(index: int, seconds: int = 3) -> Iterator[Frame]:
    """Four GPUs and a CPU, as they come from one of several hosts."""
    rename = renamer(index, f"node{index}")
    frames = [*gpu_opening(4), *(frame for second in range(1, seconds + 1) for frame in gpu_second(second, 4))]
    host = [Sample(T0 + second * NS_PER_S, "host", {"system.cpu.utilization": 0.5}) for second in range(1, seconds + 1)]
    return map(rename, [*frames, *host])


def nodes(hosts: int) -> list[Frame]:
    return sorted((frame for index in range(hosts) for frame in node(index)), key=lambda frame: frame.time_ns)


def labels(scene: Scene, *opened: str) -> list[str]:
    return [row.label for row in device_rows(scene, opened, grouped=True)]


def group(rows: Sequence[DeviceRow]) -> DeviceGroup:
    return next(row for row in rows if isinstance(row, DeviceGroup))


def test_the_gpus_of_one_host_are_one_row_and_a_throttled_one_stays_in_sight() -> None:
    scene = scene_of(gpu_session(5))
    assert labels(scene) == ["8 GPUs", "6", "cpu"]
    row = group(device_rows(scene, (), grouped=True))
    assert labels(scene, row.id) == ["8 GPUs", *map(str, range(8)), "cpu"]
    assert row_state(scene, row) == ("▼ thermal 6", "warn", False)


def test_a_group_says_mean_lowest_and_hottest() -> None:
    scene = scene_of(gpu_session(5))
    row = group(device_rows(scene, (), grouped=True))
    busy = [scene.value("hw.gpu.sm.active", f"nvidia:GPU-{gpu}") or 0.0 for gpu in range(8)]
    assert row_value(scene, row, "hw.gpu.sm.active") == pytest.approx(sum(busy) / 8)
    assert row_lowest(scene, row, "hw.gpu.sm.active") == min(busy)
    assert row_value(scene, row, "hw.temperature") == 87
    assert row_value(scene, row, "hw.gpu.clock.sm") == 1110e6
    assert row_value(scene, row, "system.pressure.cpu") is None


def test_several_hosts_are_a_row_each_with_their_own_cpu() -> None:
    scene = scene_of(nodes(3))
    rows = device_rows(scene, (), grouped=True)
    assert [row.label for row in rows] == ["node0", "node1", "node2"]
    inside = device_rows(scene, (rows[1].id,), grouped=True)
    assert [row.label for row in inside] == ["node0", "node1", "0", "1", "2", "3", "cpu", "node2"]
    assert row_value(scene, inside[6], "system.cpu.utilization") == 0.5


def test_a_group_fades_when_all_of_it_is_silent() -> None:
    scene = scene_of(nodes(2))
    last = next(frame for frame in reversed(nodes(1)) if isinstance(frame, Sample))
    scene.timeline.add_all(
        replace(last, time_ns=T0 + 30 * NS_PER_S, device=f"node0/nvidia:GPU-{gpu}") for gpu in range(4)
    )
    rows = {row.label: row for row in device_rows(scene, (), grouped=True) if isinstance(row, DeviceGroup)}
    assert not row_state(scene, rows["node0"]).is_stale
    assert row_state(scene, rows["node1"]).is_stale
    assert row_state(scene, rows["node1"])[0] == "silent 0 +4"


def test_enter_unfolds_and_sorting_by_a_figure_compares_all_devices() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        pane = app.screen.query_one(DevicesPane)
        pane.focus()
        folded = await press(app, pilot, "g")
        assert "8 GPUs" in folded
        assert "▼ thermal 6" in folded
        unfolded = await press(app, pilot, "enter")
        assert len(unfolded.split("─ 3 steps")[0].splitlines()) > len(folded.split("─ 3 steps")[0].splitlines())
        await press(app, pilot, "enter", "t")
        assert pane.sort == "activity"
        assert all(not isinstance(row, DeviceGroup) for row in pane.items())

    on_screen(test, gpu_session(5), size=(80, 24))


def test_a_device_that_is_opened_is_the_one_that_is_shown() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        app.screen.query_one(DevicesPane).focus()
        await press(app, pilot, "g", "j", "j", "j", "enter")
        await pilot.pause()
        chosen = app.screen.query_one(DevicesPane).device
        assert chosen is not None
        assert chosen.id == "nvidia:GPU-3"
        assert "every metric of GPU 3" in text_of(app)
        assert "GPU 3 · NVIDIA H100" in text_of(app)

    on_screen(test, gpu_session(5), size=(160, 48))


def test_no_number_is_cut_whatever_its_size() -> None:
    amounts = (2e6, 585e6, 61.2e9, 2.02e12)
    numbered = count()
    frames: list[Frame] = []
    for used, limit in ((used, limit) for used in amounts for limit in (25.3e9, 80e9, 2.1e12) if used <= limit):
        device = f"nvidia:GPU-{next(numbered)}"
        frames += [DeviceFound(T0, device, "x", "gpu", index=len(frames)), Sample(T0, "nvml", {
            "hw.gpu.utilization": 1.0, "hw.gpu.memory.usage": used, "hw.gpu.memory.limit": limit, "hw.power": 1000.0,
            "hw.power.limit": 1200.0}, device)]  # fmt: skip

    async def test(app: AcceltopApp, pilot: Hands) -> None:
        text = await press(app, pilot, "4")
        table = text.split("─ every metric")[0]
        assert "…" not in table
        assert "1000/1200" in table
        assert "0.585/25.3 GB" in table

    on_screen(test, frames, size=(160, 48))


def _lost(host: int, gpu: int) -> DeviceLost:
    return DeviceLost(T0 + 3 * NS_PER_S, f"node{host}/nvidia:GPU-{gpu}", "fell off the bus")


def test_where_not_all_hosts_are_in_sight_the_one_with_a_lost_device_is_the_first() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        assert "node8" not in await press(app, pilot)
        app.scene.timeline.add(_lost(8, 2))
        app.scene.clock_s = lambda: 1010.0  # the order of rows may change
        app.redraw()
        rows = (await press(app, pilot)).splitlines()[3:6]
        assert [row.split()[0] for row in rows] == ["node8", "2", "node0"]
        assert rows[0].endswith("✖ lost 2")
        assert "✖ lost 14:13:23" in rows[1]

    with utc():
        on_screen(test, nodes(9), size=(80, 24))


def test_hosts_keep_their_order_where_all_are_in_sight() -> None:
    scene = scene_of([*nodes(3), _lost(2, 1)])
    assert labels(scene) == ["node0", "node1", "node2", "1"]


def test_what_a_lost_device_said_last_is_no_part_of_the_mean() -> None:
    scene = scene_of([*nodes(2), _lost(0, 0)])
    others = [scene.value("hw.gpu.sm.active", f"node0/nvidia:GPU-{gpu}") or 0.0 for gpu in (1, 2, 3)]
    row = group(device_rows(scene, (), grouped=True))
    assert row_value(scene, row, "hw.gpu.sm.active") == pytest.approx(sum(others) / 3)
    assert row_state(scene, row) == ("✖ lost 0", "bad", False)


def test_a_silent_device_has_no_part_in_the_charts_of_now() -> None:
    scene = scene_of(gpu_session(30))
    for second in range(31, 41):
        at = T0 + second * NS_PER_S
        scene.timeline.add_all(frame for frame in gpu_second(second) if getattr(frame, "device", "") != SILENT)
        scene.clock_ns = lambda at=at: at  # type: ignore[misc]
    rows = {row.id: row_history(scene, row, 60, 60 * NS_PER_S) for row in device_rows(scene, (), grouped=False)}
    assert all(map(math.isnan, rows[SILENT][-4:]))
    assert not all(map(math.isnan, rows["nvidia:GPU-4"][-4:]))
    others = [scene.value("hw.gpu.sm.active", f"nvidia:GPU-{gpu}") or 0.0 for gpu in range(8) if gpu != 3]
    assert trend(scene, "hw.gpu.sm.active", 60).now == pytest.approx(sum(others) / 7)


@pytest.mark.parametrize(("gpus", "size"), [(8, (160, 48)), (16, (110, 30)), (2, (80, 24))])
def test_a_device_that_comes_and_goes_moves_nothing_else(gpus: int, size: tuple[int, int]) -> None:
    lost = DeviceLost(T0 + 20 * NS_PER_S, "nvidia:GPU-1", "fell off the bus")
    found = DeviceFound(T0 + 22 * NS_PER_S, lost.device, "NVIDIA H100", "gpu", "NVIDIA", "nvml", 1)

    async def test(app: AcceltopApp, pilot: Hands) -> None:
        places = []
        for frames in ([lost], gpu_second(21, gpus), [found], gpu_second(22, gpus)):
            app.scene.timeline.add_all(frames)
            app.redraw()
            await pilot.pause()
            places.append(_places(app))
        assert places[1:] == places[:1] * 3
        assert "lost" not in text_of(app)

    on_screen(test, gpu_session(20, gpus), size)


def _places(app: AcceltopApp) -> object:
    """Where the panes are, and the columns of the devices."""
    columns = [(placed.x, placed.width) for placed in app.screen.query_one(DevicesPane)._placed]
    return columns, [(pane.id, pane.region) for pane in app.screen.query(Pane)]
