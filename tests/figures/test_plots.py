import matplotlib

matplotlib.use("Agg")

import re
from dataclasses import asdict, replace

import pytest
import torch

from resnet_tutorial import Recipe
from resnet_tutorial.analysis import ConfidenceBin, Estimate
from resnet_tutorial.figures import plots
from resnet_tutorial.figures.pictures import Pictures
from resnet_tutorial.figures.tables import DataTable
from tests.conftest import make_dataset
from tests.figures.test_results import a_run


def test_schedules_are_the_real_ones():
    figure = plots.show_schedules(
        {"drops": Recipe(epochs=4, lr=0.1, lr_scheduler="MultiStepLR", milestones=(2,))}
    ).figure
    rates = figure.axes[0].lines[0].get_ydata()
    assert rates[0] == rates[39] == pytest.approx(0.1) and rates[40] == rates[-1] == pytest.approx(0.01)


def test_a_ladder_shows_ratios_and_why_a_rung_is_missing():
    ladders = {"here": {"loop": 200.0, "+ layout": 300.0, "+ graphs": "no GPU"}, "there": {"loop": 1000.0}}
    here, there = plots.show_ladder(ladders).figure.axes
    assert [text.get_text().strip() for text in here.texts] == ["200 (× 1.00)", "300 (× 1.50)", "no GPU"]
    assert [label.get_text() for label in here.get_yticklabels()] == ["loop", "+ layout", "+ graphs"]
    assert [bar.get_width() for bar in here.patches] == [200, 300] and here.yaxis_inverted()
    assert (here.get_title(), there.get_title()) == ("here", "there")


def test_pictures_stand_in_their_rows_under_their_names():
    dataset = make_dataset(20)
    classes = plots.show_classes(dataset, per_class=3)
    assert classes.names == ["left", "right"] and torch.equal(classes.rows[1][0], dataset.images[1])
    images = plots.show_images(dataset.images[:5], titles=["a < b", *"bcde"], columns=2)
    assert [len(row) for row in images.rows] == [2, 2, 1] and str(images) == "5 pictures: a < b, b, c, d, e"
    html = images._repr_html_()
    assert html.count("<img ") == 5 and "<figure>a &lt; b<img" in html and 'alt="picture of e"' in html
    maps = plots.show_maps({"stem": torch.rand(3, 8, 8), "stage 1": torch.rand(3, 4, 4)}, dataset.images[:2])
    assert maps.names == ["stem", "stage 1"] and [row.shape for row in maps.rows] == [(4, 32, 32, 3)] * 2
    assert torch.equal(maps.rows[1][0], dataset.images[1])
    assert maps._repr_html_().count("<img ") == 2 and 'alt="stem: 4 pictures side by side"' in maps._repr_html_()
    costs = plots.show_costs({"resnet20": (269_722, 40_551_040), "resnet18": (11_173_962, 555_422_720)}).figure
    assert [text.get_text() for text in costs.axes[0].texts] == ["ResNet-20", "ResNet-18"]


def test_intervals_stand_in_rows_with_their_single_values():
    estimates = {"first": Estimate(90.0, 89.0, 91.0), "second": Estimate(92.0, 90.0, 94.0)}
    (axis,) = plots.show_intervals(estimates, "accuracy (%)", {"second": [91.0, 93.0]}, line=90.5).figure.axes
    drawn = [(list(line.get_xdata()), set(line.get_ydata())) for line in axis.lines]
    assert ([89.0, 91.0], {0}) in drawn and ([90.0, 94.0], {1}) in drawn and ([91.0, 93.0], {1}) in drawn
    assert [label.get_text() for label in axis.get_yticklabels()] == ["first", "second"] and axis.yaxis_inverted()
    assert list(axis.lines[-1].get_xdata()) == [90.5, 90.5]


def test_each_run_has_a_mark_in_the_row_of_its_network_and_a_stroke_at_their_mean():
    chart = plots.show_seeds([a_run(0, 93.0), a_run(1, 91.0), a_run(0, 91.5, model="plain20")])
    axis = chart.figure.axes[0]
    first, mean, second, _ = axis.lines
    assert list(first.get_xdata()) == [7, 9] and list(first.get_ydata()) == [0, 0] and list(second.get_ydata()) == [1]
    assert list(mean.get_xdata()) == [8, 8] and first.get_color() != second.get_color()
    assert [label.get_text() for label in axis.get_yticklabels()] == ["resnet20", "plain20"] and axis.yaxis_inverted()
    assert tables_of(chart)[0]["seed"] == [0, 1, 0] and tables_of(chart)[0]["test error (%)"] == [7, 9, 8.5]


