"""Training in several processes, on one machine or many, as ``torchrun`` starts them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from posetrack.devices import pick_device


@dataclass(frozen=True)
class Processes:
    """Number of this process, its number on its machine, and how many there are in all."""

    rank: int = 0
    local_rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files."""
        return self.rank == 0


ALONE = Processes()


def _processes_of(environment: Mapping[str, str]) -> Processes:
    """The settings that ``torchrun`` puts into the environment.

    Examples
    --------
    >>> _processes_of({"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"})
    Processes(rank=1, local_rank=1, world=2)
    """
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return ALONE
    return Processes(
        int(environment["RANK"]),
        int(environment.get("LOCAL_RANK", 0)),
        int(environment["WORLD_SIZE"]),
    )


def join(device: str) -> tuple[Processes, torch.device]:
    """Join the other processes, if there are any; and the device that is this one's.

    Parameters
    ----------
    device
        ``"cpu"``, ``"cuda"``, or ``"auto"`` for CUDA where there is one.

    Raises
    ------
    ValueError
        If CUDA is asked for and not available.
    """
    processes = _processes_of(os.environ)
    own_device = pick_device(device)
    if own_device.type == "cuda":
        if own_device.index is None:
            own_device = torch.device("cuda", processes.local_rank)
        torch.cuda.set_device(own_device)
    if processes.world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if own_device.type == "cuda" else "gloo")
    return processes, own_device


def leave() -> None:
    """Leave the group of processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def spread(network: nn.Module, device: torch.device) -> nn.parallel.DistributedDataParallel:
    """Network whose gradients are averaged over the processes.

    Batch normalisation takes the statistics of the whole batch, not of this process's part, so
    that the number of processes changes nothing but the speed.
    """
    if device.type == "cuda":
        shared = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return nn.parallel.DistributedDataParallel(
            shared, device_ids=[device.index], broadcast_buffers=False
        )
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = _SharedBatchNorm2d
    return nn.parallel.DistributedDataParallel(network, broadcast_buffers=False)


def sum_over_processes(value: Tensor, processes: Processes) -> Tensor:
    """Sum of a tensor over all processes."""
    if processes.world > 1:
        dist.all_reduce(value)
    return value


class _SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes, also without CUDA."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        """Normalise (N, C, H, W) with all processes' mean and variance."""
        if not self.training:
            return super().forward(input)
        axes = (0, 2, 3)
        here = torch.full((1,), float(input.numel() // input.shape[1]), dtype=torch.float64)
        count = _AllSum.apply(here)
        mean = _AllSum.apply(input.double().sum(axes)) / count
        away = input.double() - mean[:, None, None]
        variance = _AllSum.apply(away.square().sum(axes)) / count
        if self.running_mean is not None and self.running_var is not None:
            share = 0.1 if self.momentum is None else self.momentum
            unbiased = (variance * count / (count - 1)).detach()
            self.running_mean.lerp_(mean.detach().to(self.running_mean.dtype), share)
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        normal = (away / (variance + self.eps).sqrt()[:, None, None]).to(input.dtype)
        scaled: Tensor = normal * self.weight[:, None, None] + self.bias[:, None, None]
        return scaled


class _AllSum(torch.autograd.Function):
    """Sum over the processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ARG004
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total
