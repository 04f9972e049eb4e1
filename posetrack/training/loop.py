"""Training: epochs, steps, what is logged and kept, and going on where a run stopped."""

from __future__ import annotations

import copy
import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from posetrack.crops import IMAGENET_BGR_AS_TRAINED, Normalisation
from posetrack.skeletons import Skeleton
from posetrack.training.augmentation import Augmentation
from posetrack.training.dataset import Batch, CropDataset, EpochBatches, loader
from posetrack.training.losses import joints_mse, joints_ohkm
from posetrack.training.processes import ALONE, Processes, spread, summed
from posetrack.training.recipe import PAPER, Recipe
from posetrack.training.samples import Samples
from posetrack.training.saving import load_state, read_log, save_state, save_weights, write_log
from posetrack.training.targets import keypoint_weights_by_name
from posetrack.training.validation import heatmap_size_of, main_metric, network_input

Row = dict[str, Any]
Validate = Callable[[nn.Module], dict[str, float]]
Watch = Callable[[Iterable[Batch], int, int], Iterable[Batch]]


@dataclass(frozen=True)
class Hardware:
    """Where and how a network is computed.

    Parameters
    ----------
    device
        Of this process.
    half_precision
        Compute in float16 where that is safe (AMP); None for yes on CUDA.
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
        return self.device.type == "cuda" and self.half_precision is not False

    @property
    def memory_format(self) -> torch.memory_format:
        """Order of the network's weights in memory."""
        wanted = self.channels_last
        wanted = self.device.type == "cuda" if wanted is None else wanted
        return torch.channels_last if wanted else torch.contiguous_format


def train(
    network: nn.Module,
    samples: Samples,
    out: str | Path,
    *,
    input_size: tuple[int, int],
    recipe: Recipe = PAPER,
    augmentation: Augmentation | None = None,
    normalisation: Normalisation = IMAGENET_BGR_AS_TRAINED,
    hardware: Hardware | None = None,
    validate: Validate | None = None,
    validate_every: int = 1,
    resume: str | Path | None = None,
    save_every: int = 1,
    keep_every: int = 0,
    watch: Watch | None = None,
) -> list[Row]:
    """Train a network on people's keypoints.

    Parameters
    ----------
    network
        Heatmaps (N, K, h, w) of crops (N, 3, H, W); trained in place.
    samples
        The people, with the network's K keypoints.
    out
        Folder for ``log.csv``, ``last.pth`` (all that is needed to go on), ``best.safetensors``
        (or ``best.pth``, weights alone), and TensorBoard's file where that is installed.
    input_size
        Width and height of the crops.
    recipe, augmentation
        How; the paper's when not given.
    normalisation
        Of the network's input; the paper's authors', BGR, when not given.
    hardware
        When None, the CPU, in this process.
    validate
        Numbers of a network after an epoch; the best by the first of AP, PCKh and PCK is kept.
        When None, the smallest loss is the best.
    validate_every
        Epochs from one validation to the next; the last epoch always has one.
    resume
        A state to go on from, ``last.pth`` or an epoch that was kept. What comes is what would
        have come without the interruption, to the last bit on the same machine.
    save_every
        Epochs from one ``last.pth`` to the next; the last epoch always has one. Without validation
        the best weights are looked for at these epochs only.
    keep_every
        Keep the state of every so many epochs as ``epoch_0010.pth``; 0 for none.
    watch
        Given an epoch's batches, their number and the epoch, gives the batches on: a progress bar.

    Returns
    -------
    rows
        Of ``log.csv``: epoch, learning rate, loss, images, seconds in all, waiting for data and
        computing, and what ``validate`` says.

    Raises
    ------
    ValueError
        If the network's heatmaps are not as many as keypoints, or the state to go on from is of
        another run.
    FloatingPointError
        If the loss is no longer a number.
    """
    place = hardware or Hardware(torch.device("cpu"))
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    _check_keypoints(network, samples.skeleton)
    run = _Run(network, recipe, place, input_size, normalisation, samples.skeleton)
    rows: list[Row] = []
    if resume is not None:
        run.restore(Path(resume))
        rows = read_log(folder / "log.csv", before=run.epoch)
    batches = _batches(run, samples, augmentation or Augmentation())
    board = _board(folder) if place.processes.first else None
    while run.epoch < recipe.epochs:
        epoch = run.epoch
        row = _train_epoch(run, *batches, watch)
        last = epoch + 1 == recipe.epochs
        if validate is not None and (last or (epoch + 1) % validate_every == 0):
            # All processes wait for the first; they meet again in the next epoch's first step.
            row |= validate(run.result) if place.processes.first else {}
        run.epoch += 1
        rows.append(row)
        if place.processes.first:
            due = last or run.epoch % save_every == 0
            _keep(run, folder, rows, validate is not None, due)
            if keep_every and run.epoch % keep_every == 0:
                save_state(folder / f"epoch_{run.epoch:04}.pth", run.state())
            _draw(board, rows[-1])
    if board is not None:
        board.close()
    return rows


