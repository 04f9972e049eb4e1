"""Exported networks opened to be run, whatever their form.

An ONNX or OpenVINO file is data: their libraries run the operators they know and no code from the
file. A TorchScript file is a program of PyTorch's own operators; it cannot run Python, but some
operators read and write files, so open only those of people you trust. A torch.export file is
checked before PyTorch reads it (`posetrack.estimators.pt2_check`). A TensorRT engine is machine
code for a GPU: open only what you made.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from posetrack.estimators.devices import device_named
from posetrack.estimators.pt2_check import require_plain_program
from posetrack.estimators.runtimes import as_maps, openvino_settings
from posetrack.networks.about import About, parse_about, read_about
from posetrack.onnx_session import OnnxNetwork, open_network

_LARGEST_ABOUT = 2**20

Batch: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class OpenNetwork:
    """An exported network; call it with a batch (N, 3, H, W) float32.

    Parameters
    ----------
    path
        Where it came from.
    about
        What the file says of itself; empty if nothing.
    run
        Gives the outputs in order.
    batch
        The batch size it is fixed to; None for any.
    input_size
        (width, height) it is fixed to; None for any.
    """

    path: Path
    about: About
    run: Callable[[Batch], list[NDArray[Any]]]
    batch: int | None = None
    input_size: tuple[int, int] | None = None

    def size_for(self, wanted: tuple[int, int] | None) -> tuple[int, int]:
        """The (width, height) to feed: the wanted one, else the file's.

        Raises
        ------
        ValueError
            If the file was made for another size, or neither is known.
        """
        fixed = self.input_size or self.about.input_size
        if fixed is None and wanted is None:
            raise ValueError(f"{self}: it does not say its input size: input_size=(width, height)")
        if fixed is not None and wanted not in (None, fixed):
            raise ValueError(
                f"{self}: it was exported for {fixed} (width, height), input_size={wanted} "
                "cannot be had; export it anew"
            )
        size = wanted or fixed
        assert size is not None  # refused above
        return size

    def __call__(self, images: Batch) -> list[NDArray[Any]]:
        """Outputs, in order, for a batch (N, 3, H, W).

        Raises
        ------
        RuntimeError
            If its library fails; the message names the file.
        """
        try:
            return self.run(images)
        except Exception as error:  # each library has errors of its own
            raise RuntimeError(f"{self}: failed on images {images.shape}: {error}") from error

    def __str__(self) -> str:
        return str(self.path)


def is_exported(path: str | Path) -> bool:
    """Whether a file is an exported network, by its name; a ``.pt`` by what is in it.

    Examples
    --------
    >>> is_exported("net.onnx"), is_exported("net.safetensors")
    (True, False)
    """
    path = Path(path)
    if path.suffix in (".onnx", ".pt2", ".xml", ".engine"):
        return True
    return path.suffix in (".pt", ".pth", ".ts", ".torchscript") and _is_torchscript(path)


def open_exported(
    path: str | Path, *, device: str | torch.device = "auto", threads: int | None = None
) -> OpenNetwork:
    """Open an exported network.

    Parameters
    ----------
    path
        ``.onnx``, ``.xml`` (OpenVINO, its ``.bin`` beside it), ``.pt2`` (torch.export),
        ``.engine`` (TensorRT), or TorchScript under any other name.
    device
        "auto" (CUDA where there is one and the form's library has it), "cpu", "cuda", "cuda:1".
    threads
        For one run on the CPU, with ONNX and OpenVINO; as many as torch uses when None.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, not what its name says, or what it says of itself makes no sense.
    ModuleNotFoundError
        If the form's library is not installed.

    Examples
    --------
    >>> open_exported("nowhere.pt2")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere.pt2: there is no such file
    """
    path = Path(path)
    if path.suffix == ".onnx":
        return of_onnx(open_network(path, threads=threads, providers=onnx_providers(device)))
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    if path.suffix == ".xml":
        return _open_openvino(path, threads)
    if path.suffix == ".engine":
        return _open_tensorrt(path, device_named(device))
    open_program = _open_torch_export if path.suffix == ".pt2" else _open_torchscript
    return open_program(path, device_named(device))


def of_onnx(network: OnnxNetwork) -> OpenNetwork:
    """An open ONNX file with what it says of itself."""
    kept = network.session.get_modelmeta().custom_metadata_map or {}
    about = _about(kept.get("posetrack"), network.path)
    return OpenNetwork(network.path, about, network, network.batch, network.input_size)


def onnx_providers(device: str | torch.device) -> list[Any] | None:
    """What ONNX Runtime runs on; None lets it take CUDA where there is one.

    Examples
    --------
    >>> onnx_providers("cpu")
    ['CPUExecutionProvider']
    """
    if str(device) == "auto":
        return None
    wanted = torch.device(device)
    number = {"device_id": wanted.index or 0}
    on_gpu = [("CUDAExecutionProvider", number)] if wanted.type == "cuda" else []
    return [*on_gpu, "CPUExecutionProvider"]


def _open_openvino(path: Path, threads: int | None) -> OpenNetwork:
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'running {path} needs OpenVINO: pip install "posetrack[openvino]"'
        ) from error
    core = openvino.Core()
    try:
        model = core.read_model(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path}: OpenVINO cannot read it: {_short(error)}") from error
    place = ["posetrack"]
    text = model.get_rt_info(place).astype(str) if model.has_rt_info(place) else None
    about = _about(text, path)
    request = core.compile_model(model, "CPU", openvino_settings(threads)).create_infer_request()

    def run(images: Batch) -> list[NDArray[Any]]:
        answer = request.infer({0: np.ascontiguousarray(images)}, share_inputs=True)
        return [np.array(answer[row]) for row in range(len(answer))]

    return OpenNetwork(path, about, run)


def _open_torchscript(path: Path, device: torch.device) -> OpenNetwork:
    _require_stored(path)
    extra = {"posetrack.json": ""}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a newer way to the same
            program = torch.jit.load(str(path), map_location=device, _extra_files=extra)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: not a TorchScript program: {_short(error)}") from error
    text = extra["posetrack.json"]
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return OpenNetwork(path, _about(text or None, path), _runner(program.eval(), device))


def _open_torch_export(path: Path, device: torch.device) -> OpenNetwork:
    require_plain_program(path)
    extra = {"posetrack.json": ""}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(io.BytesIO(path.read_bytes()), extra_files=extra)
    except Exception as error:  # its reader has no errors of its own
        raise ValueError(f"{path}: not a torch.export file: {_short(error)}") from error
    module: Any = program.module()
    if device.type != "cpu":
        from torch.export.passes import move_to_device_pass

        module = move_to_device_pass(program, str(device)).module()
    return OpenNetwork(path, _about(extra["posetrack.json"] or None, path), _runner(module, device))


def _runner(program: Any, device: torch.device) -> Callable[[Batch], list[NDArray[Any]]]:
    def run(images: Batch) -> list[NDArray[Any]]:
        with torch.no_grad():
            output = program(torch.from_numpy(np.ascontiguousarray(images)).to(device))
        return [part.float().cpu().numpy() for part in as_maps(output)]

    return run


def _open_tensorrt(path: Path, device: torch.device) -> OpenNetwork:
    """Run an engine on torch's CUDA memory. Not tested: no test machine has TensorRT."""
    try:
        import tensorrt as trt
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"running {path} needs NVIDIA's TensorRT and a GPU: pip install tensorrt"
        ) from error
    if device.type != "cuda":
        raise ValueError(f"{path}: a TensorRT engine runs on a GPU, not on {device}")
    engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        raise ValueError(f"{path}: made by another version of TensorRT or for another GPU")
    context = engine.create_execution_context()
    names = [engine.get_tensor_name(row) for row in range(engine.num_io_tensors)]
    outputs = [name for name in names if name != "images"]

    def run(images: Batch) -> list[NDArray[Any]]:
        given = torch.from_numpy(np.ascontiguousarray(images)).to(device)
        context.set_input_shape("images", tuple(given.shape))
        context.set_tensor_address("images", given.data_ptr())
        answers = [torch.empty(tuple(context.get_tensor_shape(name)), device=device)
                   for name in outputs]  # fmt: skip
        for name, answer in zip(outputs, answers, strict=True):
            context.set_tensor_address(name, answer.data_ptr())
        stream = torch.cuda.current_stream(device)
        if not context.execute_async_v3(stream.cuda_stream):
            raise RuntimeError("TensorRT failed")
        stream.synchronize()
        return [answer.cpu().numpy() for answer in answers]

    return OpenNetwork(path, read_about(path) or About(), run)


def _about(text: str | None, path: Path) -> About:
    """What is kept in a file, else what is kept beside it."""
    if text is None:
        return read_about(path) or About()
    if len(text) > _LARGEST_ABOUT:
        raise ValueError(f"{path}: what it says of itself has {len(text):,} characters")
    return parse_about(text, str(path))


def _is_torchscript(path: Path) -> bool:
    """TorchScript is a zip with ``constants.pkl``, which files of weights have not."""
    try:
        with zipfile.ZipFile(path) as file:
            return any(name.endswith("/constants.pkl") for name in file.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _require_stored(path: Path) -> None:
    """A file that unpacks to much more than it has bytes is none of PyTorch's."""
    try:
        with zipfile.ZipFile(path) as file:
            whole = sum(info.file_size for info in file.infolist())
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: not a TorchScript program, or cut short: {error}") from error
    if whole > 4 * path.stat().st_size + 64 * 2**20:
        raise ValueError(f"{path}: it would unpack to {whole:,} bytes; a damaged file?")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
