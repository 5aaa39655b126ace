from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.errors import StorageError
from ragopt.records import Space
from ragopt.report.axes import cost_scale, linear_ticks, log_ticks, quality_scale
from ragopt.report.charts import frontier_chart, frontier_picture
from ragopt.report.frame import frame_of, point_labels, space_labels, taken_boxes
from ragopt.report.info import axis_named, cost_axis, frontier_points, quality_limit
from ragopt.report.labels import Box, Label, place_along, place_labels
from ragopt.report.palette import CHROME_DARK, SERIES, dark_twins, family_colour, space_colours
from ragopt.report.pictures import drawn_size, png_bytes, svg_text, write_png, write_svg
from tests.chart_rows import rows_of
from tests.report_example import example_run, hostile_run, nothing_fits_run, small_run, two_model_run

SVG = "{http://www.w3.org/2000/svg}"


def svg_texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)  # noqa: S314 - our own rendering
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def contrast(colour: str, other: str) -> float:
    """WCAG 2.2 contrast ratio of two `#rrggbb` colours."""

    def luminance(text: str) -> float:
        channels = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(colour), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_chart_holds_every_measured_trial_with_its_figures():
    """The chart's data are the frontier points, one row each, with exactly their numbers."""
    run = example_run()
    points = frontier_points(run, quality="recall_vs_exact@10")
    rows = rows_of(frontier_chart(run).to_dict())
    assert [(row["trial"], row["quality"], row["low"], row["high"], row["cost"]) for row in rows] == [
        (p.trial, p.quality.value, p.quality.low, p.quality.high, float(p.usd_per_month)) for p in points
    ]
    assert [row["on_frontier"] for row in rows] == [point.on_frontier for point in points]


def test_chart_says_what_it_shows():
    """Axis titles, limit, recommendation, baseline and the label of synthetic queries are written in the picture."""
    said = " ".join(svg_texts(svg_text(frontier_chart(example_run()))))
    for phrase in (
        "USD per month, log scale",
        "recall_vs_exact@10, mean with 95 % interval",
        "--min-recall 0.95",
        "recommended",
        "USD 23.81, 0.9604",
        "float32 baseline",
        "USD 381.21, 1.0000",
        "synthetic queries",
        "wordllama@128:pca",
    ):
        assert phrase in said
    assert "closest, nothing fits" in " ".join(svg_texts(svg_text(frontier_chart(nothing_fits_run()))))


def test_small_corpus_chart_is_drawn_over_ram():
    """When the bills say nothing the cost axis is RAM bytes per vector, and the caption says why."""
    said = " ".join(svg_texts(svg_text(frontier_chart(small_run()))))
    assert "RAM code bytes per vector, log scale" in said
    assert "because all 38 trials cost the same" in said.replace("\n", " ")
    assert "16 B of codes, 0.9604" in said


def test_hostile_names_stay_text():
    """Markup in names of models and corpora is text in the SVG, never an element."""
    svg = svg_text(frontier_chart(hostile_run()))
    root = ET.fromstring(svg)  # noqa: S314 - our own rendering
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "g", "path", "line", "text", "rect", "defs", "clipPath", "tspan"}
    assert "<script>" in "".join(svg_texts(svg))
    assert "\u202e" not in svg