def test_runs_share_the_color_of_their_experiment():
    records = [a_run(0), a_run(1), a_run(0, model="resnet32"), a_run(0, precision="bf16")]
    loss, accuracy, _ = plots.show_runs(records).figure.axes
    colors = [line.get_color() for line in accuracy.lines]
    assert len(set(colors[:4])) == 1 and len(set(colors)) == 3 and len(loss.lines) == len(accuracy.lines) == 8
    validation, training = accuracy.lines[:2]
    assert list(validation.get_ydata()) == [50.0, 91.0, 90.0] and validation.get_linestyle() == "-"
    assert list(training.get_ydata()) == [50.0, 50.0, 50.0] and training.get_linestyle() == ":"
    assert legend(loss.figure) == [
        ("validation", "-"),
        ("training", ":"),
        ("resnet20, fp32, 2 seeds", "-"),
        ("resnet32", "-"),
        ("resnet20, bf16", "-"),
    ]


def legend(figure):
    entries = figure.axes[-1].get_legend()
    return [
        (text.get_text(), line.get_linestyle())
        for text, line in zip(entries.texts, entries.legend_handles, strict=True)
    ]


def test_runs_are_named_by_the_letters_of_compare_and_no_two_look_alike():
    records = [a_run(recipe=asdict(Recipe(epochs=n))) for n in range(1, 10)]
    started = replace(records[0], recipe=asdict(Recipe(epochs=99)), history=[])
    figure = plots.show_runs([started, *records]).figure
    assert [name for name, _ in legend(figure)[2:]] == [f"resnet20, recipe {letter}" for letter in "bcdefghij"]
    assert len({(line.get_color(), line.get_marker()) for line in figure.axes[0].lines}) == 9


def test_heat_lies_on_the_image_at_its_place():
    maps = torch.zeros(3, 4, 4)
    maps[0, 0, 3] = 1  # one map is high at the upper right, the others nowhere
    images = make_dataset(4).images[:3]
    shown = plots.show_heat(images, maps, list("abc"), columns=2)
    assert shown.titles == list("abc") and [len(row) for row in shown.rows] == [2, 1]
    first = shown.rows[0][0]
    assert first.shape == (256, 128, 3) and torch.equal(first[:128:4, ::4], images[0])
    corners = first[128, 127].int(), first[255, 0].int()  # under the heat, and in gray far from it
    gray = images[0].float().mean(dim=-1, keepdim=True)
    assert torch.equal(corners[0], torch.tensor([255, 255, 255])) or (corners[0] > 0.4 * gray[0, 31]).all()
    assert (corners[1] - 0.4 * gray[31, 0]).abs().max() < 4


def test_reliability_shows_accuracy_and_number_of_each_bin():
    bins = [ConfidenceBin(0.4, 0.5, 3, 0.45, 0.25), ConfidenceBin(0.9, 1.0, 7, 0.99, 0.9)]
    chart = plots.show_reliability({"trained": bins})
    [axis] = chart.figure.axes
    assert [(bar.get_x(), bar.get_height()) for bar in axis.patches] == [(0.4, 0.25), (0.9, 0.9)]
    assert [text.get_text() for text in axis.texts] == ["3", "7"]
    assert list(tables_of(chart)[0]) == ["network", "from", "to", "answers", "confidence", "right"]


def test_a_table_shows_the_numbers_of_a_figure():
    table = DataTable({"block": ["1.1", "a < b"], "loss": [0.123456, float("nan")]})
    html = table._repr_html_()
    assert '<th scope="row">a &lt; b</th><td>–</td>' in html and "<td>0.1235</td>" in html
    assert html.startswith('<details class="rt-data"><summary>The data of this figure</summary>')
    assert repr(table).splitlines()[1:] == ["block  loss", "1.1    0.1235", "a < b  –"]


