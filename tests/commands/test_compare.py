"""`vsvfi compare`: what is on the page, and that it works in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import time
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs
from rich.console import Console

from vsvfi.commands import compare as tool
from vsvfi.commands import ffmpeg
from vsvfi.commands.clips import clip_of_images
from vsvfi.commands.demo import drawing
from vsvfi.errors import VsvfiError

needs_bestsource = pytest.mark.skipif(
    ffmpeg.find() is None or not hasattr(vs.core, "bs"), reason="ffmpeg or BestSource is not there"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of nine small frames that contain a cut: four held back."""
    if ffmpeg.find() is None or not hasattr(vs.core, "bs"):
        pytest.skip("ffmpeg or BestSource is not there")
    folder = tmp_path_factory.mktemp("compare")
    images = [np.ascontiguousarray(drawing.draw(0.3 + n / 24)[::2, ::2]) for n in range(9)]
    clip = clip_of_images(lambda n: images[n], length=9, fps=Fraction(24))
    with (folder / "film.y4m").open("wb") as file:
        clip.resize.Bicubic(format=vs.YUV420P8, matrix=vs.MATRIX_BT709).output(file, y4m=True)
    source = folder / "a <b> & c.mkv"
    ffmpeg.run(["-i", str(folder / "film.y4m"), "-c:v", "ffv1", str(source)], "test film")
    out = folder / "compare.html"
    tool.compare(source, ["flow"], None, out, console=Console(file=StringIO()))
    return out


def _scripts(page: Path) -> dict[str, Any]:
    found = re.findall(r'<script type="application/json" id="([^"]+)">(.*?)</script>', page.read_text(), re.DOTALL)
    return {name: json.loads(text) for name, text in found}


def test_held_back_frames_are_measured(page: Path) -> None:
    data = _scripts(page)["page"]
    assert [frame["number"] for frame in data["frames"]] == [1, 3, 5, 7]
    assert data["models"] == ["flow", "frame blending"]
    for frame in data["frames"]:
        assert frame["metrics"]["flow"]["psnr"] > frame["metrics"]["frame blending"]["psnr"] + 3
    mean = sum(frame["metrics"]["flow"]["ssim"] for frame in data["frames"]) / 4
    assert data["means"]["flow"]["ssim"] == pytest.approx(mean)


def test_page_holds_everything_itself(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r'(src|href)\s*=\s*"(?!data:)', text)
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    assert "a &lt;b&gt; &amp; c.mkv" in text
    assert "a <b>" not in text
    frames = [value for name, value in _scripts(page).items() if name.startswith("frame-")]
    assert len(frames) == 4
    expected = {"@before", "@after", "@truth", "@flow", "@occlusion", "flow", "frame blending"}
    assert set(frames[0]) == expected | {"@difference flow", "@difference frame blending"}
    assert all(value.startswith("data:image/webp;base64,") for value in frames[0].values())


def test_flow_colours_tell_direction_and_distance() -> None:
    flow = np.zeros((1, 4, 2), np.float32)
    flow[0, 1] = (10, 0)
    flow[0, 2] = (-10, 0)
    flow[0, 3] = (5, 0)
    still, right, left, slower = tool.flow_colours(flow, 10.0)[0].astype(int)
    assert still.tolist() == [255, 255, 255]
    assert right.argmax() == 0
    assert left.argmin() == 0
    assert slower.sum() > right.sum()


def test_occlusion_is_where_the_flows_do_not_meet() -> None:
    forward = np.zeros((4, 8, 2), np.float32)
    backward = np.zeros((4, 8, 2), np.float32)
    forward[..., 0], backward[..., 0] = 2, -2
    backward[:, 4] = 0
    hidden = tool.occlusion(forward, backward)
    assert hidden[:, 6:].all()  # leaves the picture
    assert hidden[:, 2].all()  # what it meets moves otherwise
    assert not hidden[:, [0, 1, 3, 4, 5]].any()


@pytest.mark.parametrize(
    ("text", "message"),
    [("100", "must be first and last frame"), ("5-4", "at least three"), ("5-6", "at least three"), ("a-b", "must be")],
)
def test_frame_ranges_that_make_no_sense(text: str, message: str) -> None:
    with pytest.raises(VsvfiError, match=message):
        tool.frame_range(text)


def test_frame_range() -> None:
    assert tool.frame_range("100-110") == (100, 110)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flow", {"model": "flow", "precision": "fp32"}),
        ("flow:best", {"model": "flow", "precision": "fp32", "quality": "best"}),
        ("jnmr:weights=a", {"model": "jnmr", "device": "cpu", "precision": "fp32", "weights": "a"}),
        ("flow:sc-threshold=0.2:sc=0", {"model": "flow", "precision": "fp32", "sc_threshold": 0.2, "sc": 0}),
        ("jnmr:precision=fp16:tile=128x64", {"model": "jnmr", "device": "cpu", "precision": "fp16", "tile": [128, 64]}),
    ],
)
def test_one_model_is_compared_under_several_settings(text: str, expected: dict[str, Any]) -> None:
    assert tool.candidate(text, {"device": "cpu", "precision": "fp32"}) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flow:speed=9", "'speed' is no option of the filter; known are model, "),
        ("flow:sc-threshold=high", "sc_threshold must be a number, got 'high'"),
    ],
)
def test_settings_that_are_none_are_refused(text: str, message: str) -> None:
    with pytest.raises(VsvfiError, match=message):
        tool.candidate(text, {})


