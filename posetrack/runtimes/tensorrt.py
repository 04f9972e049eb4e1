"""TensorRT engines, machine code for one GPU. Not tested: no test machine has TensorRT."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posetrack.checks import require_library
from posetrack.devices import pick_device
from posetrack.runtimes.session import Batch, Session, read_card_of


def open_file(
    path: Path, *, device: str | torch.device = "auto", threads: int | None = None
) -> Session:
    """Open an engine, which runs on torch's CUDA memory.

    Parameters
    ----------
    path, device
        See `posetrack.runtimes.session.open_exported`.
    threads
        Not needed here.
    """
    del threads
    target = pick_device(device)
    with require_library(f"running {path} needs NVIDIA's TensorRT and a GPU", "tensorrt"):
        trt: Any = importlib.import_module("tensorrt")
    if target.type != "cuda":
        raise ValueError(f"{path}: a TensorRT engine runs on a GPU, not on {target}")
    engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        raise ValueError(f"{path}: made by another version of TensorRT or for another GPU")
    context = engine.create_execution_context()
    names = [engine.get_tensor_name(row) for row in range(engine.num_io_tensors)]
    outputs = [name for name in names if name != "images"]

    def run(images: Batch) -> list[NDArray[Any]]:
        given = torch.from_numpy(np.ascontiguousarray(images)).to(target)
        context.set_input_shape("images", tuple(given.shape))
        context.set_tensor_address("images", given.data_ptr())
        answers = [torch.empty(tuple(context.get_tensor_shape(name)), device=target)
                   for name in outputs]  # fmt: skip
        for name, answer in zip(outputs, answers, strict=True):
            context.set_tensor_address(name, answer.data_ptr())
        stream = torch.cuda.current_stream(target)
        if not context.execute_async_v3(stream.cuda_stream):
            raise RuntimeError("TensorRT failed")
        stream.synchronize()
        return [answer.cpu().numpy() for answer in answers]

    return Session(path, run, "TensorRT", read_card_of(None, path))
