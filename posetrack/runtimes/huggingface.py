"""Networks of Hugging Face's hub through its own library, weights as safetensors only.

No code of a repository is run (``trust_remote_code`` is never set) and no pickle is read. Files lie
in the hub's own cache; ``HF_HUB_OFFLINE`` and ``HF_ENDPOINT`` hold as everywhere.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

from posetrack.checks import require_library
from posetrack.devices import pick_device, require_torch

if TYPE_CHECKING:
    import torch

PREFIX = "hf:"
"""The prefix of names of the hub, and of folders in its layout, on the command line."""


class HubName(NamedTuple):
    """A repository or folder, and which of its revisions; empty for the newest."""

    name: str
    revision: str


def hub_name(text: str) -> HubName:
    """What ``hf:NAME@REVISION`` names.

    Raises
    ------
    ValueError
        If nothing is named.

    Examples
    --------
    >>> hub_name("hf:usyd-community/vitpose-base-simple@main")
    HubName(name='usyd-community/vitpose-base-simple', revision='main')
    """
    name, _, revision = text.removeprefix(PREFIX).partition("@")
    if not name:
        raise ValueError(f"expected hf:NAME or hf:NAME@REVISION, got {text!r}")
    return HubName(name, revision)


class HubModel(NamedTuple):
    """A network and its processor, on a device."""

    network: Any
    processor: Any
    device: torch.device
    half: bool

    @property
    def revision(self) -> str:
        """The commit of the hub that was loaded; empty of a folder."""
        return str(getattr(self.network.config, "_commit_hash", None) or "")

    def run(self, **inputs: Any) -> Any:
        """The network's answer, without gradients, in half precision where that is wanted."""
        import torch

        from posetrack.runtimes.torch import precision

        with torch.inference_mode(), precision(self.device, self.half):
            return self.network(**inputs)


def open_hub_model(
    name: str,
    kind: str,
    *,
    device: str | torch.device = "auto",
    half: bool | None = None,
    offline: bool = False,
) -> HubModel:
    """A network of the hub, or of a folder in its form, ready to run.

    Parameters
    ----------
    name
        See `hub_name`; the prefix may be left away.
    kind
        The class of ``transformers`` that loads it.
    device, half
        See `posetrack.detectors.torchvision.TorchvisionDetector`.
    offline
        Never connect.

    Raises
    ------
    ModuleNotFoundError
        If ``transformers`` is not installed.
    ValueError
        If it are not available, has no safetensors weights, is another kind of network, or this
        ``transformers`` does not know it or lacks a library that it needs.
    """
    require_torch(name)
    with require_library(f"{name} needs transformers", "posetrack[hf]"):
        library = importlib.import_module("transformers")
    found = hub_name(name)
    options = {"revision": found.revision or "main", "local_files_only": offline}
    try:
        processor = library.AutoImageProcessor.from_pretrained(found.name, **options)
        network = getattr(library, kind).from_pretrained(
            found.name, use_safetensors=True, trust_remote_code=False, **options
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError) as error:
        short = " ".join(str(error).split())[:300]
        raise ValueError(f"{found.name}: transformers cannot load it as {kind}: {short}") from error
    where = pick_device(device)
    halved = where.type == "cuda" if half is None else half
    return HubModel(network.eval().to(where), processor, where, halved)