def test_a_chart_shows_its_picture_in_the_colors_of_the_page_and_its_table():
    chart = plots.show_curves({"a < b": ([1, 2], [3.0, 4.0])}, "step", "loss")
    html = chart._repr_html_()
    assert html.count("<svg ") == 1 and 'aria-label="loss against step, for a &lt; b"' in html
    assert "currentColor" in html and "#000000" not in html and f"var(--rt-blue, {plots.COLORS[0]})" in html
    assert not re.search(r'<g id="', html) and "The data of this figure" in html
    assert repr(chart).splitlines()[1:] == ["step  a < b", "1     3", "2     4"]


def test_panels_are_pictures_of_their_own_that_can_stand_below_each_other():
    chart = plots.show_degradation([*seeds("plain20", 60.0), *seeds("resnet20", 80.0)])
    first, second = re.findall(r'<svg .*?aria-label="(.*?)".*?</svg>', chart._repr_html_(), re.DOTALL)
    assert first == "plain: no shortcuts: training error (%) against epoch, for plain20"
    assert second.startswith("residual: ")
    assert all(axis.get_visible() for axis in chart.figure.axes)


def test_whatever_draws_numbers_comes_with_a_table():
    pictures = {"show_images", "show_classes", "show_maps", "show_heat"}
    for name, function in vars(plots).items():
        if name.startswith("show_"):
            assert function.__annotations__["return"] is (Pictures if name in pictures else plots.Chart), name


def tables_of(chart):
    """The columns of each frame, which can also be shown."""
    for table in chart.tables:
        assert table._repr_html_().count('scope="col"') == len(list(table.columns)) and repr(table)
    return [frame.to_dict("list") for frame in chart.frames.values()]


def test_curves_and_their_table():
    chart = plots.show_curves({"a": ([1, 2], [3.0, 4.0]), "b": ([1, 2], [5.0, 6.5])}, "step", "loss")
    assert tables_of(chart) == [{"step": [1, 2], "a": [3, 4], "b": [5, 6.5]}]
    assert [list(line.get_ydata()) for line in chart.figure.axes[0].lines] == [[3, 4], [5, 6.5]]
    # Places of their own, a gap that stays one, and a long curve that is thinned out in the table
    chart = plots.show_curves({"a": ([1, 2], [3.0, 4.0]), "b": ([7, 2], [5.0, float("nan")])}, "step", "loss")
    assert str(chart).splitlines()[1:] == ["step  a  b", "1     3  –", "2     4  –", "7     –  5"]
    assert [list(line.get_xdata()) for line in chart.figure.axes[0].lines] == [[1, 2], [7, 2]]
    chart = plots.show_curves({"a": (list(range(400)), [0.0] * 400)}, "step", "loss")
    assert tables_of(chart)[0]["step"] == list(range(0, 400, 10))
    assert len(chart.figure.axes[0].lines[0].get_xdata()) == 400


def test_the_numbers_of_bars_and_matrices():
    [counts] = tables_of(plots.show_counts(make_dataset(20), make_dataset(4, "test")))
    assert counts == {"class": ["left", "right"], "train": [10, 10], "test": [2, 2]}
    [ladder] = tables_of(plots.show_ladder({"here": {"loop": 10.0, "fast": "no GPU", "faster": 25.0}}))
    assert ladder == {"rung": ["loop", "fast", "faster"], "images per second": [10, "no GPU", 25]}
    [confusion] = tables_of(plots.show_confusion(torch.tensor([[3, 1], [0, 2]]), ("cat", "dog")))
    assert confusion == {"true ↓ predicted →": ["cat", "dog"], "cat": [75, 0], "dog": [25, 100]}
    estimates = {"first": Estimate(90.0, 89.0, 91.0)}
    [intervals] = tables_of(plots.show_intervals(estimates, "accuracy (%)", {"first": [89.5, 90.5]}))
    assert list(intervals) == ["", "accuracy (%)", "low", "high", "single values"]
    assert [column[0] for column in intervals.values()] == ["first", 90, 89, 91, "89.5, 90.5"]


def test_panels_have_a_table_each():
    chart = plots.show_offsets(torch.arange(18).view(2, 3, 3), ["as it is", "mirrored"])
    assert [table.caption.rpartition(": ")[2] for table in chart.tables] == ["as it is", "mirrored"]
    assert tables_of(chart)[1] == {
        "downwards ↓ to the right →": [-1, 0, 1],
        -1: [9, 12, 15],
        0: [10, 13, 16],
        1: [11, 14, 17],
    }