class _Run:
    """What changes from step to step, and how it is saved and restored."""

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        place: Hardware,
        input_size: tuple[int, int],
        normalisation: Normalisation,
        skeleton: Skeleton,
    ) -> None:
        self.recipe, self.place, self.input_size = recipe, place, input_size
        self.normalisation, self.skeleton = normalisation, skeleton
        self.network: nn.Module = network.to(place.device).to(memory_format=place.memory_format)
        self.heatmap_size = heatmap_size_of(self.network, input_size)
        self.parallel: nn.Module = self.network
        if place.processes.world > 1:
            spread_out = spread(self.network, place.device)
            self.parallel, self.network = spread_out, spread_out.module
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.scaler = torch.amp.GradScaler(place.device.type, enabled=place.amp)
        self.average = copy.deepcopy(self.network) if recipe.ema is not None else None
        self.epoch = 0
        self.best = float("-inf")

    @property
    def result(self) -> nn.Module:
        """The network to validate and keep."""
        return self.network if self.average is None else self.average

    def settings(self) -> str:
        """What must be the same for a run to go on as if it had never stopped."""
        same = {
            name: value
            for name, value in dataclasses.asdict(self.recipe).items()
            if name not in ("epochs", "drops")
        }
        size, names = list(self.input_size), list(self.skeleton.keypoints)
        return json.dumps({**same, "input_size": size, "keypoints": names})

    def about(self) -> dict[str, Any]:
        """What goes with the weights: keypoints, input size, colours."""
        return {
            "skeleton": dataclasses.asdict(self.skeleton),
            "input_size": self.input_size,
            "normalisation": dataclasses.asdict(self.normalisation),
            "epoch": self.epoch,
        }

    def state(self) -> dict[str, Any]:
        return {
            "settings": self.settings(),
            "epoch": self.epoch,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "best": self.best,
            "rng": torch.get_rng_state(),
        }

    def restore(self, path: Path) -> None:
        state = load_state(path)
        if state["settings"] != self.settings():
            then, now = json.loads(state["settings"]), json.loads(self.settings())
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

    def step(self, batch: Batch, rate: float, share: float) -> Tensor:
        """One step of Adam; the loss of this process's part of the batch."""
        recipe, place = self.recipe, self.place
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        crops, targets, weights = (t.to(place.device, non_blocking=True) for t in batch[:3])
        images = network_input(crops, self.normalisation)
        images = images.contiguous(memory_format=place.memory_format)
        with torch.autocast(place.device.type, torch.float16, enabled=place.amp):
            output = self.parallel(images)
        if recipe.hardest is None:
            loss = joints_mse(output, targets, weights)
        else:
            loss = joints_ohkm(output, targets, weights, hardest=recipe.hardest)
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


