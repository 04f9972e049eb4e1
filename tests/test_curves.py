"""Curves of training runs and their best epochs."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest

from posetrack.cli import main
from posetrack.plots import best_epochs, plot_curves, read_runs
from posetrack.plots.training import usual_columns
from posetrack.training.saving import write_log


def log(folder, *, losses=(0.5, 0.25, 0.3), ap=(0.1, None, 0.4), **more):
    """A run's folder with a log of as many epochs as losses."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for epoch, loss in enumerate(losses):
        row = {"epoch": epoch, "learning_rate": 1e-3 * 0.1**epoch, "loss": loss, "seconds": 2.0}
        row |= {"AP": ap[epoch]} if ap[epoch] is not None else {}
        rows.append(row | {name: values[epoch] for name, values in more.items()})
    write_log(folder / "log.csv", rows)
    return folder


def pixels(path):
    image = cv2.imread(str(path))
    assert image is not None
    return image


def test_runs_are_called_by_the_ends_of_their_paths_that_differ(tmp_path):
    one, two = log(tmp_path / "a" / "run"), log(tmp_path / "b" / "run")
    assert [run.name for run in read_runs([one, two / "log.csv"])] == ["a/run", "b/run"]
    assert [run.name for run in read_runs([one])] == ["run"]
    assert [run.name for run in read_runs([one, two], ["x", "y"])] == ["x", "y"]
    assert [run.name for run in read_runs([one, one])] == ["run 1", "run 2"]
    with pytest.raises(ValueError, match="1 names for 2 runs"):
        read_runs([one, two], ["x"])


def test_epochs_without_validation_have_no_point(tmp_path):
    run = read_runs([log(tmp_path / "run")])[0]
    assert run.series("AP") == ([0, 2], [0.1, 0.4])
    assert run.series("nothing") == ([], [])


def test_what_is_no_log_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected the folder of a training run"):
        read_runs([tmp_path])
    write_log(tmp_path / "log.csv", [])
    with pytest.raises(ValueError, match="no epoch in it yet"):
        read_runs([tmp_path])
    (tmp_path / "log.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="a line has no epoch"):
        read_runs([tmp_path])


def test_the_best_epoch_is_by_accuracy_else_by_loss(tmp_path):
    runs = read_runs([
        log(tmp_path / "a"),
        log(tmp_path / "b", ap=(None,) * 3),
        log(tmp_path / "c", losses=(0.5, 0.25), ap=(None,) * 2, **{"PCK@0.1": (0.5, 0.5)}),
    ])  # fmt: skip
    best = best_epochs(runs)
    assert [(row["run"], row["by"], row["epoch"]) for row in best] == [
        ("a", "AP", 2),
        ("b", "loss", 1),
        ("c", "PCK@0.1", 0),
    ]
    assert usual_columns(runs) == ("loss", "learning_rate", "AP", "PCK@0.1")


def test_every_run_is_drawn_in_its_colour(tmp_path):
    one = read_runs([log(tmp_path / "a")])
    two = [*one, *read_runs([log(tmp_path / "b", losses=(0.9, 0.8, 0.1))])]
    plot_curves(one, tmp_path / "one.png")
    plot_curves(two, tmp_path / "two.png")
    orange = np.array([14, 127, 255])  # the second of matplotlib's colours, BGR

    def share(name):
        return (np.abs(pixels(tmp_path / name).astype(int) - orange).max(axis=2) < 40).mean()

    assert share("one.png") == 0
    assert share("two.png") > 1e-4


def test_long_names_of_runs_are_not_cut_off(tmp_path):
    for name in ("a", "b", "c"):
        log(tmp_path / name)
    names = [f"a network of many words, number {number}" for number in range(3)]
    runs = read_runs([tmp_path / name for name in ("a", "b", "c")], names)
    plot_curves(runs, tmp_path / "one.png", columns=["loss"])
    edges = pixels(tmp_path / "one.png")[:, [0, 1, -2, -1]].astype(int)
    assert (edges >= 250).all()  # white: nothing runs out of the picture


def test_a_single_epoch_has_no_fractions(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/log.csv").write_text("epoch,loss\n0,0.5\n")
    plot_curves(read_runs([tmp_path / "a"]), tmp_path / "one.svg", columns=["loss"])
    # Of the axis of epochs; that of the loss is logarithmic.
    assert (tmp_path / "one.svg").read_text().count('id="xtick_') == 1


def test_columns_may_be_chosen_and_must_be_there(tmp_path):
    runs = read_runs([log(tmp_path / "a")])
    plot_curves(runs, tmp_path / "one.png", columns=["seconds"])
    plot_curves(runs, tmp_path / "four.png", columns=["seconds", "loss", "AP", "learning_rate"])
    small, large = pixels(tmp_path / "one.png"), pixels(tmp_path / "four.png")
    assert large.shape[0] > small.shape[0]
    assert large.shape[1] > 2 * small.shape[1]
    with pytest.raises(ValueError, match="no run has numbers of 'speed'; there are epoch, learn"):
        plot_curves(runs, tmp_path / "x.png", columns=["speed"])


def test_a_loss_of_zero_can_be_drawn(tmp_path):
    plot_curves(read_runs([log(tmp_path / "a", losses=(0.1, 0.0, 0.0))]), tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").std() > 0


def test_the_command_draws_and_writes_the_table(tmp_path, capsys):
    runs = [str(log(tmp_path / name)) for name in "ab"]
    out, table = tmp_path / "curves.svg", tmp_path / "best.csv"
    assert main(["curves", *runs, "-o", str(out), "--csv", str(table), "--names", "x", "y"]) == 0
    assert "x: best of 3 epochs is 2, AP 0.4" in capsys.readouterr().out
    assert "<svg" in out.read_text()
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["x", "y"]
    assert float(rows[0]["AP"]) == 0.4
    assert main(["curves", str(tmp_path / "nowhere")]) == 1
    assert "nowhere: no such file or folder" in capsys.readouterr().err
