"""Converts checkpoints of any known kind to safetensors files with a card in their header."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from posetrack.checkpoints.card import Decode, ModelCard, card_text, read_card, usual_sigma
from posetrack.checkpoints.loading import PoseCheckpoint, load_network, options_of
from posetrack.checkpoints.weight_files import read_weights, tensors_as_bytes
from posetrack.checks import require_library
from posetrack.files import sha256_of, write_whole
from posetrack.ops.crops import Normalisation
from posetrack.skeletons import Skeleton


def convert_checkpoint(
    source: str | Path,
    target: str | Path,
    *,
    skeleton: Skeleton | None = None,
    input_size: tuple[int, int] | None = None,
    normalisation: Normalisation | None = None,
    decode: Decode | None = None,
    training_data: str | None = None,
    licence: str | None = None,
    partial: bool = False,
    **options: Any,
) -> tuple[PoseCheckpoint, ModelCard]:
    """Write a checkpoint of any known kind as safetensors, with what it needs in the header.

    Parameters
    ----------
    source
        See `posetrack.checkpoints.loading.load_network`.
    target
        The file to write; it appears whole or not at all.
    skeleton, input_size, normalisation, partial, **options
        See `load_network`.
    decode
        How heatmaps become keypoints. When None: as the file says, else a quarter of a cell
        towards the higher neighbour, with the sigma that is usual for the input size.
    training_data, licence
        What it was trained on and how it may be used. When None: as the file says.

    Returns
    -------
    checkpoint
        What was read; after ``partial`` also what was missing and left over.
    card
        What was written.

    Raises
    ------
    ValueError
        If the source is no known network (see `load_network`), or the target's name does not end
        in ``.safetensors`` or is the source's.
    ModuleNotFoundError
        If safetensors is not installed.

    Examples
    --------
    >>> import tempfile, torch
    >>> from posetrack.networks.pose_resnet import PoseResNet
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     old, new = Path(folder, "old.pth"), Path(folder, "new.safetensors")
    ...     torch.save(PoseResNet(18, 17).state_dict(), old)
    ...     _, card = convert_checkpoint(old, new, licence="MIT")
    ...     load_network(new)[1].input_size, read_card(new).licence
    ((192, 256), 'MIT')
    """
    source, target = Path(source), Path(target)
    if target.suffix != ".safetensors":
        raise ValueError(f"expected a name that ends in .safetensors, got {target}")
    if target.exists() and target.samefile(source):
        raise ValueError(f"{target} is the file to read; write to another")
    with require_library("writing safetensors needs that package", "posetrack[safetensors]"):
        from safetensors.torch import save
    network, found = load_network(
        source,
        skeleton=skeleton,
        input_size=input_size,
        normalisation=normalisation,
        partial=partial,
        **options,
    )
    model_card = describe(network, found, source)
    stored = dataclasses.replace(
        model_card,
        decode=decode or model_card.decode,
        training_data=model_card.training_data if training_data is None else training_data,
        licence=model_card.licence if licence is None else licence,
    )
    tensors = {name: _plain(value) for name, value in network.state_dict().items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, save(tensors, metadata={"posetrack": card_text(stored)}))
    return found, stored


def describe(network: nn.Module, found: PoseCheckpoint, source: str | Path) -> ModelCard:
    """The card of a network that was loaded from a file.

    Parameters
    ----------
    network, found
        What `load_network` gave.
    source
        The file, or folder, that it was read from.
    """
    path = Path(source)
    model_card = (read_card(path) if path.is_file() else None) or ModelCard()
    usual = None if found.family != "heatmaps" else Decode("quarter", usual_sigma(found.input_size))
    return dataclasses.replace(
        model_card,
        skeleton=found.skeleton,
        input_size=found.input_size,
        normalisation=found.normalisation,
        options=options_of(network),
        decode=model_card.decode or usual,
        source_sha256=sha256_of(path),
    )


def _plain(value: Tensor) -> Tensor:
    return value.detach().cpu().contiguous().clone()


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
        See `posetrack.checkpoints.weight_files.read_weights`.
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
    model_card = read_card(source) or ModelCard()
    stored = dataclasses.replace(
        model_card,
        input_size=input_size or model_card.input_size,
        training_data=model_card.training_data if training_data is None else training_data,
        licence=model_card.licence if licence is None else licence,
    )
    tensors = halve_tensors(read_weights(source).tensors)
    write_whole(target, tensors_as_bytes(tensors, {"posetrack": card_text(stored)}))
    return target


def halve_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in float16, without the counts of batches, which nothing but training needs.

    Raises
    ------
    ValueError
        If a weight is too large for float16.

    Examples
    --------
    >>> halve_tensors({"weight": torch.ones(1), "bn.num_batches_tracked": torch.tensor(7)})
    {'weight': tensor([1.], dtype=torch.float16)}
    """
    kept = {
        name: value.half() if value.is_floating_point() else value
        for name, value in tensors.items()
        if not name.endswith(".num_batches_tracked")
    }
    broken = [name for name, value in kept.items() if not torch.isfinite(value).all()]
    if broken:
        raise ValueError(f"too large for float16, or not finite: {', '.join(broken[:6])}")
    return kept
