"""`python -m cxdemo match` against equations computed one number at a time."""

import json
import math

import pytest
from PIL import Image

from cxdemo import images
from cxdemo.__main__ import main
from cxdemo.figures.print_frame import check_ending
from cxdemo.figures.report import read_place
from cxdemo.gallery.match import read_settings_file
from cxdemo.options import options_of
from cxdemo.pipelines.patch_similarity import PatchSimilarityConfig, extract_map

pytestmark = pytest.mark.usefixtures("one_thread")

CAT = "cxdemo/examples/photo_cat_chelsea.jpg"
WAVE = "cxdemo/examples/painting_great_wave.jpg"
SMALL = ["--size", "64"]


@pytest.fixture
def undrawn(monkeypatch):
    """Numbers need no panel, which takes a second to write."""
    monkeypatch.setattr(
        "cxdemo.figures.print_frame.save_figure", lambda figure, file, **_: file.touch()
    )


def oracle(x, y, *, h, weight=0.0, eps=1e-5):
    """All rows of d, r, w and CX, by loops over lists of Python's floats."""
    xs, ys = (z[0].double().flatten(1).T.tolist() for z in (x, y))
    mu = [sum(column) / len(ys) for column in zip(*ys, strict=True)]
    xs, ys = ([unit([p - q for p, q in zip(v, mu, strict=True)]) for v in z] for z in (xs, ys))
    rows = []
    for i, a in enumerate(xs):
        d = [
            max(0.0, 1 - math.sumprod(a, b))
            + weight * math.dist(centre(i, x.shape[2:]), centre(j, y.shape[2:]))
            for j, b in enumerate(ys)
        ]
        r = [value / (min(d) + eps) for value in d]
        w = [math.exp((1 - value) / h) for value in r]
        rows.append((d, r, w, [value / sum(w) for value in w]))
    return rows


def unit(v):
    return [value / math.hypot(*v) for value in v]


def centre(index, grid):
    row, column = divmod(index, grid[1])
    return (row + 0.5) / grid[0], (column + 0.5) / grid[1]


if not hasattr(math, "sumprod"):  # Python 3.12's
    math.sumprod = lambda a, b: sum(p * q for p, q in zip(a, b, strict=True))


def run(capsys, tmp_path, *flags, pair=(CAT, WAVE)):
    assert main(["match", *pair, "-o", str(tmp_path / "panel.png"), "--overwrite", *SMALL,
                 *flags]) == 0  # fmt: skip
    return capsys.readouterr().out


@pytest.mark.parametrize("asks", ["source", "target"])
def test_the_numbers_are_those_of_the_equations(asks, undrawn, capsys, tmp_path):
    flags = ["--bandwidth", "0.3", "--spatial-weight", "0.2", "--asks", asks, "--at", "30%,60%"]
    said = json.loads(run(capsys, tmp_path, *flags, "--json"))
    config = PatchSimilarityConfig(size=64, bandwidth=0.3, spatial_weight=0.2, asks=asks)
    paths = (CAT, WAVE) if asks == "source" else (WAVE, CAT)
    x, y = (extract_map(images.to_tensor(images.load(path)), config) for path in paths)
    rows = oracle(x, y, h=0.3, weight=0.2)
    height, width = x.shape[2:]
    assert said["grids"] == [[height, width], list(y.shape[2:])]
    assert said["cell"] == [int(0.6 * height), int(0.3 * width)]

    d, r, w, cx = rows[said["cell"][0] * width + said["cell"][1]]
    assert said["nearest_distance"] == pytest.approx(min(d), abs=1e-5)
    assert said["temperature"] == pytest.approx(0.3 * (min(d) + 1e-5), abs=1e-5)
    entropy = -sum(p * math.log(p) for p in cx if p > 0)
    assert said["candidates"] == pytest.approx(math.exp(entropy), rel=1e-4)
    order = sorted(range(len(d)), key=d.__getitem__)[:5]
    for candidate, j in zip(said["best"], order, strict=True):
        assert candidate["cell"] == list(divmod(j, y.shape[3]))
        found = [candidate[name] for name in ("distance", "relative", "weight", "affinity")]
        assert found == pytest.approx([d[j], r[j], w[j], cx[j]], abs=1e-5)

    won = [max(column) for column in zip(*(row[3] for row in rows), strict=True)]
    similarity = sum(won) / len(won)
    chosen = {row[0].index(min(row[0])) for row in rows}
    assert said["contextual_similarity"] == pytest.approx(similarity, abs=1e-5)
    assert said["contextual_loss"] == pytest.approx(-math.log(similarity), abs=1e-5)
    assert said["claimed"] == pytest.approx(len(chosen) / len(won), abs=1e-6)
    assert said["distinct"] == pytest.approx(len(chosen) / len(rows), abs=1e-6)


def test_the_text_says_the_numbers_of_the_json(undrawn, capsys, tmp_path):
    said = json.loads(run(capsys, tmp_path, "--at", "50%,50%", "--json"))
    text = run(capsys, tmp_path, "--at", "50%,50%")
    for name in ("nearest_distance", "temperature", "candidates", "contextual_loss"):
        assert f"{said[name]:.6f}" in text
    for candidate in said["best"]:
        row, column = candidate["cell"]
        numbers = [candidate[n] for n in ("distance", "relative", "weight", "affinity")]
        words = [str(row), str(column), *(f"{number:.6f}" for number in numbers)]
        assert any(line.split()[1:] == words for line in text.splitlines())
    assert f"{100 * said['claimed']:.2f} %" in text
    assert text.splitlines()[-1] == str(tmp_path / "panel.png")


