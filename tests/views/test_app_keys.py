"""Every binding does what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from tests.views.screens import Hands, Live, on_screen, press, text_of
from tests.views.session_frames import T0, TRAIN_PID, cpu_session, gpu_opening, gpu_second, gpu_session, gpu_window
from textual import events
from textual.command import CommandPalette

from acceltop.profiler.clock import NS_PER_S
from acceltop.profiler.model import (
    Cost,
    DeviceFound,
    Frame,
    Hello,
    KernelRow,
    KernelWindow,
    ProcessFound,
    Sample,
    StackWindow,
    Steps,
)
from acceltop.profiler.timeline import Timeline
from acceltop.views.app import AcceltopApp, PickerApp
from acceltop.views.draw.timestrip import strip_cells
from acceltop.views.screens.help import HelpScreen, help_text
from acceltop.views.screens.kernels import KernelsPage
from acceltop.views.screens.page import FilterInput
from acceltop.views.widgets.frame import KeyLine
from acceltop.views.widgets.kernels import KernelsPane
from acceltop.views.widgets.processes import ProcessesPane
from acceltop.views.widgets.slices import SlicesPane
from acceltop.views.widgets.stacks import IciclePane
from acceltop.views.widgets.table_pane import TablePane
from acceltop.views.widgets.trends import TrendsPane


@pytest.mark.parametrize(
    ("key", "heading"),
    [
        ("2", "2 kernels"),
        ("3", "3 steps"),
        ("4", "4 devices"),
        ("5", "5 stacks"),
        ("6", "6 timeline"),
        ("w", "w findings"),
        ("a", "processes"),
    ],
)
def test_screens_by_their_digit_and_back_by_escape(key: str, heading: str) -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        text = await press(app, pilot, key)
        assert f"─ {heading} ─" in text and "─ trends ─" not in text
        assert "─ trends ─" in await press(app, pilot, "escape")
        if key != "a":  # in the picker digits filter
            assert "─ trends ─" in await press(app, pilot, key, "1")

    on_screen(test, gpu_session(20))


def test_pause_freezes_the_picture_and_end_goes_live_again() -> None:
    def in_time(frame: Frame) -> bool:
        return frame.time_ns <= T0 + (20 if isinstance(frame, Sample) else 19) * NS_PER_S

    async def test(app: AcceltopApp, pilot: Hands) -> None:
        assert "paused" in await press(app, pilot, "space")
        before = {screen: _below_title(await press(app, pilot, screen)) for screen in "123561"}
        # Among them steps and windows that had ended, or were open at the pause, and are known only now.
        app.scene.timeline.add_all(frame for frame in gpu_session(40) if not in_time(frame))
        for screen, picture in before.items():
            assert _below_title(await press(app, pilot, screen)) == picture
        live = await press(app, pilot, "end")
        assert "● live" in live
        assert _below_title(live) != before["6"]
        assert "● live" in await press(app, pilot, "space", "space")

    on_screen(test, filter(in_time, gpu_session(20)))


def test_nothing_that_comes_late_moves_a_paused_picture() -> None:
    """Of before the pause: another one of each, though there was one at that time already."""
    late = [frame for frame in gpu_second(20) if isinstance(frame, Sample)]
    late = [replace(frame, values=dict.fromkeys(frame.values, 0.0)) for frame in late]

    async def test(app: AcceltopApp, pilot: Hands) -> None:
        for screen in "14":
            before = _below_title(await press(app, pilot, "end", screen, "space"))
            app.scene.timeline.add_all(late)
            app.redraw(moved_only=True)
            assert _below_title(await press(app, pilot)) == before

    on_screen(test, gpu_session(20))


def test_idle_time_of_paused_stacks_is_that_of_the_windows_that_were_there() -> None:
    def is_late(frame: Frame) -> bool:
        return isinstance(frame, StackWindow) and frame.t1_ns > T0 + 10 * NS_PER_S

    async def test(app: AcceltopApp, pilot: Hands) -> None:
        before = _below_title(await press(app, pilot, "5", "space"))
        app.scene.timeline.add_all(filter(is_late, gpu_session(20)))
        assert _below_title(await press(app, pilot, "i")) != before
        assert _below_title(await press(app, pilot, "i")) == before

    on_screen(test, (frame for frame in gpu_session(20) if not is_late(frame)))


def test_of_a_slow_step_a_phase_without_room_is_left_out_whole() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        await press(app, pilot, "3")
        for columns in (118, 120, 122):
            await pilot.resize_terminal(columns, 24)
            slowest = next(line for line in (await press(app, pilot)).splitlines() if "▌  75.0 ms" in line)
            assert re.search(r"  \w+ \+[\d.]+ ms$", slowest)

    usual, slow = 5 * NS_PER_S // 1000, 15 * NS_PER_S // 1000
    phases = {name: (*[usual] * 20, slow) for name in ("data", "forward", "backward", "optimizer", "communication")}
    steps = Steps(T0, TRAIN_PID, 0, (*[5 * usual] * 20, 5 * slow), phases)
    on_screen(test, [*gpu_opening(1), steps])


def test_each_table_whose_rows_a_filter_hides_says_so() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        await press(app, pilot, "slash", *"mem", "enter")
        for screen in "12456wa":
            text = await press(app, pilot, screen)
            tables = [pane for pane in app.screen.query(TablePane) if pane.noun and pane.display]
            assert text.count("/ filter mem ") == len(tables) > 0, screen

    on_screen(test, gpu_session(10))


def _below_title(text: str) -> list[str]:
    """All but the time strip, whose end goes on."""
    return text.splitlines()[1:-2]


def test_arrows_go_through_time() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        head = app.scene.head
        end = head.at_ns
        await press(app, pilot, "left")
        assert end - head.at_ns == pytest.approx(app.scene.timeline.span[1] // 100 - T0 // 100, rel=0.2)  # type: ignore[index]
        once = head.at_ns
        await press(app, pilot, "right")
        assert head.at_ns > once
        await press(app, pilot, "shift+left")
        assert head.at_ns < once
        await press(app, pilot, "shift+right", "shift+right")
        assert head.at_end
        await press(app, pilot, "home")
        assert head.at_ns == T0
        await press(app, pilot, "end")
        assert head.at_end

    on_screen(test, gpu_session(240))


def test_steps_forward_back_and_the_slowest() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        head = app.scene.head
        await press(app, pilot, "home", "full_stop")
        first = head.at_ns
        await press(app, pilot, "full_stop", "full_stop")
        assert head.at_ns > first
        await press(app, pilot, "comma", "comma")
        assert head.at_ns == first
        await press(app, pilot, "s")
        steps = app.scene.timeline.steps(app.scene.focus_pid or 0)
        at = int(steps.duration_ns.argmax())
        assert head.at_ns == steps.start_ns[at] + steps.duration_ns[at]

    on_screen(test, gpu_session(60))


def test_a_selection_is_what_tables_sum_up() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        await press(app, pilot, "shift+left", "v", "shift+left", "v")
        selection = app.scene.head.selection
        assert selection is not None
        assert app.scene.head.range_ns() == selection
        text = await press(app, pilot, "2")
        calls = [line for line in text.splitlines() if "gelu_mul_3" in line][0]
        windows = app.scene.timeline.windows(app.scene.focus_pid or 0, *selection)
        assert f"{96 * len(windows):,}".replace(",", " ") in calls
        await press(app, pilot, "escape")
        assert app.scene.head.selection is None

    on_screen(test, gpu_session(120))


def test_zoom_changes_the_time_that_charts_cover() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        assert "· 4 min ·" in await press(app, pilot)
        assert "· 15 min ·" in await press(app, pilot, "minus")
        assert "· 1 min ·" in await press(app, pilot, "plus", "plus")
        assert "· 4 min ·" in await press(app, pilot, "0")

    on_screen(test, gpu_session(30))


def test_replay_plays_faster_and_slower() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        head = app.scene.head
        assert "replay ×1" in await press(app, pilot)
        assert "replay ×2" in await press(app, pilot, "right_square_bracket")
        assert "replay ×0.5" in await press(app, pilot, "left_square_bracket", "left_square_bracket")
        await press(app, pilot, "home", "space")
        assert head.playing
        before = head.at_ns
        head.advance(10)
        assert head.at_ns == before + 5 * NS_PER_S
        await press(app, pilot, "space")
        assert not head.playing

    on_screen(test, gpu_session(30), recorded=True)


def test_filter_finds_and_escape_clears_it() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        text = await press(app, pilot, "slash", "g", "e", "l", "u", "enter")
        assert "triton_poi_fused_gelu_mul_3" in text
        assert "flash_bwd" not in text
        assert "filter gelu" in text
        assert not isinstance(app.focused, FilterInput)
        assert "rank 6 of" in await press(app, pilot, "enter")
        assert "filter gelu" in await press(app, pilot, "escape")
        assert "flash_fwd" in await press(app, pilot, "escape")
        assert "flash_bwd" in await press(app, pilot, "g")
        text = await press(app, pilot, "slash", "q", "z", "q", "z", "enter")
        assert "no kernel matches “qzqz”" in text
        assert "flash_bwd" in await press(app, pilot, "slash", "escape")

    on_screen(test, gpu_session(20))


def test_what_is_typed_in_one_burst_goes_to_the_filter() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        for key, character in (("slash", "/"), *((letter, letter) for letter in "rq2 ")):  # each of them does something
            app.post_message(events.Key("space" if key == " " else key, character))
        await pilot.pause()
        assert app.scene.filter == "rq2 "
        assert "● live" in text_of(app)
        assert app.current_mode == "overview"

    on_screen(test, gpu_session(5))


def test_a_second_enter_in_one_burst_opens_what_the_filter_found() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        for key, character in (("slash", "/"), *((letter, letter) for letter in "gelu"), *[("enter", "\r")] * 2):
            app.post_message(events.Key(key, character))
        await pilot.pause()
        await pilot.pause()
        assert app.scene.filter == "gelu"
        assert re.search(r"triton_poi_fused_gelu_mul_3.*rank \d+ of 53", text_of(app), re.DOTALL)

    on_screen(test, gpu_session(20))


def test_rows_move_and_open_and_close() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        pane = app.screen.query_one(KernelsPane)
        assert "▌██████ 18.4  flash_bwd" in text_of(app)  # where keys begin
        await press(app, pilot, "down")
        assert pane.place == 1
        await press(app, pilot, "j", "j", "k")
        assert pane.place == 2
        await press(app, pilot, "G")
        assert pane.place == 52
        await press(app, pilot, "pageup")
        assert pane.place < 52
        hidden = re.search(r"\+ (\d+) more, ([\d.]+) %", await press(app, pilot, "G"))
        assert hidden is not None
        assert int(hidden[1]) == 53 - pane._rows
        assert float(hidden[2]) > 98  # of those above, too
        await press(app, pilot, "g", "pagedown")
        assert pane.place > 0
        await press(app, pilot, "g", "down", "down")
        opened = await press(app, pilot, "enter")
        assert "rank 3 of 53" in opened
        assert "rank 4 of 53" in await press(app, pilot, "n")
        assert "rank 3 of 53" in await press(app, pilot, "p")
        assert "─ trends ─" in await press(app, pilot, "escape")

    on_screen(test, gpu_session(20))


def test_a_pause_puts_rows_in_order_and_then_they_stand() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        pane = app.screen.query_one(KernelsPane)
        await press(app, pilot, "down")
        app.scene.timeline.add(_ranked(11, a=2, b=9))
        app.redraw(moved_only=True)
        assert [row.name for row in pane._shown] == ["a", "b"]  # under the hand
        await press(app, pilot, "space")
        app.scene.clock_s = lambda: 1010.0
        assert [row.name for row in pane._shown] == ["b", "a"] and not pane.moved()

    on_screen(test, [*gpu_opening(1), _ranked(10, a=2, b=1)])


def test_rows_that_kept_their_places_under_the_hand_are_put_in_order_later_though_nothing_new_comes() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        pane = app.screen.query_one(KernelsPane)
        await press(app, pilot, "down")
        assert not pane.moved()
        app.scene.clock_s = lambda: 1010.0
        assert pane.moved()
        app.redraw(moved_only=True)
        assert not pane.moved()

    on_screen(test, gpu_session(20), recorded=True)


def test_after_a_jump_in_time_rows_have_the_order_of_that_place_at_once() -> None:
    """Also when a recording has read it only a moment later."""

    async def test(app: AcceltopApp, pilot: Hands) -> None:
        pane, timeline = app.screen.query_one(KernelsPane), app.scene.timeline
        for jump, order in (("end", "ba"), ("left", "ab"), ("end", "ba")):
            await press(app, pilot, "down", jump)  # right behind a key in the table
            assert [row.name for row in pane._shown] == list(order)
        detail = timeline.new_detail()
        detail.add(_ranked(100, a=9, b=5))
        timeline.show_detail(detail, timeline.span)
        app.redraw()
        assert [row.name for row in pane._shown] == ["a", "b"]
        app.scene.head.playing = True
        before = app.scene.place
        timeline.show_detail(detail, timeline.span)
        assert app.scene.place == before  # else rows would jump as fast as a recording can be read

    on_screen(test, [*gpu_opening(1), _ranked(50, a=2, b=1), _ranked(100, a=2, b=9)], recorded=True)


def _ranked(second: int, **seconds: int) -> KernelWindow:
    """A window with these kernels."""
    times = {name: length * NS_PER_S for name, length in seconds.items()}
    return replace(
        gpu_window(second), rows=tuple(KernelRow(name, "kernel", 1, ns, ns, ns) for name, ns in times.items())
    )


def test_a_large_kernel_that_comes_while_rows_keep_their_places_is_named_below_them() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        before = await press(app, pilot, "down")
        row = KernelRow("newcomer", "kernel", 1, 100 * NS_PER_S, 100 * NS_PER_S, 100 * NS_PER_S)
        app.scene.timeline.add(replace(gpu_window(20), rows=(row,)))
        app.redraw(moved_only=True)
        assert re.search(r"\+ \d+ more, [\d.]+ %, among them newcomer [\d.]+ %", text_of(app))
        assert "among them" not in before

    on_screen(test, gpu_session(20))


def test_a_screen_that_was_asked_for_its_keys_before_it_was_there_is_drawn_all_the_same() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        page = KernelsPage()
        assert not page.filterable
        await app.push_screen(page)
        assert "flash_bwd" in await press(app, pilot)
        assert page.filterable and page.canvases

    on_screen(test, gpu_session(20))


def test_sort_goes_through_the_columns() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        text = await press(app, pilot, "2")
        assert "t by share" in text
        assert "t by kernel" in await press(app, pilot, "t")
        rows = await press(app, pilot, "t", "t")
        assert "t by calls" in rows
        assert "vectorized_el" in rows.splitlines()[4]
        reverse = await press(app, pilot, "T")
        assert "t by calls reversed" in reverse
        assert "vectorized_el" not in reverse.splitlines()[4]
        assert "reversed" not in await press(app, pilot, "t")

    on_screen(test, gpu_session(20))


def test_copy_puts_the_whole_name_on_the_clipboard() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        await press(app, pilot, "y")
        assert app.clipboard.startswith("flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel<Flash_bwd_kernel_traits<128, 64,")

    on_screen(test, gpu_session(20))


def test_help_explains_the_pane_its_keys_and_metrics() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        await press(app, pilot, "4", "question_mark")
        assert isinstance(app.screen, HelpScreen)
        text = str(app.screen._text)
        assert "hw.gpu.sm.active" in text
        assert "Resident warps" not in text  # a metric that the pane doesn't show
        assert "next row" in text
        await press(app, pilot, "down", "up", "escape")
        assert not isinstance(app.screen, HelpScreen)

    on_screen(test, gpu_session(20), size=(120, 50))


def test_the_palette_changes_the_theme() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        await press(app, pilot, "ctrl+p", *"theme: light", "enter")
        await pilot.pause(0.3)
        assert app.scene.palette.name == "light"

    on_screen(test, gpu_session(10))


def test_icicle_walks_zooms_and_changes_thread() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        await press(app, pilot, "5", "down", "down", "down")
        pane = app.screen.query_one(IciclePane)
        assert [frame.split(" ")[0] for frame in pane.chosen] == ["main", "fit", "backward"]
        await press(app, pilot, "right")
        assert pane.chosen[-1].startswith("training_step")
        zoomed = await press(app, pilot, "enter")
        assert zoomed.splitlines()[4].lstrip().startswith("training_step")
        assert zoomed.splitlines()[4].rstrip().endswith("100%")
        await press(app, pilot, "left", "up", "escape")
        assert pane.root == pane.root[:2]
        assert "pin_memory" in await press(app, pilot, "greater_than_sign")
        assert "MainThread" in await press(app, pilot, "less_than_sign")
        assert "idle shown" in await press(app, pilot, "i")
        await press(app, pilot, "down", "y")
        assert app.clipboard.startswith("main")

    on_screen(test, gpu_session(20))


def test_single_calls_down_to_one_kernel() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        await press(app, pilot, "6", "right", "right", "right")
        pane = app.screen.query_one(SlicesPane)
        assert pane.call == 2
        await press(app, pilot, "left")
        assert pane.call == 1
        whole = pane.shown()
        assert whole is not None
        await press(app, pilot, *["plus"] * 6)
        assert pane.view is not None
        assert pane.view[1] - pane.view[0] == pytest.approx((whole.end_ns - whole.start_ns) / 64, rel=0.01)
        for calls in (1000, -1000, 1):
            pane.action_call(calls)
            assert whole.start_ns <= pane.view[0] and pane.view[1] <= whole.end_ns
        await press(app, pilot, "minus")
        await press(app, pilot, "down")
        assert pane.lane == 1
        await press(app, pilot, "up", "0")
        assert pane.lane == 0
        assert pane.view is None
        await press(app, pilot, "right", "y")
        assert app.clipboard in whole.names
        newest = pane.window()
        await press(app, pilot, "p")
        assert pane.window() != newest
        await press(app, pilot, "n", "escape")
        assert pane.window_t1 is None

    on_screen(test, gpu_session(20))


def test_tab_goes_from_pane_to_pane() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        first = app.focused
        await press(app, pilot, "tab")
        assert app.focused is not first
        assert isinstance(app.focused, TablePane)

    on_screen(test, gpu_session(10))


def test_picker_filters_by_typing_and_enter_shows_the_process() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        text = await press(app, pilot, "a", *"41238")
        assert "41238" in text
        assert "41237" not in text
        await press(app, pilot, "enter", "down", "enter")
        assert app.scene.focus_pid == 41238
        assert app.scene.filter == ""
        assert app.current_mode == "overview"

    on_screen(test, gpu_session(10))


def _attached(keys: str, *frames: Frame) -> list[int]:
    """Pids that the picker asks for after these keys."""
    asked: list[int] = []

    async def test(app: AcceltopApp, pilot: Hands) -> None:
        assert "paused" in await press(app, pilot, "space", "a")
        app.screen.query_one(ProcessesPane).sort = "pid"
        app.scene.link = Asked(asked)
        assert "● live" in await press(app, pilot, *keys.split())

    on_screen(test, frames)
    return asked


class Asked(Live):
    def __init__(self, asked: list[int]) -> None:
        self._asked = asked

    def attach(self, pids: Sequence[int]) -> None:
        self._asked[:] = pids


def _job() -> Iterator[Frame]:
    """A launcher with two ranks, and one more process."""
    yield Hello(T0, "laptop")
    for pid, parent, rank in ((10, 1, None), (11, 10, 1), (12, 10, 0), (13, 1, None)):
        yield ProcessFound(T0, pid, "python train.py", parent=parent, rank=rank, attachable="yes")


def test_enter_attaches_to_one_to_the_marked_or_to_the_ranks_of_a_launcher() -> None:
    assert _attached("down down down enter", *_job()) == [13]
    assert _attached("enter", *_job()) == [12, 11]
    assert _attached("down enter", *_job()) == [11]
    assert _attached("down space down space enter", *_job()) == [11, 13]


@pytest.mark.parametrize("keys", ["q", "ctrl+q", "ctrl+c", "slash ctrl+c"])
def test_quit(keys: str) -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        await pilot.press(*keys.split())
        await pilot.pause()
        assert app._exit

    on_screen(test, cpu_session(5))


def test_mouse_selects_sorts_opens_and_seeks() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        pane = app.screen.query_one(KernelsPane)
        await pilot.click(KernelsPane, offset=(20, 4))
        assert pane.place == 2
        assert pane.selected is not None
        await pilot.click(KernelsPane, offset=(pane._placed[3].x + 1, 1))
        assert pane.sort == "calls"
        await pilot.click(KernelsPane, offset=(20, 2))
        await pilot.click(KernelsPane, offset=(20, 2))
        assert len(app.screen_stack) == 2

    on_screen(test, gpu_session(60))


def test_a_click_on_a_heading_shows_the_pane_in_full_and_one_on_a_key_does_what_it_does() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        await pilot.click(KernelsPane, offset=(6, 0))
        assert app.current_mode == "kernels"
        offered = (await press(app, pilot)).splitlines()[-1]
        await pilot.click(KeyLine, offset=(offered.index("palette"), 0))
        await pilot.pause()
        assert isinstance(app.screen, CommandPalette)
        await press(app, pilot, "escape")
        await pilot.click(KeyLine, offset=(offered.index("? help") - 1, 0))
        await pilot.click(KeyLine, offset=(offered.index("? help"), 0))
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)

    on_screen(test, gpu_session(5))


def test_a_click_on_the_heading_that_is_sorted_by_turns_the_order_round() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        pane = app.screen.query_one(KernelsPane)
        first = pane._shown[0].name
        await pilot.click(KernelsPane, offset=(3, 1))
        assert (pane.sort, pane._shown[-1].name) == ("share", first)
        await pilot.click(KernelsPane, offset=(3, 1))
        assert pane._shown[0].name == first

    on_screen(test, gpu_session(5))


def test_a_click_on_the_time_strip_seeks_and_dragging_selects() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        head = app.scene.head
        t0, t1 = app.scene.timeline.span or (0, 0)
        await pilot.click("TimeStrip", offset=(40, 0))
        seeked = head.at_ns
        assert t0 < seeked < t1
        await _drag(pilot, 50, 30)
        assert head.selection is not None
        start, end = head.selection
        assert (head.at_ns, start < seeked < end) == (start, True)
        assert f"{(end - start) / NS_PER_S:.1f} s selected" in text_of(app)
        await _drag(pilot, 20, 119)
        assert head.selection is not None
        assert head.selection[1] == t1
        await pilot.hover("TimeStrip", offset=(60, 0))
        assert head.selection[1] == t1
        await pilot.click("TimeStrip", offset=(40, 0))
        assert head.at_ns == seeked
        assert head.state == "replay"
        assert "selected" not in text_of(app)

    on_screen(test, gpu_session(60), recorded=True)


def test_the_strip_of_a_recording_is_full_at_its_end() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        start, cells = strip_cells(120)
        assert text_of(app).splitlines()[-2].index("┃") == start + cells - 1
        assert (await press(app, pilot, "home")).splitlines()[-2].index("┃") == start

    on_screen(test, gpu_session(70), recorded=True)


def test_the_cost_to_the_job_is_that_of_the_moment() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        assert "cost to the job 2.0 % ▲" in await press(app, pilot)
        assert "cost to the job ≈ 0.3 %" in await press(app, pilot, "shift+left")

    dear = Cost(T0 + 59 * NS_PER_S, TRAIN_PID, 0.02, measured=True, budget=0.01)
    on_screen(test, [*gpu_session(60), dear], recorded=True)


def test_enter_in_the_picker_of_a_recording_changes_over_to_another_rank() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        assert f"pid {TRAIN_PID} " in await press(app, pilot)
        text = await press(app, pilot, "a", "down", "enter")
        assert f"pid {TRAIN_PID + 1} " in text
        assert "no kernels in this range" in text

    on_screen(test, gpu_session(5), recorded=True)


async def _drag(pilot: Hands, start: int, end: int) -> None:
    """On the time strip, from column to column."""
    await pilot.mouse_down("TimeStrip", offset=(start, 0))
    for column in ((start + end) // 2, end):
        await pilot.hover("TimeStrip", offset=(column, 0))
    await pilot.mouse_up("TimeStrip", offset=(end, 0))
    await pilot.pause()


def test_only_keys_that_do_something_here_are_offered() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        offered = (await press(app, pilot)).splitlines()[-1]
        assert all(words in offered for words in ("1-6 screens", "space pause", "enter open", "r record"))
        typing = (await press(app, pilot, "slash")).splitlines()[-1]
        assert [part.strip() for part in typing.split("   ")] == [
            "enter keep the filter", "esc clear it", "^p palette", "f1 help", "^c quit"
        ]  # fmt: skip
        picker = (await press(app, pilot, "escape", "a")).splitlines()[-1]
        assert all(words in picker for words in ("enter attach", "space mark", "/ filter", "? help", "q quit"))
        assert not any(words in picker for words in ("screens", "sort", "record", "why"))
        await press(app, pilot, "question_mark")
        assert isinstance(app.screen, HelpScreen)
        assert "screen: steps" not in str(app.screen._text)
        assert "enter" not in (await press(app, pilot, "escape", "escape", "w")).splitlines()[-1]
        for place in (["3"], ["2", "enter"]):
            assert "filter" not in (await press(app, pilot, *place)).splitlines()[-1]

    on_screen(test, gpu_session(5))


@pytest.mark.parametrize("recorded", [False, True])
def test_what_only_a_live_job_or_only_a_recording_can_do_is_offered_there_alone(recorded: bool) -> None:
    live = {"record", "pause", "attach", "mark"}
    replay = {"play", "look at it", "replay faster", "replay slower"}

    async def test(app: AcceltopApp, pilot: Hands) -> None:
        lines, told, commands = "", "", set()
        for screen in "1a":
            lines += (await press(app, pilot, screen)).splitlines()[-1]
            told += help_text(app.screen).plain
            commands |= {command.title for command in app.get_system_commands(app.screen)}
        wanted, unwanted = (replay, live) if recorded else (live, replay)
        assert wanted <= commands and not unwanted & commands
        for words in wanted:
            assert re.search(rf" {words}$", told, re.M)
        for words in unwanted:
            assert f" {words} " not in lines and not re.search(rf" {words}$", told, re.M)
        assert "detach" not in told  # but from the picker

    on_screen(test, gpu_session(5), recorded=recorded)


def test_esc_on_the_first_screen_detaches_where_one_came_from_the_picker() -> None:
    bound = PickerApp(Timeline())._bindings.key_to_bindings["escape"]
    assert ["detach" in binding.description for binding in bound] == [True]


def test_the_time_strip_grows_with_the_time_without_a_gap_before_its_end() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        for second in range(21, 26):
            app.scene.timeline.add_all(gpu_second(second))
            app.redraw()
            history = (await press(app, pilot)).splitlines()[-2][13:].partition("┃")[0]
            assert history.strip()
            assert " " not in history.lstrip()

    on_screen(test, gpu_session(20))


def test_a_device_that_comes_while_the_picture_stands() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        await press(app, pilot, "space")
        late = T0 + 21 * NS_PER_S
        app.scene.timeline.add(DeviceFound(late, "nvidia:late", "late", "gpu", "NVIDIA"))
        app.scene.timeline.add(Sample(late, "nvml", {"hw.gpu.utilization": 0.5}, "nvidia:late"))
        assert "─ trends ─" in await press(app, pilot, "j")
        assert "─ 4 devices ─" in await press(app, pilot, "4")

    on_screen(test, gpu_session(20), (160, 48))


def test_charts_with_wide_columns_are_drawn_with_every_second_reading() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        trends = app.screen.query_one(TrendsPane)
        assert not trends.moved()
        app.scene.clock_s = lambda: 1002.0
        assert trends.moved()
        trends.redraw()
        assert not trends.moved()
        await press(app, pilot, "plus")
        assert trends.moved()

    on_screen(test, gpu_session(20))


def test_a_terminal_that_was_too_small_has_its_keys_again() -> None:
    async def test(app: AcceltopApp, pilot: Hands) -> None:
        for size in ((50, 10), (120, 36)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert isinstance(app.focused, KernelsPane)
        assert "enter open" in (await press(app, pilot)).splitlines()[-1]

    on_screen(test, gpu_session(5))


def test_the_processes_of_the_chosen_device_stand_on_its_screen() -> None:
    values = {"process.gpu.memory.usage": 4e9, "process.gpu.sm.utilization": 0.6}
    used = Sample(T0 + 5 * NS_PER_S, "nvml", values, "nvidia:GPU-1", TRAIN_PID)

    async def test(app: AcceltopApp, pilot: Hands) -> None:
        assert "processes on" not in await press(app, pilot, "4")
        text = await press(app, pilot, "down")
        assert "─ processes on GPU 1 ─" in text
        assert re.search(rf"4.00 GB +60% +{TRAIN_PID} +train.py ", text)
        assert "─ processes on GPU 1 ─" in await press(app, pilot, "slash", *"power")

    on_screen(test, [*gpu_session(5), used], size=(160, 48))
