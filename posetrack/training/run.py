"""One training run: where it is computed, its steps, and its state."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from posetrack.training.distributed import ALONE, Processes, spread
from posetrack.training.recipe import PAPER, Recipe
from posetrack.training.saving import load_state
from posetrack.training.tasks import Task
from posetrack.training.validation import network_input


@dataclass(frozen=True)
class Hardware:
    """Where and how a network is computed.

    Parameters
    ----------
    device
        Of this process.
    half_precision
        Compute in 16 bits where that is safe (AMP), float16 on CUDA, bfloat16 on the CPU; None
        for yes on CUDA. Processors with instructions for bfloat16 train twice as fast by it, others
        many times more slowly.
    channels_last
        Keep a pixel's channels together in memory; None for yes on CUDA.
    workers
        Processes that make crops; 0 for none but this.
    processes
        How many train together, and which of them this is.
    """

    device: torch.device
    half_precision: bool | None = None
    channels_last: bool | None = None
    workers: int = 0
    processes: Processes = ALONE

    @property
    def amp(self) -> bool:
        """Whether to compute in half precision."""
        return self.device.type == "cuda" if self.half_precision is None else self.half_precision

    @property
    def half(self) -> torch.dtype:
        """What half precision is on the device."""
        return torch.float16 if self.device.type == "cuda" else torch.bfloat16

    @property
    def memory_format(self) -> torch.memory_format:
        """Order of the network's weights in memory."""
        wanted = self.channels_last
        wanted = self.device.type == "cuda" if wanted is None else wanted
        return torch.channels_last if wanted else torch.contiguous_format


class Run:
    """What changes from step to step, and how it is saved and restored.

    Parameters
    ----------
    network
        Trained in place.
    task, recipe, hardware
        What, how and where.
    """

    def __init__(self, network: nn.Module, task: Task, recipe: Recipe, hardware: Hardware) -> None:
        self.task, self.recipe, self.hardware = task, recipe, hardware
        self.network: nn.Module = network.to(hardware.device).to(
            memory_format=hardware.memory_format
        )
        self.data = task.dataset(self.network, recipe)
        self.parallel: nn.Module = self.network
        if hardware.processes.world > 1:
            spread_out = spread(self.network, hardware.device)
            self.parallel, self.network = spread_out, spread_out.module
        self.optimizer = torch.optim.Adam(
            _groups(self.network, recipe.trunk_rate),
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
        )
        # bfloat16 has float32's range: only float16's gradients have to be kept from vanishing.
        scaled = hardware.amp and hardware.half == torch.float16
        self.scaler = torch.amp.GradScaler(hardware.device.type, enabled=scaled)
        self.average = copy.deepcopy(self.network) if recipe.ema is not None else None
        self.epoch = 0
        self.best = float("-inf")

    @property
    def result(self) -> nn.Module:
        """The network to validate and keep."""
        return self.network if self.average is None else self.average

    def settings(self) -> dict[str, Any]:
        """The settings that must be the same for a run to be resumed."""
        same = {
            name: value
            for name, value in dataclasses.asdict(self.recipe).items()
            if name not in ("epochs", "drops")
        }
        for name in ("trunk_rate", "side_weight"):  # runs of before there were these can go on
            if same[name] == getattr(PAPER, name):
                del same[name]
        return {**same, **self.task.settings()}

    def header(self) -> dict[str, Any]:
        """What goes with the weights."""
        return {**self.task.header(self.recipe), "epoch": self.epoch}

    def state(self) -> dict[str, Any]:
        """All that is needed to go on."""
        return {
            "settings": json.dumps(self.settings()),
            "epoch": self.epoch,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "best": self.best,
            "rng": torch.get_rng_state(),
        }

    def restore(self, path: Path) -> None:
        """Go on from a state.

        Raises
        ------
        ValueError
            If it is of another run.
        """
        state = load_state(path)
        if state["settings"] != json.dumps(self.settings()):
            then, now = json.loads(state["settings"]), json.loads(json.dumps(self.settings()))
            other = [
                f"{name} {then.get(name)} instead of {now.get(name)}"
                for name in {**then, **now}
                if then.get(name) != now.get(name)
            ]
            raise ValueError(f"{path}: of a run with other settings: {', '.join(other)}")
        try:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state["scaler"])
            if self.average is not None:
                self.average.load_state_dict(state["average"])
        except (RuntimeError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: of another network: {error}") from error
        self.epoch, self.best = int(state["epoch"]), float(state["best"])
        torch.set_rng_state(state["rng"])

    def step(self, batch: Any, rate: float, share: float) -> Tensor:
        """One step of Adam; the loss of this process's part of the batch."""
        recipe, hardware = self.recipe, self.hardware
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("share", 1.0)
        here = type(batch)(*(tensor.to(hardware.device, non_blocking=True) for tensor in batch))
        images = network_input(here[0], self.task.normalisation)
        images = images.contiguous(memory_format=hardware.memory_format)
        with torch.autocast(hardware.device.type, hardware.half, enabled=hardware.amp):
            output = self.parallel(images)
        loss = self.task.loss(output, here, recipe)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss * share).backward()  # type: ignore[no-untyped-call]
        if recipe.max_gradient is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), recipe.max_gradient)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None and recipe.ema is not None:
            _move_average(self.average, self.network, recipe.ema)
        return loss.detach()


def _groups(network: nn.Module, trunk_rate: float) -> list[dict[str, Any]]:
    """The network's parameters, those of its trunk apart where they learn at another rate."""
    trunk = getattr(network, "trunk", None)
    if trunk_rate == 1 or trunk is None:
        return [{"params": list(network.parameters())}]
    rest = [weight for name, weight in network.named_parameters() if not name.startswith("trunk.")]
    return [{"params": rest}, {"params": list(trunk.parameters()), "share": trunk_rate}]


def _move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Weights move a little towards the network's; counts and the like are copied."""
    now: Mapping[str, Tensor] = network.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(now[name], 1 - decay)
        else:
            value.copy_(now[name])