def test_png_and_svg_files(tmp_path):
    """The PNG has its signature and two pixels per unit of the SVG, and both files are whole."""
    chart = frontier_chart(example_run())
    write_png(chart, tmp_path / "frontier.png")
    write_svg(chart, tmp_path / "frontier.svg")
    png = (tmp_path / "frontier.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    root = ET.parse(tmp_path / "frontier.svg").getroot()  # noqa: S314 - our own rendering
    width, height = struct.unpack(">II", png[16:24])
    assert (width, height) == (2 * int(root.attrib["width"]), 2 * int(root.attrib["height"]))
    assert 900 <= width / 2 <= 1030
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frontier.png", "frontier.svg"]


def test_picture_in_a_place_that_is_no_folder(tmp_path):
    """A file in the way of the folder is a StorageError with the next step."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="--out"):
        write_svg(frontier_chart(example_run()), tmp_path / "file" / "pictures" / "frontier.svg")


def test_a_caption_tells_billed_from_measured_vectors():
    """Where the bill is for another number of vectors than quality was measured with, the picture says so."""
    run = example_run()
    said = " ".join(" ".join(svg_texts(svg_text(frontier_picture(run)))).split())
    assert "synthetic queries over 8,988 vectors; bills are for 100,000,000. Filled" in said
    same = replace(run, info={**run.info, "workload": run.info["workload"] | {"n_vectors": 8988}})
    said = " ".join(" ".join(svg_texts(svg_text(frontier_picture(same)))).split())
    assert "synthetic queries. Filled" in said


@pytest.mark.parametrize("build", [example_run, small_run, two_model_run, hostile_run])
def test_the_picture_is_sixteen_to_nine(build):
    """frontier.png has 1,200 by 675 chart units whatever the length of names and numbers, two pixels each."""
    chart = frontier_picture(build())
    assert drawn_size(chart) == (1200, 675)
    assert struct.unpack(">II", png_bytes(chart)[16:24]) == (2400, 1350)


def test_marks_carry_their_trials_tag():
    """For the page every mark and every interval has its trial's tag; elsewhere there is none."""
    run = example_run()
    tags = {str(one.trial): f"trial-{row}" for row, one in enumerate(run.trials)}
    svg = svg_text(frontier_chart(run, tags=tags, legend=None))
    drawn = re.findall(r'<(line|path) aria-label="(trial-[0-9]+)"', svg)
    wanted = sorted(tags[point.trial] for point in frontier_points(run, quality="recall_vs_exact@10"))
    for kind in ("line", "path"):
        assert sorted(tag for found, tag in drawn if found == kind) == wanted
    assert 'aria-roledescription="rule mark"' not in svg_text(frontier_chart(run))


@pytest.mark.parametrize("run", [example_run(), small_run(), two_model_run()], ids=["usd", "ram", "two models"])
@pytest.mark.parametrize("size", [(690, 430), (270, 320)], ids=["wide", "narrow"])
def test_labels_overlap_nothing_that_matters(run, size):
    """Labels lie inside the plot, clear of each other and of the two marks that they name."""
    name = "recall_vs_exact@10"
    axis = cost_axis(run)
    points = frontier_points(run, quality=name, axis=axis)
    limit = quality_limit(run, name)
    frame = frame_of(points, axis, None if limit is None else limit[0], size)
    labels = [label for label, _ in point_labels(run, points, frame)]
    boxes = place_labels(labels, taken_boxes(points, frame, limit), frame.width, frame.height)
    assert len(boxes) == 2
    assert boxes[0].overlap(boxes[1]) == 0
    for box in boxes:
        assert 0 <= box.left < box.right <= frame.width
        assert 0 <= box.top < box.bottom <= frame.height
        for label in labels:
            assert not (box.left < label.x < box.right and box.top < label.y < box.bottom)


def test_one_label_goes_to_the_free_side():
    """With everything to the right taken, a label goes to the left of its mark."""
    box = place_labels([Label(("abc",), 100, 100)], [Box(95, 0, 200, 200)], 200, 200)[0]
    assert box.right <= 95


def test_label_along_a_line():
    """A label beside a line takes the side that is free."""
    assert place_along(("abc",), 50, [Box(0, 50, 200, 100)], 200).bottom == 46


def test_ticks_are_round():
    """Ticks are 1-2-5 numbers or powers of two inside the domain."""
    assert linear_ticks(0.93, 1.0, 6) == (0.94, 0.96, 0.98, 1.0)
    assert log_ticks(9, 450, 12) == (10, 20, 50, 100, 200)
    assert log_ticks(7, 130, 3, binary=True) == (8, 32, 128)


def test_scales():
    """A wide cost axis is logarithmic, a narrow one linear, one value alone still has an axis, quality stops at 1."""
    assert cost_scale([10, 100], n_ticks=6).log
    assert cost_scale([10, 100], n_ticks=6).fraction(31.622776601683793) == pytest.approx(0.5)
    assert not cost_scale([10, 40], n_ticks=6).log
    alone = cost_scale([12.26], n_ticks=6)
    assert (alone.low, alone.high) == pytest.approx((12.1374, 12.3826))
    assert not cost_scale([0, 10], n_ticks=6).log
    assert max(quality_scale([0.5, 1.0], n_ticks=6).ticks) == 1.0
    equal = quality_scale([0.9, 0.9], n_ticks=6)
    assert equal.low < 0.9 < equal.high


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=20))
def test_every_cost_is_inside_its_axis(costs):
    """Every mark lies inside the frame, and dearer ones lie further right."""
    scale = cost_scale(costs, n_ticks=8)
    places = [scale.fraction(cost) for cost in sorted(costs)]
    assert all(0 < place < 1 for place in places)
    assert places == sorted(places)


