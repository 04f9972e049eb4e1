"""Training: epochs, steps, what is logged and kept, and going on where a run stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from posetrack.training.dataset import EpochBatches, loader
from posetrack.training.distributed import sum_over_processes
from posetrack.training.logs import OpenLogs, open_logs
from posetrack.training.recipe import PAPER, Recipe
from posetrack.training.run import Hardware, Run
from posetrack.training.saving import read_log, save_state, save_weights, write_log
from posetrack.training.tasks import Task
from posetrack.training.validation import main_metric

Row = dict[str, Any]
Validate = Callable[[nn.Module], dict[str, float]]
Watch = Callable[[Iterable[Any], int, int], Iterable[Any]]


def train(
    network: nn.Module,
    task: Task,
    out: str | Path,
    *,
    recipe: Recipe = PAPER,
    hardware: Hardware | None = None,
    validate: Validate | None = None,
    validate_every: int = 1,
    resume: str | Path | None = None,
    save_every: int = 1,
    keep_every: int = 0,
    watch: Watch | None = None,
    logs: OpenLogs = open_logs,
) -> list[Row]:
    """Train a network.

    Parameters
    ----------
    network
        Takes images (N, 3, H, W), gives what the task's loss is of; trained in place.
    task
        What it learns: `posetrack.training.CropTask` for heatmaps of people's crops.
    out
        Folder for ``log.csv``, ``last.pth`` (all that is needed to go on), ``best.safetensors``
        (or ``best.pth``, weights alone), and TensorBoard's file where that is installed.
    recipe
        How; the paper's when not given.
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
        Keep the state every this many epochs as ``epoch_0010.pth``; 0 for never.
    watch
        Given an epoch's batches, their number and the epoch, gives the batches on: a progress bar.
    logs
        Opens where each epoch's row is shown beside ``log.csv``, see `posetrack.training.logs`.

    Returns
    -------
    rows
        Of ``log.csv``: epoch, learning rate, loss, images, seconds in all, waiting for data and
        computing, and what ``validate`` says.

    Raises
    ------
    ValueError
        If network and task do not fit, or the state to go on from is of another run.
    FloatingPointError
        If the loss is no longer a number.
    """
    target = hardware or Hardware(torch.device("cpu"))
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(network, task, recipe, target)
    rows: list[Row] = []
    if resume is not None:
        run.restore(Path(resume))
        rows = read_log(folder / "log.csv", before=run.epoch)
    batches = _batches(run)
    shown = logs(folder, run.settings()) if target.processes.first else None
    while run.epoch < recipe.epochs:
        epoch = run.epoch
        row = _train_epoch(run, *batches, watch)
        last = epoch + 1 == recipe.epochs
        if validate is not None and (last or (epoch + 1) % validate_every == 0):
            # All processes wait for the first; they meet again in the next epoch's first step.
            row |= validate(run.result) if target.processes.first else {}
        run.epoch += 1
        rows.append(row)
        if target.processes.first:
            due = last or run.epoch % save_every == 0
            _keep(run, folder, rows, validate is not None, due)
            if keep_every and run.epoch % keep_every == 0:
                save_state(folder / f"epoch_{run.epoch:04}.pth", run.state())
        if shown is not None:
            shown.write(rows[-1])
    if shown is not None:
        shown.close()
    return rows


def _batches(run: Run) -> tuple[EpochBatches, Iterable[Any]]:
    recipe, target = run.recipe, run.hardware
    count = len(run.task)
    batches = EpochBatches(
        count,
        recipe.batch_size,
        seed=recipe.seed,
        rank=target.processes.rank,
        world=target.processes.world,
    )
    if not len(batches):
        raise ValueError(f"{count} examples are too few for {target.processes.world} processes")
    pinned = target.device.type == "cuda"
    return batches, loader(run.data, batches, workers=target.workers, pinned=pinned)


def _train_epoch(
    run: Run, batches: EpochBatches, batches_of_targets: Iterable[Any], watch: Watch | None
) -> Row:
    target, batches.epoch = run.hardware, run.epoch
    run.parallel.train()
    total = torch.zeros((), dtype=torch.float64, device=target.device)
    start = time.perf_counter()
    waited = 0.0
    asked = start
    shown = (
        batches_of_targets if watch is None else watch(batches_of_targets, len(batches), run.epoch)
    )
    step = run.epoch * len(batches)
    sizes = batches.batch_sizes()
    rate = run.recipe.learning_rate
    for number, batch in enumerate(shown):
        waited += time.perf_counter() - asked
        rate = run.recipe.at(epoch=run.epoch, step=step + number)
        # Gradients are averaged over processes; their parts of a batch may differ by one row.
        share = len(batch[0]) * target.processes.world / sizes[number]
        total += run.step(batch, rate, share) * len(batch[0])
        asked = time.perf_counter()
    loss = float(sum_over_processes(total, target.processes)) / sum(sizes)
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


def _keep(run: Run, folder: Path, rows: list[Row], validated: bool, due: bool) -> None:
    row = rows[-1]
    value = -row["loss"]
    if validated:
        numbers = {name: value for name, value in row.items() if "@" in name or name == "AP"}
        value = numbers[main_metric(numbers)] if numbers else float("-inf")
    if value > run.best and (validated or due):
        run.best = value
        save_weights(folder, "best", run.result.state_dict(), {**run.header(), "result": row})
    write_log(folder / "log.csv", rows)
    if due:
        save_state(folder / "last.pth", run.state())
