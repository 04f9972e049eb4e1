"""Networks filled by the rule of the reference cases: values depend on name and shape only."""

from __future__ import annotations

import gzip
import json
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


@lru_cache(maxsize=400)
def fill(name: str, shape: tuple[int, ...], gain: float) -> Tensor:
    """The value of one parameter, see ``README.md`` of the reference networks.

    The last network's worth is kept, for drawing takes longer than running: do not write into it.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    if leaf == "running_var":
        values = rng.uniform(0.5, 1.5, shape)
    elif leaf in ("running_mean", "bias"):
        values = rng.normal(0.0, 0.1, shape)
    elif len(shape) == 1:
        values = rng.uniform(0.5, 1.5, shape)
    else:
        values = rng.normal(0.0, gain * np.sqrt(2 / np.prod(shape[1:])), shape)
    return torch.from_numpy(values.astype(np.float32))


def keys(folder: Path, name: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """A recorded key list: name to dtype and shape."""
    with gzip.open(folder / "keys" / f"{name}.json.gz") as file:
        recorded = json.load(file)["keys"]
    return {key: (dtype, tuple(shape)) for key, (dtype, shape) in recorded.items()}


def filled_state(folder: Path, name: str, gain: float) -> dict[str, Tensor]:
    """A state dict under the names of a recorded key list."""
    return {key: fill(key, shape, gain) for key, (_, shape) in keys(folder, name).items()}


def fill_network(network: torch.nn.Module, gain: float) -> None:
    """Fill a network, which may lie on the meta device, under its own names."""
    state = network.state_dict()
    network.load_state_dict(
        {key: fill(key, tuple(state[key].shape), gain) for key in state}, assign=True
    )