@needs_bestsource
def test_what_cannot_be_compared_is_said(page: Path, tmp_path: Path) -> None:
    source = next(page.parent.glob("*.mkv"))
    quiet = Console(file=StringIO())
    with pytest.raises(VsvfiError, match=r"goes to 20, but a <b> & c\.mkv has 9 frames, 0 to 8"):
        tool.compare(source, ["flow"], (0, 20), tmp_path / "out.html", console=quiet)
    with pytest.raises(VsvfiError, match="there is no video"):
        tool.compare(tmp_path / "none.mkv", ["flow"], (0, 8), tmp_path / "out.html", console=quiet)
    with pytest.raises(VsvfiError, match="name at least one model"):
        tool.compare(source, [], (0, 8), tmp_path / "out.html", console=quiet)
    with pytest.raises(ValueError, match="unknown model 'flaw'; closest: flow"):
        tool.compare(source, ["flaw"], (0, 8), tmp_path / "out.html", console=quiet)


@pytest.fixture(scope="module")
def browser(page: Path) -> Any:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser; it is in vsvfi[dev]")
    chrome = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if chrome is None or driver is None:
        pytest.skip("no Chromium with chromedriver on the PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = chrome
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1300,1000"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    session = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield session
    session.quit()


@pytest.fixture
def opened(browser: Any, page: Path) -> Any:
    browser.get(page.as_uri())
    return browser


def _keys(browser: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def _at(browser: Any) -> float:
    return float(
        browser.execute_script(
            "return getComputedStyle(document.getElementById('stage')).getPropertyValue('--at').replace('%', '')"
        )
    )


def test_slider_moves_by_mouse_and_keyboard(opened: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    _keys(opened, "2")
    stage = opened.find_element("id", "stage")
    assert stage.is_displayed()
    assert _at(opened) == 50
    ActionChains(opened).move_to_element(stage).click_and_hold().move_by_offset(100, 0).release().perform()
    width = stage.size["width"]
    assert _at(opened) == pytest.approx(50 + 100 * 100 / width, abs=1)
    seen = opened.execute_script("return getComputedStyle(document.getElementById('over')).clipPath")
    assert float(seen.split()[1].rstrip("%")) == pytest.approx(100 - _at(opened), abs=0.01)
    before = _at(opened)
    _keys(opened, "[", "[")
    assert _at(opened) == pytest.approx(before - 10, abs=0.5)


def test_pictures_are_swapped_and_chosen(opened: Any) -> None:
    _keys(opened, "2")
    left, right = (opened.find_element("css selector", f".tag.{side}") for side in "ab")
    assert (left.text, right.text) == ("flow", "truth (held back)")
    _keys(opened, " ")
    assert (left.text, right.text) == ("truth (held back)", "flow")
    _keys(opened, "b")
    assert right.text == "frame blending"


def test_frames_are_walked_through(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    which = opened.find_element("id", "which")
    assert which.text == "frame 1, 1 of 4"
    _keys(opened, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert which.text == "frame 5, 3 of 4"
    _keys(opened, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert which.text == "frame 5, 3 of 4"


def test_every_view_shows_its_pictures(opened: Any) -> None:
    captions = {
        "1": ["truth (held back)", "flow", "frame blending"],
        "3": ["flow", "frame blending"],
        "4": ["frame before", "frame after", "motion", "occlusion"],
    }
    for key, expected in captions.items():
        _keys(opened, key)
        found = opened.find_elements("css selector", "#panels figcaption span:first-child")
        assert [element.text for element in found] == expected
        loaded = "return Promise.all([...document.querySelectorAll('#panels img')].map(i => i.decode()"
        assert opened.execute_script(loaded + ".then(() => i.naturalWidth)))") == [384] * len(expected)


def test_clicking_a_picture_opens_the_slider(opened: Any) -> None:
    opened.find_elements("css selector", "figure.pick")[1].click()
    assert opened.find_element("css selector", ".tag.a").text == "frame blending"
    assert opened.find_element("id", "stage").is_displayed()


def test_no_errors_on_the_console(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    _keys(opened, "1", "2", "3", "4", Keys.ARROW_RIGHT, "2", "]", "a", "b", " ", "f", "?", Keys.ESCAPE)
    assert [entry for entry in opened.get_log("browser") if entry["level"] != "INFO"] == []


@pytest.mark.parametrize("width", [320, 390, 768])
def test_narrow_screens_need_no_scrolling_to_the_side(browser: Any, page: Path, width: int) -> None:
    """As wide as a phone; only the table of figures scrolls, in itself."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser.get(page.as_uri())
        for key in "1234":
            _keys(browser, key)
            seen = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
            assert seen == [width, width], key
        _keys(browser, "2")
        for name in ("previous", "next", "a", "b", "swap"):
            box = browser.find_element("id", name).rect
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_fifty_frames_open_quickly(browser: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    noise = rng.integers(0, 256, (480, 854, 3)).astype(np.uint8)  # nothing compresses worse
    picture = tool._data(noise, 60)
    names = ["@before", "@after", "@truth", "@flow", "@occlusion", "flow", "@difference flow"]
    score = {"number": 1, "reach": 1.0, "metrics": {"flow": {"psnr": 30.0, "ssim": 0.9, "rmse": 8.0, "mae": 5.0}}}
    out = tmp_path / "fifty.html"
    frames = [dict.fromkeys(names, picture)] * 50
    out.write_text(tool._page("fifty", ["flow"], frames, [score] * 50, 854))
    begun = time.monotonic()
    browser.get(out.as_uri())
    assert browser.find_element("id", "which").text == "frame 1, 1 of 50"
    assert time.monotonic() - begun < 10