def test_colours_are_told_apart_and_have_dark_twins():
    """Sixteen spaces of two models get sixteen colours, in both schemes."""
    spaces = [
        str(Space(model, dim, reduction))
        for model in ("a", "b")
        for dim, reduction in [(256, "none"), *((d, r) for r in ("trunc", "pca") for d in (192, 128, 64))]
    ]
    colours = space_colours(spaces)
    assert list(colours)[:3] == ["a@256:none", "a@192:trunc", "a@128:trunc"]
    assert len({light for light, _ in colours.values()}) == len(spaces)
    assert len({dark for _, dark in colours.values()}) == len(spaces)
    series = {light for light, _ in SERIES}
    families = {family_colour(n, kind)[0] for n in range(3) for kind in ("none", "trunc", "pca", "joint")}
    assert set(dark_twins(spaces)) == set(CHROME_DARK) | series | families | {light for light, _ in colours.values()}


def test_series_colours_can_be_told_from_both_papers():
    """Colours of things that are no spaces have 3:1 against light and dark paper, and are all different."""
    for light, dark in SERIES:
        assert contrast(light, "#ffffff") >= 3
        assert contrast(dark, CHROME_DARK["#ffffff"]) >= 3
    assert len(set(SERIES)) == len({light for light, _ in SERIES}) == len({dark for _, dark in SERIES})


def test_family_colours_can_be_told_from_both_papers():
    """The colour of a model's reduction has 3:1 against light and dark paper, and no other of three models has it."""
    families = [family_colour(n, kind) for n in range(3) for kind in ("none", "trunc", "pca", "joint")]
    for light, dark in families:
        assert contrast(light, "#ffffff") >= 3
        assert contrast(dark, CHROME_DARK["#ffffff"]) >= 3
    assert len(set(families)) == len({light for light, _ in families}) == 12


def test_text_contrast_meets_wcag():
    """Text colours reach 4.5:1 on their paper, in light and dark."""
    for light in ("#1d2433", "#5a6372", "#b4003c"):
        assert contrast(light, "#ffffff") >= 4.5
        assert contrast(CHROME_DARK[light], CHROME_DARK["#ffffff"]) >= 4.5


def test_legend_labels_keep_the_dimension_and_stay_distinct():
    """Long model names are cut in the middle; models that become equal are numbered."""
    long = "org/" + "a" * 20 + "-" + "b" * 20
    labels = space_labels([f"{long}@384:none", "one/model@64:pca", "two/model@64:pca"])
    assert labels[f"{long}@384:none"] == "aaaaaaaaaaaaa…bbbbbbbbbbbb@384:none"
    assert labels["one/model@64:pca"] == "model@64:pca"
    assert labels["two/model@64:pca"] == "model (2)@64:pca"


def test_chart_on_the_other_axis():
    """The axis may be asked for by name."""
    chart = frontier_chart(example_run(), axis=axis_named("ram_bytes_per_vector"))
    assert {row["cost"] for row in rows_of(chart.to_dict())} >= {8.0, 1024.0}


def test_picture_is_the_same_every_time():
    """The same run gives the same SVG, byte for byte."""
    assert svg_text(frontier_chart(small_run())) == svg_text(frontier_chart(small_run()))
