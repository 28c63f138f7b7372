"""The page: complete without a network, in a real browser, in both colour schemes."""

import re

import numpy as np
import pytest
from support import browser
from support.comparisons import compared, run

from brnn.compare.interactive import figures
from brnn.compare.page import page

RNG = np.random.default_rng(0)
PLOTLY = re.compile(r"(?<=<script>)(.+?)(?=</script>\n</head>)", re.DOTALL)
CONTRAST = """
await drawn;
const plot = document.getElementById("plot0");
Plotly.Fx.hover(plot, [{ curveNumber: 0, pointNumber: 0 }]);
const hovered = plot.querySelector(".hoverlayer").textContent;
const opened = [];
window.open = address => opened.push(address);
plot.emit("plotly_click", { points: [{ customdata: plot.data[0].customdata[0] }] });
const channels = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
const luminance = text => {
  const [r, g, b] = channels(text).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const back = luminance(getComputedStyle(document.body).backgroundColor);
const cell = luminance("rgb(107, 174, 214)");  // the darkest of a heat map
const weak = [], seen = new Set();
for (const element of document.body.querySelectorAll("*")) {
  const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!own || element.closest("script, style, .hoverlayer")) continue;
  const style = getComputedStyle(element);
  const colour = element instanceof SVGElement ? style.fill : style.color;
  seen.add(colour);
  const behind = element.closest(".heatmap-label") ? cell : back;
  const [high, low] = [luminance(colour), behind].sort((a, b) => b - a);
  if ((high + 0.05) / (low + 0.05) < 4.5) weak.push(element.textContent + " " + colour);
}
const width = index => document.querySelector(`#plot${index} .main-svg`).clientWidth;
const widths = () => plots.map((_, index) => width(index));
const shown = widths();
await draw(true);
const printed = widths();
await draw(false);
return { hovered, opened, weak, shown, printed, restored: widths(), colours: seen.size,
  background: back,
  drawn: document.querySelectorAll(".plot .main-svg").length,
  slots: document.querySelectorAll(".plot").length };
"""


@pytest.fixture(scope="module")
def text():
    """The page of 24 jobs: two estimators, two precisions, six seeds; names that need escapes."""
    runs = [
        run(
            estimator, seed, accuracy,
            params={"precision": precision},
            tags={"trusted": "yes" if seed % 2 else "attack too weak: <at most> 0.1"},
            **{"trust/robust_accuracy": accuracy / 2, "size/bits_per_weight": 1.0 + seed / 10},
        )
        for estimator in ("ste", "<b>&bold")
        for precision in ("binarynet", "ternary")
        for seed, accuracy in enumerate(RNG.normal(0.9, 0.02, 6))
    ]  # fmt: skip
    return page(compared(runs, "estimator=ste,<b>&bold precision=binarynet,ternary seed=range(6)"))


def test_the_page_needs_no_network_and_escapes_what_it_shows(text):
    before, plotly, after = PLOTLY.split(text)
    assert len(plotly) > 1_000_000
    assert not re.search(r'(src|href)="(?!#|http://127\.0\.0\.1|")', before + after)
    assert "<b>&bold" not in before + after
    assert "estimator=ste,&lt;b&gt;&amp;bold" in before


def test_a_robust_number_stands_beside_its_verdict_and_each_run_has_a_link(text):
    assert text.count("3 of 6") == 4
    assert text.count("attack too weak: &lt;at most&gt; 0.1</span>") == 12
    assert text.count('<td class="name"><a href="http://127.0.0.1:5000/#/') == 24


@pytest.mark.skipif(not browser.CHROMIUM, reason=browser.NO_CHROMIUM)
@pytest.mark.parametrize("dark", [False, True])
def test_in_a_browser_all_is_drawn_readable_and_linked(text, tmp_path, dark):
    found = browser.evaluate(text, CONTRAST, tmp_path, dark=dark)
    assert found["errors"] == []
    assert found["weak"] == []
    assert found["colours"] >= 4
    assert (found["background"] < 0.1) is dark
    assert found["slots"] >= 6
    assert found["drawn"] >= found["slots"]
    assert found["printed"] == [335] * (found["slots"] - 1) + [690]
    assert found["restored"] == found["shown"] != found["printed"]
    assert re.search(r"-s\d.*seed=\d.*test/accuracy 0\.", found["hovered"])
    (address,) = found["opened"]
    assert address.startswith("http://127.0.0.1:5000/#/experiments/1/runs/run")


def test_each_group_has_a_row_and_long_names_the_whole_width():
    runs = [run(f"{'long' * 8}{i}", s, 0.5 + s / 9) for i in range(30) for s in range(2)]
    (figure, *_) = figures(compared(runs, "estimator=a,b seed=0,1"))
    assert (figure["rows"], figure["wide"]) == (30, True)
    assert len(figure["layout"]["yaxis"]["ticktext"]) == 30
    points = figure["data"][0]
    assert points["x"] == [0.5, 0.5 + 1 / 9]
    assert max(map(abs, points["y"])) < 0.5
    assert 'id="plot0" role="img" aria-label="test/accuracy" style="height: 48.0rem"' in page(
        compared(runs, "estimator=a,b seed=0,1")
    )


def test_a_group_that_lacks_a_key_has_a_label_on_its_axis():
    runs = [run(e, s, 0.5 + s / 9) for e in ("ste", "identity") for s in range(2)]
    full = [run("", s, 0.4, params={"precision": "full"}) for s in range(2)]
    for lacking in full:
        lacking.params.pop("estimator")
    drawn = {f["title"]: f for f in figures(compared([*runs, *full], "precision=a estimator=b"))}
    (heat,) = drawn["test/accuracy by precision and estimator"]["data"]
    assert sorted(heat["x"]) == ["identity", "ste", "—"]
    axes = drawn["Parallel coordinates"]["data"][0]["dimensions"]
    assert sorted(axes[1]["ticktext"]) == ["identity", "ste", "—"]
