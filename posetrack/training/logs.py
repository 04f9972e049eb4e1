"""Where the rows of a run's log are shown while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol


class Logs(Protocol):
    """Takes one row an epoch."""

    def write(self, row: Mapping[str, Any], /) -> None:
        """Show the numbers of the epoch that ``row["epoch"]`` names."""
        ...

    def close(self) -> None:
        """Finish; nothing is written afterwards."""
        ...


def open_logs(folder: Path, settings: Mapping[str, Any]) -> Logs:
    """Open what is installed: TensorBoard, whose file goes into the run's folder; or nothing.

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
        return _Nowhere()
    return _Board(SummaryWriter(str(folder)))


class _Board:
    """TensorBoard: a curve for every number of a row."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, row: Mapping[str, Any], /) -> None:
        for name, value in row.items():
            if name != "epoch" and isinstance(value, int | float):
                self._writer.add_scalar(name, value, row["epoch"])
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Nowhere:
    """Shows nothing."""

    def write(self, row: Mapping[str, Any], /) -> None:
        del row

    def close(self) -> None:
        pass
