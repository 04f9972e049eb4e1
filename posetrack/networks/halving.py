"""Weights in half the bytes, for files that are sent around."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from posetrack.files import write_whole
from posetrack.networks.about import About, about_text, read_about
from posetrack.networks.plain_tensors import halved, tensors_as_bytes
from posetrack.networks.weight_files import read_weights


def halve_weights(
    source: str | Path,
    target: str | Path,
    *,
    input_size: tuple[int, int] | None = None,
    training_data: str | None = None,
    licence: str | None = None,
) -> Path:
    """Write a weight file's tensors in float16, with what the file says of itself.

    Parameters
    ----------
    source
        See `posetrack.networks.weight_files.read_weights`.
    target
        The ``.safetensors`` file to write.
    input_size
        Width and height to use the network at, where that is not what it was trained at.
    training_data, licence
        What it was trained on and how it may be used. When None: as the source says.

    Returns
    -------
    target
        The file written.

    Raises
    ------
    ValueError
        If the source cannot be read, a weight is too large, or the target's name has another
        ending.

    Examples
    --------
    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     old, new = Path(folder, "old.pth"), Path(folder, "new.safetensors")
    ...     torch.save({"weight": torch.ones(1)}, old)
    ...     read_weights(halve_weights(old, new)).tensors
    {'weight': tensor([1.], dtype=torch.float16)}
    """
    target = Path(target)
    if target.suffix != ".safetensors":
        raise ValueError(f"expected a name that ends in .safetensors, got {target}")
    said = read_about(source) or About()
    about = dataclasses.replace(
        said,
        input_size=input_size or said.input_size,
        training_data=said.training_data if training_data is None else training_data,
        licence=said.licence if licence is None else licence,
    )
    tensors = halved(read_weights(source).tensors)
    write_whole(target, tensors_as_bytes(tensors, {"posetrack": about_text(about)}))
    return target
