"""core.vsvfi.Interpolate on real clips: time, properties, scenes, order, caches."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs
from clips import drawn, duration, noise, planes, ramp, without_rate
from hypothesis import given, settings
from hypothesis import strategies as st

import vsvfi
from vsvfi.commands.clips import Clip, core

pytestmark = pytest.mark.usefixtures("models")

STEP = 512
ALTERNATING = [Fraction(1001 * (1 + k % 2), 24000) for k in range(20)]


def interpolate(clip: Clip, **arguments: Any) -> Clip:
    return core.vsvfi.Interpolate(clip, **{"model": "fade", "sc": 0, **arguments})


def brightness(frame: vs.VideoFrame) -> float:
    return float(np.mean(np.asarray(frame[0]))) / STEP


class TestTime:
    @pytest.mark.parametrize("factor", [2, 2.5, 3, 4, 12 / 5])
    def test_new_frames_lie_where_they_belong(self, factor: float) -> None:
        result = interpolate(ramp(length=9), factor=factor)
        for n, frame in enumerate(result.frames()):
            assert brightness(frame) == pytest.approx(min(n / factor, 8), abs=1 / STEP)

    @pytest.mark.parametrize("frames", [1, 2, 9, 10])
    @pytest.mark.parametrize("factor", [Fraction(2), Fraction(5, 2), Fraction(1001, 1000), Fraction(7, 3)])
    def test_durations_add_up_to_the_inputs(self, frames: int, factor: Fraction) -> None:
        clip = ramp(length=frames, fps=Fraction(24000, 1001))
        result = interpolate(clip, factor_num=factor.numerator, factor_den=factor.denominator)
        assert result.fps == factor * clip.fps
        assert result.num_frames == -(-frames * factor.numerator // factor.denominator)
        assert sum(duration(frame) for frame in result.frames()) == frames / clip.fps

    def test_film_to_sixty(self) -> None:
        clip = ramp(length=10, fps=Fraction(24000, 1001))
        result = interpolate(clip, fps_num=60000, fps_den=1001)
        assert (result.fps, result.num_frames) == (Fraction(60000, 1001), 25)
        exact = interpolate(clip, fps_num=60)
        assert exact.fps == 60
        assert sum(duration(frame) for frame in exact.frames()) == Fraction(10 * 1001, 24000)

    def test_source_frames_come_out_as_they_are(self) -> None:
        clip = noise(length=6, form=vs.YUV420P10, props=lambda n: {"Mark": n, "_AbsoluteTime": n / 25})
        result = interpolate(clip, factor=2.5)
        for n in range(0, 15, 5):
            here, there = result.get_frame(n), clip.get_frame(n * 2 // 5)
            assert all((a == b).all() for a, b in zip(planes(here), planes(there), strict=True))
            changed = {"_DurationNum", "_DurationDen"}
            assert {k: v for k, v in here.props.items() if k not in changed} == {
                k: v for k, v in there.props.items() if k not in changed
            }

    def test_the_tail_holds_the_last_frame(self) -> None:
        clip = noise(length=3)
        result = interpolate(clip, factor=4)
        last = planes(clip.get_frame(2))[0]
        assert all((planes(result.get_frame(n))[0] == last).all() for n in range(8, 12))

    def test_one_frame_gets_longer(self) -> None:
        clip = noise(length=1)
        result = interpolate(clip, factor=3)
        assert result.num_frames == 3
        assert all((planes(frame)[0] == planes(clip.get_frame(0))[0]).all() for frame in result.frames())
        assert sum(duration(frame) for frame in result.frames()) == Fraction(1, 25)

    def test_frame_ten_million(self) -> None:
        clip = ramp(length=1, fps=Fraction(24)).std.Loop(5_000_000)
        result = interpolate(clip, factor=2.5)
        frame = result.get_frame(10_000_001)
        assert duration(frame) == Fraction(1, 60)
        assert interpolate(clip, factor=400).num_frames == 2_000_000_000

    def test_absolute_time_follows(self) -> None:
        clip = ramp(length=4, props=lambda n: {"_AbsoluteTime": n / 25})
        for n, frame in enumerate(interpolate(clip, factor=4).frames()):
            assert frame.props["_AbsoluteTime"] == pytest.approx(n / 100)


class TestVariableFrameRate:
    @pytest.mark.parametrize("factor", [Fraction(2), Fraction(5, 2), Fraction(7, 3)])
    def test_a_factor_divides_each_frames_own_duration(self, factor: Fraction) -> None:
        clip = without_rate(ramp(length=20), ALTERNATING)
        result = interpolate(clip, factor_num=factor.numerator, factor_den=factor.denominator)
        assert result.fps == 0
        lengths = [duration(frame) for frame in result.frames()]
        assert sum(lengths) == sum(ALTERNATING)
        ends = [Fraction(0), *itertools.accumulate(ALTERNATING)]
        for n, begin in enumerate(itertools.accumulate(lengths, initial=Fraction(0))):
            position = min(n / factor, Fraction(20))
            source = min(int(position), 19)
            assert begin == ends[source] + (position - source) * ALTERNATING[source]

    def test_a_rate_places_frames_by_durations(self) -> None:
        clip = without_rate(ramp(length=20), ALTERNATING)
        result = interpolate(clip, fps_num=60000, fps_den=1001)
        assert result.fps == Fraction(60000, 1001)
        begins = [Fraction(0), *itertools.accumulate(ALTERNATING)]
        assert result.num_frames == -(-begins[-1] * result.fps // 1)
        assert sum(duration(frame) for frame in result.frames()) == begins[-1]
        for n, frame in enumerate(result.frames()):
            time = n / result.fps
            source = max(k for k in range(20) if begins[k] <= time)
            wanted = min(source + (time - begins[source]) / ALTERNATING[source], Fraction(19))
            assert brightness(frame) == pytest.approx(float(wanted), abs=1 / STEP)

    def test_a_frame_without_duration_is_named(self) -> None:
        clip = without_rate(ramp(length=20), ALTERNATING).std.RemoveFrameProps("_DurationNum")
        with pytest.raises(vs.Error, match="frame 0 of a variable-frame-rate clip has no _DurationNum"):
            interpolate(clip, factor=2).get_frame(0)
        with pytest.raises(vs.Error, match="frame 0 of a variable-frame-rate clip has no _DurationNum"):
            interpolate(clip, fps_num=60)


class TestScenes:
    @staticmethod
    def two_scenes(cut: int, length: int = 8) -> Clip:
        """A still of 0 and a still of 1000, marked by the properties that any detector sets."""

        def draw(n: int, given: list[Any]) -> None:
            given[0][...] = 0 if n < cut else 1000

        return drawn(draw, length=length, form=vs.GRAY16, props=lambda n: {"_SceneChangePrev": int(n == cut)})

    @pytest.mark.parametrize(
        ("mode", "shown"), [("hold", [0, 0, 0, 0]), ("nearest", [0, 0, 1000, 1000]), ("blend", [0, 250, 500, 750])]
    )
    def test_what_is_shown_at_a_cut(self, mode: str, shown: list[int]) -> None:
        result = interpolate(self.two_scenes(4), factor=4, sc=1, sc_mode=mode)
        assert [int(planes(result.get_frame(n))[0][0, 0]) for n in range(12, 17)] == [*shown, 1000]

    def test_either_property_marks_a_cut(self) -> None:
        clip = self.two_scenes(4).std.RemoveFrameProps("_SceneChangePrev")
        marked = core.std.ModifyFrame(clip, clip, _mark_next)
        result = interpolate(marked, factor=2, sc=1)
        assert int(planes(result.get_frame(7))[0][0, 0]) == 0

    def test_without_detection_a_cut_is_bridged(self) -> None:
        result = interpolate(self.two_scenes(4), factor=2, sc=0)
        assert int(planes(result.get_frame(7))[0][0, 0]) == 500

    def test_no_window_spans_a_cut(self, models: Counter[tuple[str, Any]]) -> None:
        def draw(n: int, given: list[Any]) -> None:
            given[0][...] = n if n < 4 else 1000 + n

        clip = drawn(draw, length=8, form=vs.GRAY16, props=lambda n: {"_SceneChangePrev": int(n == 4)})
        list(interpolate(clip, model="fade-four", factor=2, sc=1).frames())
        windows = sorted(key for what, key in models if what == "prepare")
        assert windows == [
            (0, 0, 1, 2),
            (0, 1, 2, 3),
            (1, 2, 3, 3),
            (1004, 1004, 1005, 1006),
            (1004, 1005, 1006, 1007),
            (1005, 1006, 1007, 1007),
        ]

    def test_the_built_in_detector_finds_a_plain_cut(self) -> None:
        cut = noise(length=6, still=True, size=(160, 120)) + noise(length=6, size=(160, 120)).std.Invert()[5].std.Loop(
            6
        )
        result = interpolate(cut, factor=2, sc=1)
        assert (planes(result.get_frame(11))[0] == planes(cut.get_frame(5))[0]).all()
        scenes = core.vsvfi.DetectScenes(cut)
        assert [frame.props["_SceneChangePrev"] for frame in scenes.frames()] == [0] * 6 + [1] + [0] * 5
        assert [frame.props["_SceneChangeNext"] for frame in scenes.frames()] == [0] * 5 + [1] + [0] * 6


def _mark_next(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
    frame = f.copy()
    frame.props["_SceneChangeNext"] = int(n == 3)
    return frame


class TestDuplicates:
    @staticmethod
    def on_twos() -> Clip:
        """A picture that gets brighter every other frame."""

        def draw(n: int, given: list[Any]) -> None:
            given[0][...] = n // 2 * 2 * 4 * STEP

        return drawn(draw, length=16, form=vs.GRAY16, size=(64, 64))

    def test_bridge_spreads_the_motion_evenly(self) -> None:
        result = interpolate(self.on_twos(), factor=2, duplicates="bridge")
        shown = [brightness(frame) / 4 for frame in result.frames()]
        assert shown[:28] == pytest.approx([n / 2 for n in range(28)], abs=1 / STEP)

    @pytest.mark.parametrize("hold", [2, 3])
    def test_a_thing_drawn_on_twos_or_threes_moves_evenly(self, hold: int) -> None:
        """The flow model moves it; where it is found is measured against where it should be."""
        ground = np.kron(np.random.default_rng(5).integers(60, 120, (15, 24)), np.ones((8, 8)))
        yy, xx = np.mgrid[0:120, 0:192]
        noise_of = np.random.default_rng(6)
        step = 2.0

        def draw(n: int, given: list[Any]) -> None:
            inside = np.clip(14.5 - np.hypot(xx - 40 - step * (n // hold * hold), yy - 60), 0, 1)
            given[0][...] = np.rint(ground * (1 - inside) + 230 * inside + noise_of.integers(-1, 2, ground.shape))

        clip = drawn(draw, length=5 * hold, form=vs.GRAY8, size=(192, 120))
        result = interpolate(clip, model="flow", factor=2, sc=0, duplicates="bridge")
        count = 2 * 4 * hold  # after the last picture begins there is nothing to move to
        at = []
        for n in range(count):
            bright = planes(result.get_frame(n))[0].astype(float) > 175
            at.append(float(xx[bright].mean()))
        assert at == pytest.approx([40 + step * n / 2 for n in range(count)], abs=0.7)

    def test_keep_leaves_them(self) -> None:
        result = interpolate(self.on_twos(), factor=2)
        assert [brightness(frame) / 4 for frame in result.frames()][:5] == [0, 0, 0, 1, 2]

    def test_a_still_shot_stays_still(self) -> None:
        clip = noise(length=12, still=True)
        result = interpolate(clip, factor=2, duplicates="bridge")
        picture = planes(clip.get_frame(0))[0]
        assert all((planes(frame)[0] == picture).all() for frame in result.frames())


class TestOrder:
    @pytest.mark.parametrize("model", ["fade", "torch-fade", "flow"])
    def test_results_do_not_depend_on_the_order(self, model: str) -> None:
        clip = noise(length=8, form=vs.YUV420P8, size=(96, 64))
        expected = [planes(frame) for frame in interpolate(clip, model=model, factor=3).frames()]
        order = list(range(24)) * 2
        random.Random(1).shuffle(order)
        again = interpolate(clip, model=model, factor=3)
        futures = [(n, again.get_frame_async(n)) for n in order]
        for n, future in futures:
            assert all((a == b).all() for a, b in zip(planes(future.result()), expected[n], strict=True))

    @pytest.mark.parametrize("model", ["fade", "torch-fade"])
    @pytest.mark.parametrize("factor", [2, 8])
    def test_what_depends_on_a_pair_is_computed_once(
        self, models: Counter[tuple[str, Any]], model: str, factor: int
    ) -> None:
        list(interpolate(ramp(length=10), model=model, factor=factor).frames())
        by_kind = Counter(what for what, _ in models)
        assert by_kind == {"encode": 10, "prepare": 9, "synthesize": 9 * (factor - 1)}
        assert set(models.values()) == {1}

    def test_timesteps_are_batched_where_the_model_gains_by_it(self, models: Counter[tuple[str, Any]]) -> None:
        result = interpolate(ramp(length=4), model="torch-batch", factor=6)
        shown = [brightness(frame) for frame in result.frames()]
        assert shown == pytest.approx([min(n / 6, 3) for n in range(24)], abs=1 / STEP)
        batches = sorted(key[1] for what, key in models if what == "synthesize")
        assert [len(steps) for steps in batches] == [3, 3, 3, 2, 2, 2]

    def test_recursion_reaches_quarters(self, models: Counter[tuple[str, Any]]) -> None:
        result = interpolate(ramp(length=5), model="torch-midpoint", factor=8)
        shown = [brightness(frame) for frame in result.frames()]
        assert shown == pytest.approx([min(n / 8, 4) for n in range(40)], abs=2 / STEP)
        assert set(models.values()) == {1}

    def test_recursion_of_four_frame_windows_uses_neighbours_at_half_the_spacing(
        self, models: Counter[tuple[str, Any]]
    ) -> None:
        clip = ramp(length=8, step=2048)
        shown = brightness(interpolate(clip, model="torch-four", factor=4).get_frame(13)) / 4
        assert shown == pytest.approx(3.25, abs=1e-3)
        unit = 2048 / 56064  # limited-range gray: (x - 16 * 256) / (219 * 256)
        windows = [[round(x / unit, 2) for x in key] for what, key in models if what == "prepare"]
        offset = windows[0][0] - round(windows[0][0])
        spacings = [{round(b - a, 2) for a, b in itertools.pairwise(window)} for window in windows]
        assert {0.5} in spacings
        assert all(spacing in ({0.5}, {1.0}) for spacing in spacings), offset

    def test_a_timestep_out_of_reach_is_refused(self) -> None:
        with pytest.raises(vs.Error, match=r"makes midpoints only and cannot reach timestep 1/3; use factor 2, 4, 8"):
            interpolate(ramp(length=4), model="torch-midpoint", factor=3)


class TestMemory:
    @pytest.mark.parametrize("model", ["torch-hungry", "torch-internal"])
    def test_tiles_are_used_where_memory_runs_out(self, model: str, models: Counter[tuple[str, Any]]) -> None:
        clip = noise(length=3, form=vs.RGBS, size=(320, 200))
        messages: list[str] = []
        handle = vs.core.add_log_handler(lambda _, text: messages.append(text))
        try:
            tiled = [planes(frame) for frame in interpolate(clip, model=model, factor=2).frames()]
        finally:
            vs.core.remove_log_handler(handle)
        whole = [planes(frame) for frame in interpolate(clip, model="torch-fade", factor=2).frames()]
        for a, b in zip(itertools.chain(*tiled), itertools.chain(*whole), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
        assert (
            len([text for text in messages if "ran out of memory at 320x200; going on in tiles of 160x" in text]) == 1
        )

    def test_chosen_tiles_give_the_same_picture(self) -> None:
        clip = noise(length=3, form=vs.RGBS, size=(320, 200))
        tiled = planes(interpolate(clip, model="torch-fade", tile=[128, 64]).get_frame(1))
        whole = planes(interpolate(clip, model="torch-fade").get_frame(1))
        for a, b in zip(tiled, whole, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


class TestSuperResolution:
    def test_every_frame_grows(self) -> None:
        clip = ramp(length=4, form=vs.YUV420P8, step=32)
        result = interpolate(clip, model="torch-large", factor=2, sc=1)
        assert (result.width, result.height, result.num_frames) == (256, 192, 8)
        shown = [float(np.mean(np.asarray(frame[0]))) / 32 for frame in result.frames()]
        assert shown == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5, 3, 3], abs=1 / 32)

    def test_properties_are_those_of_the_source(self) -> None:
        clip = ramp(length=4, form=vs.YUV420P8, step=32, props=lambda n: {"Mark": n, "_Matrix": 1})
        result = interpolate(clip, model="torch-large", factor=2)
        assert [(frame.props["Mark"], frame.props["_Matrix"]) for frame in result.frames()] == [
            (n // 2, 1) for n in range(8)
        ]

    def test_only_the_midpoint_is_reached(self) -> None:
        result = interpolate(ramp(length=4), model="torch-large", factor=3)
        assert result.num_frames == 12


@settings(max_examples=15, deadline=None)
@given(
    length=st.integers(1, 6),
    factor=st.builds(Fraction, st.integers(3, 20), st.just(2)).filter(lambda f: f > 1),
    sc=st.booleans(),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
)
def test_any_small_clip(length: int, factor: Fraction, sc: bool, width: int, height: int) -> None:
    clip = noise(length=length, size=(width, height))
    result = interpolate(clip, factor_num=factor.numerator, factor_den=factor.denominator, sc=sc)
    assert sum(duration(frame) for frame in result.frames()) == length / clip.fps


class TestPythonFunction:
    def test_it_is_the_filter(self) -> None:
        clip = ramp(length=4)
        result = vsvfi.interpolate(clip, model="fade", factor=2, sc=False)
        assert [brightness(frame) for frame in result.frames()] == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3]

    def test_the_default_needs_nothing(self) -> None:
        clip = noise(length=4, form=vs.YUV420P8, size=(96, 64))
        assert vsvfi.interpolate(clip).num_frames == 8
        assert "flow" in core.vsvfi.Models()
