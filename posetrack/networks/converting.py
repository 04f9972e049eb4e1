"""Any known checkpoint as a safetensors file that says itself what it needs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from posetrack.files import sha256_of, write_whole
from posetrack.networks.about import About, Decode, about_text, read_about, usual_sigma
from posetrack.networks.architectures import TOLD
from posetrack.networks.checkpoints import PoseCheckpoint, load_network
from posetrack.networks.posenet import PoseNet
from posetrack.networks.trtpose import TrtPose
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
    **told: Any,
) -> tuple[PoseCheckpoint, About]:
    """Write a checkpoint of any known kind as safetensors, with what it needs in the header.

    Parameters
    ----------
    source
        See `posetrack.networks.checkpoints.load_network`.
    target
        The file to write; it appears whole or not at all.
    skeleton, input_size, normalisation, partial, **told
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
    about
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
    ...     _, about = convert_checkpoint(old, new, licence="MIT")
    ...     load_network(new)[1].input_size, read_about(new).licence
    ((192, 256), 'MIT')
    """
    source, target = Path(source), Path(target)
    if target.suffix != ".safetensors":
        raise ValueError(f"expected a name that ends in .safetensors, got {target}")
    if target.exists() and target.samefile(source):
        raise ValueError(f"{target} is the file to read; write to another")
    try:
        from safetensors.torch import save
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'writing safetensors needs that package: pip install "posetrack[safetensors]"'
        ) from error
    network, found = load_network(
        source,
        skeleton=skeleton,
        input_size=input_size,
        normalisation=normalisation,
        partial=partial,
        **told,
    )
    said = describe(network, found, source)
    about = dataclasses.replace(
        said,
        decode=decode or said.decode,
        training_data=said.training_data if training_data is None else training_data,
        licence=said.licence if licence is None else licence,
    )
    tensors = {name: _plain(value) for name, value in network.state_dict().items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, save(tensors, metadata={"posetrack": about_text(about)}))
    return found, about


def describe(network: nn.Module, found: PoseCheckpoint, source: str | Path) -> About:
    """All that is known of a network from a file, for what is made from it.

    Parameters
    ----------
    network, found
        What `load_network` gave.
    source
        The file, or folder, that it was read from.
    """
    path = Path(source)
    said = (read_about(path) if path.is_file() else None) or About()
    whole_image = isinstance(network, PoseNet | TrtPose)
    usual = None if whole_image else Decode("quarter", usual_sigma(found.input_size))
    return dataclasses.replace(
        said,
        skeleton=found.skeleton,
        input_size=found.input_size,
        normalisation=found.normalisation,
        told=_told(network),
        decode=said.decode or usual,
        source_sha256=sha256_of(path),
    )


def _told(network: nn.Module) -> dict[str, Any]:
    """Settings that leave no trace in the weights, as far as they are not the usual ones."""
    names = TOLD.get(type(network), ())
    told = {name: getattr(network, name) for name in names if hasattr(network, name)}
    if "activations" in names and "activations" not in told:
        told["activations"] = any(isinstance(part, nn.ReLU) for part in network.modules())
    return told


def _plain(value: Tensor) -> Tensor:
    return value.detach().cpu().contiguous().clone()