def test_a_histogram_has_its_marks_and_bins_listed():
    chart = plots.show_histogram(torch.tensor([0.0, 1.0, 1.0]), {"mean": 0.5}, "value", bins=2)
    marks, bins = tables_of(chart)
    assert marks == {"mark": ["mean"], "value": [0.5]}
    assert bins == {"from": [0, 0.5], "to": [0.5, 1], "count": [1, 2]}
    assert [table.caption for table in chart.tables] == ["The data of this figure: marks", "The data of this figure"]
    assert chart.figure.axes[0].patches[0].get_data().values.tolist() == [1, 2]


def test_a_run_is_listed_by_epoch():
    [table] = tables_of(plots.show_training(a_run()))
    names = ["training loss (nats)", "validation loss (nats)", "training accuracy (%)", "validation accuracy (%)"]
    assert list(table) == ["epoch", *names, "learning rate at the start"] and table[names[3]] == [50, 91, 90]
    alone = a_run()
    for row in alone.history:
        del row["val_loss"], row["val_accuracy"]
    assert not any("validation" in name for name in tables_of(plots.show_training(alone))[0])


def seeds(model, *accuracies, **changes):
    return [a_run(seed, accuracy, model, **changes) for seed, accuracy in enumerate(accuracies)]


def test_degradation_shows_training_errors_with_a_band_over_the_seeds():
    runs = [*seeds("plain20", 60.0, 70.0), *seeds("resnet20", 80.0)]
    for i, run in enumerate(runs[:2]):
        run.history = [row | {"train_accuracy": 40.0 + 10 * i} for row in run.history]
    chart = plots.show_degradation(runs)
    plain, residual = chart.figure.axes
    assert [plain.get_title(), residual.get_title()] == ["plain: no shortcuts", "residual: with shortcuts"]
    assert [line.get_linestyle() for line in (plain.lines[0], residual.lines[0])] == ["--", "-"]
    assert plain.lines[0].get_ydata().tolist() == [55.0] * 3 and plain.lines[0].get_label() == "plain20, 2 seeds"
    band = plain.collections[0].get_paths()[0].get_extents()
    assert (band.ymin, band.ymax) == (50.0, 60.0)
    assert str(chart).splitlines()[:3:2] == ["The data of this figure: training error (%)", "1      55       50"]


def test_a_kind_of_network_has_the_same_color_in_every_figure():
    names = ["plain, 8 layers", "plain20", "resnet20", "residual, dropped", "the last epoch"]
    curves = {name: ([1, 2], [3.0, 4.0]) for name in names}
    plain, deeper, residual, dropped, other = plots.show_curves(curves, "x", "y").figure.axes[0].lines
    degradation = plots.show_degradation([*seeds("plain20", 60.0), *seeds("resnet20", 80.0)]).figure.axes
    assert degradation[0].lines[0].get_color() == plain.get_color() == deeper.get_color()
    assert degradation[1].lines[0].get_color() == residual.get_color() == dropped.get_color() != plain.get_color()
    assert plain.get_marker() != deeper.get_marker() and plain.get_linestyle() != residual.get_linestyle()
    assert other.get_color() not in (plain.get_color(), residual.get_color())


def test_depths_show_means_and_standard_deviations():
    chart = plots.show_depths([*seeds("plain56", 50.0), *seeds("plain20", 60.0, 70.0), *seeds("resnet20", 80)])
    training, test = chart.figure.axes
    assert training.get_ylabel() == "training error (%)" and test.get_ylabel() == "test error (%)"
    plain, residual = (container[0] for container in test.containers)
    assert plain.get_xdata().tolist() == [20, 56] and plain.get_ydata().tolist() == [35.0, 50.0]
    assert residual.get_ydata().tolist() == [20.0] and residual.get_linestyle() == "-"
    bar = test.containers[0][2][0].get_segments()[0][:, 1]
    assert bar.tolist() == pytest.approx([35 - 50**0.5, 35 + 50**0.5])
    assert str(chart).splitlines()[3].split() == ["plain20", "2", "50", "0", "35", "7.071"]


def test_figures_of_no_runs_are_empty_and_not_an_error():
    charts = plots.show_degradation([]), plots.show_depths([]), plots.show_seeds([]), plots.show_runs([])
    assert not any(axis.lines or axis.containers for chart in charts for axis in chart.figure.axes)
    assert all(len(str(chart).splitlines()) == 2 for chart in charts)
