import base64
import io
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

from resnet_tutorial import ImageDataset, InputError, Recipe, TrainConfig, Trainer, create_model, list_models, summarize
from resnet_tutorial.analysis.budget import Machine, Measurement, plan
from resnet_tutorial.figures import widgets
from resnet_tutorial.models import total
from resnet_tutorial.training import Stopped, load_checkpoint
from tests.conftest import make_dataset
from tests.figures.test_results import a_run as a_record


class Document(HTMLParser):
    """Elements in order, each with its attributes and the text directly behind its start tag."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict, list[str]]] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"attribute given twice: {attrs}"
        self.elements.append((tag, dict(attrs), []))
        if tag not in ("br", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.elements[-1][2].append(data)

    def find(self, tag, **wanted):
        return [e for e in self.elements if e[0] == tag and all(e[1].get(k) == v for k, v in wanted.items())]

    def column(self, name: str) -> list[str]:
        return ["".join(text) for tag, attrs, text in self.elements if tag == "td" and attrs.get("data-net") == name]


@pytest.fixture(scope="module")
def every_network() -> Document:
    return Document(widgets.architecture_table()._repr_html_())


def test_every_network_can_be_chosen_and_has_its_own_details(every_network):
    buttons = every_network.find("input", type="radio")
    assert [attrs["value"] for _, attrs, _ in buttons] == list_models()
    assert ["checked" in attrs for _, attrs, _ in buttons] == [True] + [False] * (len(list_models()) - 1)
    style = "".join(every_network.find("style")[0][2])
    for name in list_models():
        assert f"[value={name}]:checked) .rt-hidden[data-net={name}]" in style
        assert len(every_network.find("div", **{"data-net": name})) == 1
        assert len(every_network.find("span", **{"data-net": name})) == 1


def test_details_are_those_of_summarize():
    table = widgets.architecture_table(["PreAct20", "preact20"])  # one network, however it is spelled
    html, rows = table._repr_html_(), summarize(create_model("preact20"))
    assert repr(table).startswith("Pre-activation ResNet-20: ") and "\n" not in repr(table)
    for row in rows:
        for number in (row.parameters, row.macs, row.activations):
            assert f">{number:,}</td>" in html
        assert f">{row.receptive_field}×{row.receptive_field}</td>" in html
    assert f">{total(rows)[0]:,}</td>" in html
    assert 'create_model("preact20")' in html and "resnet-tutorial summary preact20" in html


def test_assistive_technology_is_told(every_network):
    assert every_network.find("p", role="status")
    assert every_network.find("legend")[0][2] == ["Choose a network"]
    groups = [attrs["aria-label"] for _, attrs, _ in every_network.find("div", role="group")]
    assert "plain networks, three stages" in groups
    for _, attrs, _ in every_network.find("th"):
        assert attrs["scope"] in ("row", "col")
    scrolling = every_network.find("div", **{"class": "rt-scroll"})
    assert scrolling and all(attrs["tabindex"] == "0" and attrs["aria-label"] for _, attrs, _ in scrolling)


def test_wrong_names():
    with pytest.raises(InputError, match="did you mean resnet20"):
        widgets.architecture_table(["resnet21"])
    with pytest.raises(InputError, match="at least one name"):
        widgets.architecture_table([])


@pytest.fixture
def explorer():
    """The controls by their names, and the output."""
    pytest.importorskip("ipywidgets")
    *rows, shown = widgets.explore_architectures().children
    controls = {control.description: control for row in rows for control in row.children}
    assert all(controls), "a control without a name"
    return controls, shown


def test_each_control_changes_what_is_shown(explorer):
    controls, shown = explorer
    assert "269,722" in shown.value
    parameters, macs = total(summarize(create_model("resnet56", shortcut="B", stem="imagenet", width=0.5), 64))
    for name, value, expected in (
        ("shortcut", "B", "272,474"),
        ("width ×", 0.5, 'create_model("resnet20", shortcut="B", width=0.5)'),
        ("stem", "imagenet", "max-pool"),
        ("image size", 64, "--image-size 64"),
        ("network", "resnet56", 'create_model("resnet56", shortcut="B", stem="imagenet", width=0.5)'),
    ):
        assert expected not in shown.value
        controls[name].value = value
        assert expected in shown.value
    assert f"{parameters:,}" in shown.value and f"{macs:,}" in shown.value


def test_kind_keeps_the_depth_where_it_can_and_a_plain_network_has_no_shortcut(explorer):
    controls, shown = explorer
    controls["shortcut"].value = "C"
    controls["network"].value = "resnet1202"
    controls["kind"].value = "plain"
    assert controls["network"].value == "plain1202"
    assert controls["shortcut"].disabled and controls["shortcut"].value is None
    controls["kind"].value = "preact"  # the table has no preact1202
    assert controls["network"].value == "preact20" and 'create_model("preact20")' in shown.value
    assert not controls["shortcut"].disabled


def make_photos() -> ImageDataset:
    """Three classes of noise, one of them without an image, and names that HTML would trip over."""
    images = torch.randint(0, 256, (12, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return ImageDataset(images, torch.tensor([0, 2] * 6), ("<b>", "none", 'a"b'), "photos", "train")


@pytest.fixture
def photos() -> ImageDataset:
    return make_photos()


def test_each_class_with_images_is_shown_after_each_augmentation(photos):
    page = Document(widgets.augmentation_gallery(photos, images=4)._repr_html_())
    strengths = [len(each) for each in widgets.AUGMENTATIONS.values()]
    kinds = range(len(strengths))
    assert [attrs["value"] for _, attrs, _ in page.find("input", name="class")] == ["0", "2"]
    assert len(page.find("input", name="kind")) == len(kinds)
    assert [a["data-class"] for _, a, _ in page.find("div", **{"class": "rt-hidden"}) if "data-class" in a] == [
        "0",
        "2",
    ]
    style = "".join(page.find("style")[0][2])
    for kind in kinds:
        # Of each class, and before them its strengths, where it has several.
        assert len(page.find("div", **{"data-kind": str(kind)})) == 2 + (strengths[kind] > 1)
        chosen = page.find("input", name=f"strength-{kind}")
        assert len(chosen) == (strengths[kind] if strengths[kind] > 1 else 0)
        for _, attrs, _ in chosen:
            value = attrs["value"]
            assert len(page.find("div", **{f"data-strength-{kind}": value})) == 2
            wanted = f':has([name=strength-{kind}][value="{value}"]:checked) .rt-hidden[data-strength-{kind}="{value}"]'
            assert wanted in style
        assert f'[name=kind][value="{kind}"]:checked) .rt-hidden[data-kind="{kind}"]' in style
    assert len(page.find("img")) == 2 * (1 + sum(strengths))
    assert all("class" in attrs["alt"] or "after" in attrs["alt"] for _, attrs, _ in page.find("img"))
    legends = [text for _, _, (text,) in page.find("legend")]
    several = sum(each > 1 for each in strengths)
    assert legends == ["Choose a class", "Choose an augmentation", *["Choose its strength"] * several]
    assert repr(widgets.augmentation_gallery(photos)).startswith('<b>, a"b, each after crop and flip')
    # The strip holds the images themselves, four beside each other with a gap around each.
    source = page.find("img")[0][1]["src"].removeprefix("data:image/png;base64,")
    strip = Image.open(io.BytesIO(base64.b64decode(source)))
    assert strip.size == (4 * 10, 8)
    before, _, _ = widgets.augment_class(photos, 0, {}, images=4)
    np.testing.assert_array_equal(np.asarray(strip)[:, 1:9, :3], before[0].numpy())


@pytest.mark.parametrize("options", [{}, {"cutout": 4}, {"mixup": 1.0}, {"cutmix": 1.0}])
def test_images_of_a_class_before_and_after(photos, options):
    before, after, labels = widgets.augment_class(photos, 2, options, images=5, seed=1)
    own = {image.numpy().tobytes() for image in photos.images[photos.labels == 2]}
    assert before.shape == after.shape == (5, 8, 8, 3) and {image.numpy().tobytes() for image in before} <= own
    torch.testing.assert_close(labels.sum(dim=1), torch.ones(5))
    assert torch.equal(before, after) == (options == {})
    mixes = bool(options.get("mixup") or options.get("cutmix"))
    assert bool((labels[:, 2] < 1).any()) == mixes and not labels[:, 1].any()
    again = widgets.augment_class(photos, 2, options, images=5, seed=1)
    assert all(map(torch.equal, (before, after, labels), again))


def test_the_explorer_shows_what_is_chosen(photos):
    pytest.importorskip("ipywidgets")
    *rows, shown = widgets.explore_augmentation(photos).children
    controls = {control.description: control for row in rows for control in row.children}
    assert list(controls) == ["class", "kind", "strength", "seed"]
    assert "&lt;b&gt;, as they are" in shown.value and "after crop and flip, up to 4 pixels" in shown.value
    controls["class"].value = 2
    assert "a&quot;b, as they are" in shown.value
    for kind, strengths in widgets.AUGMENTATIONS.items():
        controls["kind"].value = kind
        assert list(controls["strength"].options) == list(strengths)
        for strength in strengths:
            controls["strength"].value = strength
            assert f"after {kind}, {strength}" in shown.value
    before = shown.value
    controls["seed"].value = 7
    assert shown.value != before
    with pytest.raises(InputError, match="at least two classes"):
        widgets.explore_augmentation(photos.take(torch.tensor([0])))


def a_run(folder, epochs=3) -> Trainer:
    recipe = Recipe(epochs=epochs, batch_size=16, lr=0.05)
    config = TrainConfig("resnet8", ckpt_dir=folder, recipe=recipe, precision="fp32")
    return Trainer(config, make_dataset(40), make_dataset(20, "test", 1), log=lambda line: None)


def test_a_run_is_shown_while_it_goes_on(tmp_path):
    pytest.importorskip("ipywidgets")
    monitor = widgets.TrainingMonitor(a_run(tmp_path))
    shown, seen = monitor._shown, []
    shown.observe(lambda change: seen.append(change["new"]), names="value")
    record = monitor.start().wait()
    assert record.test and (tmp_path / "record.json").exists()
    for epoch, row in enumerate(record.history, start=1):
        page = next(html for html in seen if f"epoch {epoch} of 3" in html)
        for number in (f"{row['loss']:.3f} nats", f"{row['val_accuracy']:.1f} %", f"{row['lr']:.4g}</td>"):
            assert number in page
        assert bool(re.search(r"of 3: training, [\d.]+ s left</p>", page)) == (epoch < 3)
    assert f"finished, test accuracy {record.test['accuracy']:.2f} %" in seen[-1]
    assert monitor._button.disabled and str(record.test["accuracy"])[:4] in repr(monitor)


def test_the_button_ends_a_run_in_order(tmp_path):
    pytest.importorskip("ipywidgets")
    trainer = a_run(tmp_path, epochs=1000)
    monitor = widgets.TrainingMonitor(trainer)
    trainer.listeners.append(lambda row: monitor._button.click() if row["epoch"] == 2 else None)
    with pytest.raises(Stopped, match="saved after epoch 2"):
        monitor.start().wait()
    assert "ended: the run is saved after epoch 2" in monitor._shown.value and monitor._button.disabled
    assert load_checkpoint(tmp_path)["epoch"] == 2


def test_what_goes_wrong_in_the_background_is_told(tmp_path):
    pytest.importorskip("ipywidgets")
    monitor = widgets.TrainingMonitor(a_run(tmp_path / "run"))
    (tmp_path / "run").write_text("in the way")
    with pytest.raises(InputError, match="cannot write"):
        monitor.start().wait()
    assert "ended: cannot write" in monitor._shown.value


def test_a_page_without_a_kernel_shows_the_finished_run_and_no_button(tmp_path, monkeypatch):
    monkeypatch.setenv(widgets.STATIC, "1")
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monitor = widgets.TrainingMonitor(a_run(tmp_path)).start()
    page = Document(monitor._repr_html_())
    assert monitor.wait().test and "epoch 3 of 3: finished" in "".join(page.find("p", role="status")[0][2])
    assert not page.find("button") and not page.find("input")
    charts = page.find("svg", role="img")
    assert len(charts) == 2
    for (_, attrs, _), key in zip(charts, ("loss", "accuracy"), strict=True):
        last = monitor.trainer.record.last[f"val_{key}"]
        assert f"training {key}" in attrs["aria-label"] and f"validation {key} {last:.2f}" in attrs["aria-label"]
    for _, attrs, _ in page.find("polyline"):
        points = [tuple(map(float, point.split(","))) for point in attrs["points"].split()]
        assert len(points) == 4 and all(34 <= x <= 300 and 0 <= y <= 130 for x, y in points)


PLANNED = {
    "a machine, bf16": Machine(
        "a machine, bf16",
        "bf16",
        (Measurement("resnet20", 1 / 749, 0.0, 128, "by bench"), Measurement("resnet18", 0.01, 1e-4, 64, "<by> bench")),
    ),
    "another, fp32": Machine("another, fp32", "fp32", (Measurement("resnet56", 1e-5, 2e-6, 1024, "in a run"),)),
}
# network, machine, epochs, batch size, images, optimizer, checkpointing
RUNS = [
    ("resnet20", "a machine, bf16", 10, 128, 50_000, "SGD", False),
    ("resnet1202", "a machine, bf16", 200, 128, 45_000, "SGD", True),
    ("preact18", "a machine, bf16", 1, 100, 7, "AdamW", False),
    ("plain56", "another, fp32", 164, 999, 1_281_167, "AdamW", True),
]


def test_the_script_computes_what_python_computes(tmp_path):
    from tests.book.browse_site import start_browser

    (tmp_path / "page.html").write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8">{widgets.run_planner(PLANNED)._repr_html_()}', "utf-8"
    )
    try:
        with start_browser() as browser:
            page, errors = browser.new_page(), []
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto((tmp_path / "page.html").as_uri())
            for run in RUNS:
                assert fill_in(page, *run) == texts_of(*run)
            page.get_by_label("epochs").fill("0")
            assert shown_on(page)["summary"] == "epochs: give a whole number of at least 1."
            assert shown_on(page)["time"] == "–" and not errors
            offline = browser.new_context(java_script_enabled=False).new_page()
            offline.goto((tmp_path / "page.html").as_uri())
            assert not offline.locator("form").is_visible() and offline.locator("noscript").count() == 1
    except LookupError as error:
        pytest.skip(str(error))


def fill_in(page, network, machine, epochs, batch, images, optimizer, saving) -> dict[str, str]:
    """Make all choices by their labels, and read the results."""
    page.get_by_label("network").select_option(network)
    page.get_by_label("machine").select_option(label=machine)
    page.get_by_label("optimizer").select_option(label=optimizer)
    for label, value in (("epochs", epochs), ("batch size", batch), ("training images", images)):
        page.get_by_label(label).fill(str(value))
    page.get_by_role("checkbox").set_checked(saving)
    return shown_on(page)


def shown_on(page) -> dict[str, str]:
    cells = page.locator("[data-plan]").evaluate_all("all => all.map(cell => [cell.dataset.plan, cell.textContent])")
    return dict(cells)


def texts_of(network, machine, epochs, batch, images, optimizer, saving) -> dict[str, str]:
    options = {"epochs": epochs, "batch_size": batch, "images": images, "optimizer": optimizer}
    return plan(network, PLANNED[machine], **options, checkpoint_activations=saving).as_text()


def test_the_planner_asks_no_other_host_and_names_its_controls():
    html = widgets.run_planner(PLANNED)._repr_html_()
    assert not re.search(r"<link|https?:|url\(|@import|fetch\(|\son\w+=| id=", html)
    page = Document(html.partition("<script>")[0] + "</div>")
    labels = [text[0].strip() for _, _, text in page.find("label") if text]
    assert labels == ["network", "machine", "optimizer", "epochs", "batch size", "training images"]
    assert "recompute activations" in html and "hidden" in page.find("form")[0][1]
    assert [attrs["value"] for _, attrs, _ in page.find("option")][: len(list_models())] == list_models()
    for name in list_models():
        texts = plan(name, PLANNED["another, fp32"]).as_text()
        assert f"{texts['time']}, {texts['memory']}</td>" in html.partition("<noscript>")[2]
    assert repr(widgets.run_planner(PLANNED)).count("ResNet-20, 10 epochs: ") == 2
    with pytest.raises(InputError, match="no machine to plan for"):
        widgets.run_planner({})


def test_the_planner_in_jupyterlab():
    pytest.importorskip("ipywidgets")
    *rows, saving, shown = widgets.explore_budget(PLANNED).children
    controls = {control.description: control for row in rows for control in row.children}
    controls["network"].value, controls["machine"].value, saving.value = "plain56", "another, fp32", True
    controls["batch size"].value, controls["training images"].value, controls["epochs"].value = 999, 1_281_167, 164
    controls["optimizer"].value = "AdamW"
    for text in texts_of(*RUNS[-1]).values():
        assert f">{text}<" in shown.value


def recorded_runs() -> list:
    """Two networks with three and two seeds, and one with a single seed and nothing held out."""
    single = a_record(0, 70.0, model="plain20")
    single.best = None
    for row in single.history:
        del row["val_loss"], row["val_accuracy"]
    options = {"options": {"<b>": True}, "parameters": 272_474}
    return [
        *(a_record(seed, accuracy) for seed, accuracy in enumerate((90.0, 91.0, 92.0))),
        *(a_record(seed, 80.0, **options) for seed in (0, 1)),
        single,
    ]


def test_the_run_explorer_shows_each_network_in_each_chart_and_its_figures():
    html = widgets.run_explorer(recorded_runs())._repr_html_()
    page, style = Document(html), html.partition("</style>")[0]
    boxes = page.find("input", type="checkbox")
    assert [attrs["value"] for _, attrs, _ in boxes] == ["0", "1", "2"] and all("checked" in a for _, a, _ in boxes)
    for number in range(3):
        assert f'.rt-runs:not(:has([name=run][value="{number}"]:checked)) [data-run="{number}"]' in style
    # Two quantities of training in two spans for all three, and of validation for those two that have it.
    curves = [attrs["data-run"] for _, attrs, _ in page.find("g")]
    assert [curves.count(number) for number in "012"] == [8, 8, 4]
    assert html.count("Without images held out: plain20.") == 4
    assert len(page.find("tr")) == 4 and "9.00 ± 1.00" in html and ">30.00</td>" in html and ">272,474</td>" in html
    assert not page.find("b") and "resnet20, &lt;b&gt;" in html
    # The time of runs that shared a machine says nothing, and a column of dashes is left out.
    shared = [replace(run, machine=run.machine | {"side_by_side": 2}) for run in recorded_runs()]
    assert "time of a run" in html and "time of a run" not in widgets.run_explorer(shared)._repr_html_()


def test_the_run_explorer_draws_the_mean_and_a_band_from_the_lowest_to_the_highest():
    runs = recorded_runs()[:3]
    html = widgets.run_explorer(runs).chart("validation error", "all epochs", ["resnet20"])
    (points,) = re.findall(r'<polyline points="([^"]+)"', html)
    (band,) = re.findall(r'<polygon points="([^"]+)"', html)
    scale = [float(text) for text in re.findall(r'top: [\d.]+%">(\d+)</span>', html)]
    heights = [100 * (max(scale) - error) / max(scale) for error in (50.0, 8.0, 9.0)]
    drawn = [tuple(map(float, point.split(","))) for point in points.split()]
    assert min(scale) == 0 and [x for x, _ in drawn] == [0, 50, 100]
    assert [y for _, y in drawn] == pytest.approx(heights, abs=0.01)
    edges = [float(point.split(",")[1]) for point in band.split()]
    assert edges[2] - heights[2] == pytest.approx(-100 / max(scale), abs=0.01)  # a point of error above and below
    assert edges[3] - heights[2] == pytest.approx(100 / max(scale), abs=0.01)
    assert "in the last one: resnet20 9.00" in html
    single = widgets.run_explorer(runs[:1]).chart("validation error", "all epochs", ["resnet20"])
    assert "<polygon" not in single


def test_a_long_run_is_thinned_and_its_last_epoch_stays():
    run = a_record()
    run.history = [run.history[0] | {"epoch": i + 1} for i in range(1000)]
    explorer = widgets.run_explorer([run])
    for span, first in (("all epochs", 0), ("second half, enlarged", 500)):
        (points,) = re.findall(r'<polyline points="([^"]+)"', explorer.chart("training loss", span, ["resnet20"]))
        assert 25 <= len(points.split()) <= 40 and points.split()[-1].startswith("100.0,"), first


def test_the_run_explorer_says_what_it_shows_and_stays_whole_without_runs():
    charts = Document(widgets.run_explorer(recorded_runs())._repr_html_()).find("div", role="img")
    assert len(charts) == 8 and all("in the last one: resnet20" in attrs["aria-label"] for _, attrs, _ in charts)
    assert repr(widgets.run_explorer(recorded_runs())).count("\n") == 3
    started = a_record()
    started.history = []
    for none in ([], [started]):
        assert "No run of these networks is recorded yet." in widgets.run_explorer(none)._repr_html_()


@pytest.mark.parametrize(
    "make",
    [
        lambda: widgets.architecture_table(["resnet20"]),
        lambda: widgets.augmentation_gallery(make_photos()),
        lambda: widgets.run_explorer(recorded_runs()),
    ],
)
def test_a_page_needs_no_script_and_no_other_host(make):
    """Two copies stay apart: no ids that could clash, and a form of its own around the radio buttons."""
    html = make()._repr_html_()
    assert not re.search(r"<script|<link|https?:|url\(|@import|\son\w+=|<b>| id=", html)
    page = Document(html)
    assert page.find("p", role="status") and len(page.find("form", method="dialog")) == 1


@pytest.mark.parametrize(
    ("explore", "what", "instead", "message"),
    [
        (widgets.explore_architectures, [], widgets.ArchitectureTable, "pip install ipywidgets"),
        (widgets.explore_augmentation, [make_photos()], widgets.AugmentationGallery, "pip install ipywidgets"),
        (widgets.explore_budget, [PLANNED], widgets.RunPlanner, r"run_planner\(machines\)"),
        (widgets.explore_runs, [recorded_runs()], widgets.RunExplorer, r"run_explorer\(records\)"),
    ],
)
def test_without_ipywidgets_or_a_kernel(explore, what, instead, message, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(InputError, match=message):
        explore(*what)
    monkeypatch.setenv(widgets.STATIC, "1")
    assert isinstance(explore(*what), instead)


def test_recorded_runs_in_jupyterlab():
    pytest.importorskip("ipywidgets")
    boxes, (quantity, span), shown = (getattr(c, "children", c) for c in widgets.explore_runs(recorded_runs()).children)
    assert [box.description for box in boxes] == ["1 resnet20", "2 resnet20, <b>", "3 plain20"]
    assert "Training error (%)" in shown.value and shown.value.count("<tr") == 4
    boxes[0].value, quantity.value, span.value = False, "validation loss", "second half, enlarged"
    assert "Validation loss (nats)" in shown.value and shown.value.count("<tr") == 3
    assert 'data-run="0"' not in shown.value
    boxes[1].value = boxes[2].value = False
    assert "Choose at least one network." in shown.value
    assert isinstance(widgets.explore_runs([]), widgets.RunExplorer)


def test_check_boxes_and_buttons_change_what_is_seen(tmp_path):
    from tests.book.browse_site import start_browser

    html = widgets.run_explorer(recorded_runs())._repr_html_()
    (tmp_path / "page.html").write_text(f'<!doctype html><html lang="en"><meta charset="utf-8">{html}', "utf-8")
    try:
        with start_browser() as browser:
            page = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 800}).new_page()
            page.goto((tmp_path / "page.html").as_uri())
            assert seen(page) == (["Training error (%) by epoch"], 3)
            page.get_by_role("checkbox", name="1 resnet20", exact=True).focus()
            page.keyboard.press("Space")
            page.get_by_role("radio", name="validation loss").check()
            page.get_by_role("radio", name="second half").check()
            assert seen(page) == (["Validation loss (nats) by epoch"], 1)
            assert page.locator("tr:visible").count() == 3
            assert page.locator("html").bounding_box()["width"] <= 360
    except LookupError as error:
        pytest.skip(str(error))


def seen(page) -> tuple[list[str], int]:
    """The captions of the charts that are seen, up to the comma, and how many curves."""
    captions = page.locator("figcaption:visible").all_text_contents()
    return [text.partition(",")[0] for text in captions], page.locator("g[data-run]:visible").count()


@pytest.mark.parametrize("choice", ["go on", "another"])
def test_where_a_run_is_there_two_buttons_say_what_can_be_done(tmp_path, choice):
    pytest.importorskip("ipywidgets")
    stopped = a_run(tmp_path / "run")
    stopped.listeners.append(lambda row: stopped.stop())
    with pytest.raises(Stopped):
        stopped.fit()
    monitor = widgets.TrainingMonitor(a_run(tmp_path / "run")).start()
    shown, go_on, another = monitor._box.children
    assert "resume=True goes on with it, or choose another folder" in shown.value and "--" not in repr(monitor)
    with pytest.raises(InputError, match="a run is there"):  # the next cell of Run All
        monitor.wait()
    (go_on if choice == "go on" else another).click()
    record = monitor.wait()
    assert len(record.history) == 3 and monitor._box.children == (shown, monitor._button)
    assert load_checkpoint(tmp_path / "run")["epoch"] == (3 if choice == "go on" else 1)
    assert (tmp_path / "run-2").exists() == (choice == "another")


def test_a_run_that_was_ended_shows_no_time_left(tmp_path):
    pytest.importorskip("ipywidgets")
    monitor = widgets.TrainingMonitor(a_run(tmp_path))
    monitor.trainer.listeners.append(lambda row: monitor.stop() if row["epoch"] == 2 else None)
    with pytest.raises(Stopped):
        monitor.start().wait()
    assert "ended" in monitor._shown.value and "s left</p>" not in monitor._shown.value


def test_a_page_says_that_a_run_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv(widgets.STATIC, "1")
    a_run(tmp_path, epochs=1).fit()
    with pytest.raises(InputError, match="a run is there"):
        widgets.TrainingMonitor(a_run(tmp_path, epochs=1)).start()
