"""Where runs are shown: nowhere unasked, and elsewhere as asked."""

from __future__ import annotations

import json
import os
import sys
from types import ModuleType, SimpleNamespace

import pytest

from posetrack.cli import main
from posetrack.training.logs import open_logs, open_mlflow, open_several, open_wandb

ROWS = ({"epoch": 0, "loss": 0.5}, {"epoch": 1, "loss": 0.25, "PCK@0.1": 0.75, "note": "text"})


class RefusedError(Exception):
    """What both raise."""


class FakeWandb(ModuleType):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.runs: list[SimpleNamespace] = []

    def init(self, **options):
        rows: list[tuple[dict, int]] = []
        run = SimpleNamespace(
            options=options,
            id=options["id"] or f"run{len(self.runs)}",
            rows=rows,
            log=lambda row, step: rows.append((row, step)),
            finished=False,
        )
        run.finish = lambda: setattr(run, "finished", True)
        self.runs.append(run)
        return run


class FakeMlflow(ModuleType):
    """One experiment that keeps its runs."""

    def __init__(self) -> None:
        super().__init__("mlflow")
        self.experiments: list[str] = []
        self.params: list[tuple[str, str, str]] = []
        self.metrics: list[tuple[str, str, float, int]] = []
        self.status: dict[str, str] = {}
        self.MlflowClient = lambda: self

    def get_experiment_by_name(self, name):
        known = name in self.experiments
        return SimpleNamespace(experiment_id=name) if known else None

    def create_experiment(self, name):
        self.experiments.append(name)
        return name

    def create_run(self, experiment, run_name):
        number = f"{experiment}/{run_name}/{len(self.status)}"
        self.status[number] = "RUNNING"
        return SimpleNamespace(info=SimpleNamespace(run_id=number))

    def update_run(self, number, status):
        assert number in self.status
        self.status[number] = status

    def log_param(self, *values):
        self.params.append(values)

    def log_metric(self, number, key, value, step):
        assert "@" not in key
        self.metrics.append((number, key, value, step))

    def set_terminated(self, number):
        self.status[number] = "FINISHED"


@pytest.fixture
def wandb(monkeypatch):
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    errors = ModuleType("wandb.errors")
    errors.Error = RefusedError
    monkeypatch.setitem(sys.modules, "wandb.errors", errors)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    return fake


@pytest.fixture
def mlflow(monkeypatch):
    fake = FakeMlflow()
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    errors = ModuleType("mlflow.exceptions")
    errors.MlflowException = RefusedError
    monkeypatch.setitem(sys.modules, "mlflow.exceptions", errors)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    return fake


def write(logs) -> None:
    for row in ROWS:
        logs.write(row)
    logs.close()


def test_nothing_is_contacted_unasked(wandb, mlflow, tmp_path):
    write(open_logs(tmp_path, {}))
    assert wandb.runs == []
    assert mlflow.status == {}


def test_wandb_gets_numbers_by_epoch_and_the_settings(wandb, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    write(open_wandb(tmp_path / ".", {"batch_size": 4}))
    run = wandb.runs[0]
    assert run.rows == [
        ({"epoch": 0, "loss": 0.5}, 0),
        ({"epoch": 1, "loss": 0.25, "PCK@0.1": 0.75}, 1),
    ]
    assert run.finished
    assert run.options["project"] == "mine"
    assert run.options["name"] == tmp_path.name
    assert run.options["config"] == {"batch_size": 4}
    assert "mode" not in run.options  # offline is for the environment to say


def test_mlflow_gets_numbers_by_epoch_and_the_settings(mlflow, tmp_path):
    write(open_mlflow(tmp_path, {"drops": [3]}))
    number = f"posetrack/{tmp_path.name}/0"
    assert mlflow.params == [(number, "drops", "[3]")]
    assert mlflow.metrics == [
        (number, "loss", 0.5, 0),
        (number, "loss", 0.25, 1),
        (number, "PCK_at_0.1", 0.75, 1),
    ]
    assert mlflow.status == {number: "FINISHED"}


def test_a_resumed_run_goes_on_in_the_same_curves(wandb, mlflow, tmp_path):
    both = open_several([open_wandb, open_mlflow])
    for _ in range(2):
        write(both(tmp_path, {"seed": 0}))
    assert [run.id for run in wandb.runs] == ["run0", "run0"]
    assert all(run.options["resume"] == "allow" for run in wandb.runs)
    assert len(mlflow.status) == 1
    assert len(mlflow.params) == 1
    other = tmp_path / "other"
    other.mkdir()
    write(both(other, {}))
    assert len(mlflow.status) == 2
    assert wandb.runs[2].id == "run2"


def test_a_damaged_memory_is_named(wandb, tmp_path):
    (tmp_path / "logs.json").write_text("{")
    with pytest.raises(ValueError, match=r"logs\.json: not JSON"):
        open_wandb(tmp_path, {})


def test_their_refusals_are_told(wandb, mlflow, monkeypatch, tmp_path):
    def refuse(*args, **options):
        raise RefusedError("log in first")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(RuntimeError, match="Weights & Biases: log in first"):
        open_wandb(tmp_path, {})
    monkeypatch.setattr(mlflow, "create_run", refuse)
    with pytest.raises(RuntimeError, match="MLflow: log in first"):
        open_mlflow(tmp_path, {})


@pytest.mark.parametrize(("name", "opened"), [("wandb", open_wandb), ("mlflow", open_mlflow)])
def test_what_is_missing_is_named(name, opened, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=rf"posetrack\[{name}\]"):
        opened(tmp_path, {})


def test_the_command_logs_where_it_is_told(wandb, mlflow, shared, tmp_path, capsys):
    data = shared / "data/coco"
    words = ["train", "--data", "coco", "--images", str(data),
             "--annotations", str(data / "test_coco.json"), "--arch", "light", "--size", "32x32",
             "--epochs", "1", "--batch-size", "12", "-o", str(tmp_path / "run"),
             "--quiet"]  # fmt: skip
    assert main([*words, "--log", "wandb", "mlflow"]) == 0
    assert [row["epoch"] for row, _ in wandb.runs[0].rows] == [0]
    assert wandb.runs[0].options["config"]["batch_size"] == 12
    known = json.loads((tmp_path / "run/logs.json").read_text())
    assert set(known) == {"wandb", "mlflow"}
    with pytest.raises(SystemExit):
        main([*words, "--log", "elsewhere"])
    assert "invalid choice" in capsys.readouterr().err


def test_where_mlflow_has_no_database_runs_go_into_a_folder(mlflow, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    asked = []

    def make(tracking_uri=None):
        asked.append((tracking_uri, os.environ.get("MLFLOW_ALLOW_FILE_STORE")))
        if tracking_uri is None:
            raise sys.modules["mlflow.exceptions"].MlflowException("no module named sqlalchemy")
        return mlflow

    monkeypatch.setattr(mlflow, "MlflowClient", make)
    write(open_mlflow(tmp_path, {}))
    assert asked == [(None, None), ((tmp_path / "mlruns").as_uri(), "true")]
    assert "MLFLOW_ALLOW_FILE_STORE" not in os.environ
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///runs.db")
    with pytest.raises(RuntimeError, match="no module named sqlalchemy"):
        open_mlflow(tmp_path, {})