def test_the_settings_of_a_panel_come_back_here_and_in_the_app(monkeypatch, capsys, tmp_path):
    def save(figure, file, *, settings):
        images.save_picture(Image.new("RGB", (9, 9)), file, settings=settings)

    monkeypatch.setattr("cxdemo.figures.print_frame.save_figure", save)
    flags = ["--bandwidth", "0.3", "--asks", "target", "--at", "20%,70%", "--json"]
    said = json.loads(run(capsys, tmp_path, *flags))
    read = read_settings_file(tmp_path / "panel.png", None)
    assert read.config.as_dict() == said["config"]
    assert list(read.place) == said["place"] == [0.2, 0.7]
    (tmp_path / "panel.png").rename(tmp_path / "first.png")
    again = ["--settings", str(tmp_path / "first.png"), "--at", "20%,70%", "--json"]
    assert json.loads(run(capsys, tmp_path, *again)) == said


def test_a_picture_compared_with_itself_finds_itself(undrawn, capsys, tmp_path):
    said = json.loads(run(capsys, tmp_path, "--at", "20%,70%", "--json", pair=(CAT, CAT)))
    assert said["best"][0]["cell"] == said["cell"]
    assert said["contextual_similarity"] == pytest.approx(1, abs=1e-4)
    assert said["claimed"] == said["distinct"] == 1


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0,0", (0.5 / 100, 0.5 / 50)),
        ("99,49", (99.5 / 100, 49.5 / 50)),
        ("40%,35%", (0.4, 0.35)),
        (" 100% , 0% ", (1.0, 0.0)),
        ("25%,24.5", (0.25, 0.5)),
    ],
)
def test_places_are_pixels_or_percents(text, place):
    assert read_place(text, (100, 50)) == pytest.approx(place)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("100,3", "x = 100 lies outside of the picture of 100 pixels: give 0 to 99."),
        ("3,50", "y = 50 lies outside of the picture of 50 pixels: give 0 to 49."),
        ("-1,3", "x = -1 lies outside"),
        ("101%,3", "x = 101% lies outside of the picture of 100 pixels: give 0 to 100 %."),
        ("nan,3", "x = nan lies outside"),
        ("a,3", "x must be a number of pixels or percents, got 'a'."),
        ("3", "A place is X,Y such as 120,80 or 40%,35%, got '3'."),
        ("3,4,5", "A place is X,Y"),
    ],
)
def test_what_is_no_place_is_one_sentence(text, message):
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the message is compared below
        read_place(text, (100, 50))
    assert str(raised.value).startswith(message)


def test_pixels_are_those_of_the_picture_that_asks(undrawn, capsys, tmp_path):
    with Image.open(WAVE) as picture:
        width, height = picture.size
    flags = ["--asks", "target", "--json"]
    said = json.loads(run(capsys, tmp_path, "--at", f"{width - 1},{height - 1}", *flags))
    assert said["cell"] == [side - 1 for side in said["grids"][0]]
    bad = ["match", CAT, WAVE, f"--at={width},0", "-o", str(tmp_path / "p.png"), *flags]
    assert main(bad) == 2
    assert f"picture of {width} pixels" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--at", "5%,200%"], "y = 200% lies outside"),
        (["--at", "5%"], "A place is X,Y"),
        (["--at", "5%,5%", "--layer", "conv9_9"], "layer must be one of"),
        (["--at", "5%,5%", "--bandwidth", "0"], "bandwidth must lie in [0.02, 2.0]"),
        (
            ["--at", "5%,5%", "--figure", "panel.docx"],
            "panel.docx: choose one of the endings .png, .svg, .pdf",
        ),
        (["--at", "5%,5%", "--figure", "no/such/folder/panel.svg"], "does not exist"),
    ],
)
def test_bad_input_ends_with_one_line_and_code_2(changes, message, tmp_path, capsys):
    assert main(["match", CAT, WAVE, "-o", str(tmp_path / "out.png"), *SMALL, *changes]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("ending", ["svg", "pdf"])
def test_the_panel_is_a_picture_and_a_drawing(ending, capsys, tmp_path):
    drawing = tmp_path / f"figure.{ending}"
    text = run(capsys, tmp_path, "--at", "50%,50%", "--figure", str(drawing))
    assert text.splitlines()[-2:] == [str(tmp_path / "panel.png"), str(drawing)]
    with Image.open(tmp_path / "panel.png") as picture:
        assert picture.format == "PNG"
        assert picture.width == 3900  # 13 inches at 300 dpi
    data = drawing.read_bytes()
    if ending == "pdf":
        assert data.startswith(b"%PDF")
        assert b"/FontFile2" in data  # TrueType, embedded
        assert b"/Type3" not in data
    else:
        labels = ("Relative distance", "Weight", "Affinity", "conv3_2 of vgg16", "h = 0.1")
        assert all(label in data.decode() for label in labels)


def test_drawing_leaves_no_trace_in_matplotlib(capsys, tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    run(capsys, tmp_path, "--at", "50%,50%", "--layer", "rgb")
    assert dict(matplotlib.rcParams) == before


def test_endings_are_read_without_their_case():
    assert check_ending("A.SVG") == "svg"


def test_every_option_is_a_flag(capsys):
    with pytest.raises(SystemExit):
        main(["match", "--help"])
    text = capsys.readouterr().out
    for name in options_of(PatchSimilarityConfig):
        assert "--" + name.replace("_", "-") in text