def _check_keypoints(network: nn.Module, skeleton: Skeleton) -> None:
    keypoints = getattr(network, "keypoints", len(skeleton))
    if keypoints != len(skeleton):
        raise ValueError(
            f"the network has {keypoints} heatmaps, the people have {len(skeleton)} keypoints "
            f"({skeleton.name})"
        )


def _batches(
    run: _Run, samples: Samples, augmentation: Augmentation
) -> tuple[EpochBatches, Iterable[Batch]]:
    recipe, place = run.recipe, run.place
    names = samples.skeleton.keypoints
    data = CropDataset(
        samples,
        input_size=run.input_size,
        heatmap_size=run.heatmap_size,
        augmentation=augmentation,
        sigma=recipe.sigma,
        unbiased=recipe.unbiased,
        keypoint_weights=keypoint_weights_by_name(names) if recipe.by_keypoint else None,
        seed=recipe.seed,
    )
    batches = EpochBatches(
        len(samples),
        recipe.batch_size,
        seed=recipe.seed,
        rank=place.processes.rank,
        world=place.processes.world,
    )
    if not len(batches):
        raise ValueError(f"{len(samples)} people are too few for {place.processes.world} processes")
    pinned = place.device.type == "cuda"
    return batches, loader(data, batches, workers=place.workers, pinned=pinned)


def _train_epoch(
    run: _Run, batches: EpochBatches, made: Iterable[Batch], watch: Watch | None
) -> Row:
    place, batches.epoch = run.place, run.epoch
    run.parallel.train()
    total = torch.zeros((), dtype=torch.float64, device=place.device)
    start = time.perf_counter()
    waited = 0.0
    asked = start
    shown = made if watch is None else watch(made, len(batches), run.epoch)
    step = run.epoch * len(batches)
    sizes = batches.batch_sizes()
    rate = run.recipe.learning_rate
    for number, batch in enumerate(shown):
        waited += time.perf_counter() - asked
        rate = run.recipe.at(epoch=run.epoch, step=step + number)
        # Gradients are averaged over processes; their parts of a batch may differ by one person.
        share = len(batch.crops) * place.processes.world / sizes[number]
        total += run.step(batch, rate, share) * len(batch.crops)
        asked = time.perf_counter()
    loss = float(summed(total, place.processes)) / sum(sizes)
    seconds = time.perf_counter() - start
    if loss != loss or loss == float("inf"):
        raise FloatingPointError(
            f"the loss of epoch {run.epoch} is {loss}: lower the learning rate, or limit gradients "
            "(max_gradient); the state of the epoch before is kept"
        )
    return {
        "epoch": run.epoch,
        "learning_rate": rate,
        "loss": loss,
        "images": sum(sizes),
        "seconds": round(seconds, 4),
        "seconds_data": round(waited, 4),
        "seconds_network": round(seconds - waited, 4),
    }


def _keep(run: _Run, folder: Path, rows: list[Row], validated: bool, due: bool) -> None:
    row = rows[-1]
    value = -row["loss"]
    if validated:
        numbers = {name: value for name, value in row.items() if "@" in name or name == "AP"}
        value = numbers[main_metric(numbers)] if numbers else float("-inf")
    if value > run.best and (validated or due):
        run.best = value
        save_weights(folder, "best", run.result.state_dict(), {**run.about(), "result": row})
    write_log(folder / "log.csv", rows)
    if due:
        save_state(folder / "last.pth", run.state())


def _move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Weights move a little towards the network's; counts and the like are copied."""
    now: Mapping[str, Tensor] = network.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(now[name], 1 - decay)
        else:
            value.copy_(now[name])


def _board(folder: Path) -> Any:
    """TensorBoard's writer, where it is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))


def _draw(board: Any, row: Row) -> None:
    if board is None:
        return
    for name, value in row.items():
        if name != "epoch" and isinstance(value, int | float):
            board.add_scalar(name, value, row["epoch"])
    board.flush()
