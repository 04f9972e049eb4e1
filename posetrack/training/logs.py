"""Where the rows of a run's log are shown while it runs: TensorBoard, Weights & Biases, MLflow.

TensorBoard's file lies in the run's folder and is written wherever TensorBoard is installed. The
other two may send data to a server, so they are opened only when asked for, and then as their own
settings say (``WANDB_MODE=offline``, ``MLFLOW_TRACKING_URI``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from posetrack.checks import require_library
from posetrack.files import write_whole

_REMEMBERED = "logs.json"
_PROJECT = "posetrack"


class Logs(Protocol):
    """Takes one row an epoch."""

    def write(self, row: Mapping[str, Any], /) -> None:
        """Show the numbers of the epoch that ``row["epoch"]`` names."""
        ...

    def close(self) -> None:
        """Finish; nothing is written afterwards."""
        ...


OpenLogs: TypeAlias = Callable[[Path, Mapping[str, Any]], Logs]
"""Given a run's folder and the plain values that name the run, opens where it is shown."""


def open_logs(folder: Path, settings: Mapping[str, Any]) -> Logs:
    """Open TensorBoard's log in the run's folder, if TensorBoard is installed.

    Parameters
    ----------
    folder
        Of the run.
    settings
        Plain values that name the run: recipe and task.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     logs = open_logs(Path(folder), {"batch_size": 32})
    ...     logs.write({"epoch": 0, "loss": 0.5})
    ...     logs.close()
    """
    del settings
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return _Several(())
    return _Board(SummaryWriter(str(folder)))


def open_wandb(folder: Path, settings: Mapping[str, Any]) -> Logs:
    """A run of Weights & Biases named after the folder, whose files go into the folder.

    Project and mode are those of the environment (``WANDB_PROJECT``, ``WANDB_MODE``); without one
    the project is ``posetrack``. A run that is resumed goes on in the same curves.

    Parameters
    ----------
    folder, settings
        See `open_logs`.

    Raises
    ------
    ModuleNotFoundError
        If wandb is not installed.
    RuntimeError
        If it refuses, with its reason.
    """
    with require_library("logging to Weights & Biases needs wandb", "posetrack[wandb]"):
        import wandb
        from wandb.errors import Error
    try:
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            name=folder.resolve().name,
            dir=str(folder),
            config=dict(settings),
            id=_read_run_names(folder).get("wandb"),
            resume="allow",
        )
    except Error as error:
        raise RuntimeError(f"Weights & Biases: {error}") from error
    _remember(folder, "wandb", str(run.id))
    return _Wandb(run)


_ALLOW_FOLDER = "MLFLOW_ALLOW_FILE_STORE"


def open_mlflow(folder: Path, settings: Mapping[str, Any]) -> Logs:
    """A run of MLflow named after the folder, where MLflow's own settings say.

    Those are ``MLFLOW_TRACKING_URI`` and ``MLFLOW_EXPERIMENT_NAME``; without a name the experiment
    is ``posetrack``. A run that is resumed goes on in the same curves. MLflow allows no ``@`` in
    names: ``PCK@0.1`` is called ``PCK_at_0.1`` there.

    Parameters
    ----------
    folder, settings
        See `open_logs`.

    Raises
    ------
    ModuleNotFoundError
        If mlflow is not installed.
    RuntimeError
        If it refuses, with its reason.
    """
    with require_library("logging to MLflow needs mlflow", "posetrack[mlflow]"):
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    try:
        client = _mlflow_client(MlflowClient, MlflowException)
        number = _read_run_names(folder).get("mlflow")
        if number is None:
            number = _new_mlflow_run(client, folder, settings)
            _remember(folder, "mlflow", number)
        else:
            client.update_run(number, status="RUNNING")
    except MlflowException as error:
        raise RuntimeError(f"MLflow: {error}") from error
    return _Mlflow(client, number)


def _mlflow_client(make: Any, refusal: type[Exception]) -> Any:
    """A client of where MLflow's settings say; where nothing is set, of what it can use.

    MLflow 3 keeps runs in a database, for which the small package, ``mlflow-skinny``, has no
    driver, and refuses folders unless told. Where nobody has said where runs go, and its own
    default cannot be had, they go into the folder ``mlruns``, as before.
    """
    try:
        return make()
    except (refusal, ImportError):
        if os.environ.get("MLFLOW_TRACKING_URI"):
            raise
    before = os.environ.get(_ALLOW_FOLDER)
    os.environ[_ALLOW_FOLDER] = "true"
    try:
        return make(tracking_uri=Path("mlruns").resolve().as_uri())
    finally:
        if before is None:
            del os.environ[_ALLOW_FOLDER]
        else:
            os.environ[_ALLOW_FOLDER] = before


def _new_mlflow_run(client: Any, folder: Path, settings: Mapping[str, Any]) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT)
    known = client.get_experiment_by_name(name)
    experiment = client.create_experiment(name) if known is None else known.experiment_id
    run = client.create_run(experiment, run_name=folder.resolve().name)
    for key, value in settings.items():
        client.log_param(run.info.run_id, key, str(value)[:500])
    return str(run.info.run_id)


def open_several(openers: Sequence[OpenLogs]) -> OpenLogs:
    """A function that opens several logs and writes each row to all of them.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     logs = open_several([open_logs, open_logs])(Path(folder), {})
    ...     logs.close()
    """

    def open_all(folder: Path, settings: Mapping[str, Any]) -> Logs:
        return _Several(tuple(opener(folder, settings) for opener in openers))

    return open_all


class _Several:
    """Shows rows in several places, or in none."""

    def __init__(self, places: Sequence[Logs]) -> None:
        self._places = places

    def write(self, row: Mapping[str, Any], /) -> None:
        for address in self._places:
            address.write(row)

    def close(self) -> None:
        for address in self._places:
            address.close()


class _Board:
    """TensorBoard: a curve for every number of a row."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, row: Mapping[str, Any], /) -> None:
        for name, value in _numbers(row):
            self._writer.add_scalar(name, value, row["epoch"])
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    """Weights & Biases: a step an epoch."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def write(self, row: Mapping[str, Any], /) -> None:
        self._run.log({"epoch": row["epoch"], **dict(_numbers(row))}, step=row["epoch"])

    def close(self) -> None:
        self._run.finish()


class _Mlflow:
    """MLflow: a metric for every number, by epoch."""

    def __init__(self, client: Any, number: str) -> None:
        self._client, self._number = client, number

    def write(self, row: Mapping[str, Any], /) -> None:
        for name, value in _numbers(row):
            key = name.replace("@", "_at_")
            self._client.log_metric(self._number, key, value, step=row["epoch"])

    def close(self) -> None:
        self._client.set_terminated(self._number)


def _numbers(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if name != "epoch" and isinstance(value, int | float):
            yield name, value


def _read_run_names(folder: Path) -> dict[str, str]:
    """Names that other programs gave the run of this folder."""
    file = folder / _REMEMBERED
    if not file.is_file():
        return {}
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: not JSON; remove it to log as a new run") from error
    return {key: value for key, value in known.items() if isinstance(value, str)}


def _remember(folder: Path, key: str, value: str) -> None:
    text = json.dumps({**_read_run_names(folder), key: value}, indent=2)
    write_whole(folder / _REMEMBERED, text)
