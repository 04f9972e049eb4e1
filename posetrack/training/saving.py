"""Files of a run: whole or not there, tensors and plain values only."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posetrack.checks import no_such_file
from posetrack.files import read_text, write_whole

if TYPE_CHECKING:
    from torch import Tensor

_MAX_LOG_BYTES = 100_000_000
_FORMAT = "posetrack training 1"
_PARTS = ("format", "settings", "epoch", "network", "optimizer", "scaler", "average", "best", "rng")


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Everything that a run needs to go on.

    Parameters
    ----------
    path
        The file.
    state
        Tensors, numbers and text under the names that `load_state` gives back.
    """
    import torch

    buffer = io.BytesIO()
    torch.save({"format": _FORMAT, **state}, buffer)
    write_whole(path, buffer.getvalue())


def load_state(path: Path) -> dict[str, Any]:
    """What `save_state` wrote; nothing in the file is run.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is damaged or not the state of a run.
    """
    import torch

    if not path.is_file():
        raise FileNotFoundError(f"no state of a run: {no_such_file(path)}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle and zip have many ways to fail
        raise ValueError(
            f"{path}: cannot be read as the state of a run: {type(error).__name__}. Go on from an "
            "earlier one, if there is any"
        ) from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise ValueError(f"{path}: not the state of a training run (it may be weights alone)")
    missing = [name for name in _PARTS if name not in state]
    if missing:
        raise ValueError(f"{path}: no {', '.join(missing)} in it")
    return state


def save_weights(
    folder: Path, name: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]
) -> Path:
    """Weights alone, as safetensors where that package is installed, else as a state dict.

    Parameters
    ----------
    folder, name
        Where, and the name without its ending.
    tensors
        The state dict.
    header
        Plain values for the file's metadata; a state dict has them in a JSON file beside it.

    Returns
    -------
    path
        The file written.
    """
    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    try:
        from safetensors.torch import save
    except ModuleNotFoundError:
        import torch

        path = folder / f"{name}.pth"
        buffer = io.BytesIO()
        torch.save(plain, buffer)
        write_whole(path.with_name(path.name + ".json"), json.dumps(header, indent=2))
        write_whole(path, buffer.getvalue())
        return path
    path = folder / f"{name}.safetensors"
    write_whole(path, save(plain, metadata={"posetrack": json.dumps(header)}))
    return path


def write_log(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """One line an epoch, all columns that any of them has; numbers with all their digits."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())


def read_log(path: Path, *, before: int) -> list[dict[str, Any]]:
    """Lines of `write_log` for epochs earlier than one; none if there is no file.

    Raises
    ------
    ValueError
        If it is not such a file.
    """
    if not path.is_file():
        return []
    lines = csv.DictReader(io.StringIO(read_text(path, _MAX_LOG_BYTES)))
    rows = [{name: _number(text) for name, text in row.items()} for row in lines]
    if any(not isinstance(row.get("epoch"), int) for row in rows):
        raise ValueError(f"{path}: not the log of a run, a line has no epoch")
    return [row for row in rows if row["epoch"] < before]


def _number(text: Any) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except (TypeError, ValueError):
            continue
    return text
