"""What a network learns: which examples it sees, and how wrong it is about them.

`posetrack.training.train` knows epochs, steps, processes and files; a `Task` knows the rest. The
people's heatmaps of the paper are `CropTask`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn
from torch.utils.data import Dataset

from posetrack.ops.crops import IMAGENET_BGR_AS_TRAINED, Normalisation
from posetrack.training.augmentation import Augmentation
from posetrack.training.dataset import Batch, CropDataset
from posetrack.training.losses import joints_mse, joints_ohkm, side_mse
from posetrack.training.recipe import Recipe
from posetrack.training.samples import Samples
from posetrack.training.targets import keypoint_weights_by_name
from posetrack.training.validation import heatmap_size_of


class Task(Protocol):
    """Examples for a network and the loss of its answers; ``len`` counts the examples."""

    @property
    def normalisation(self) -> Normalisation:
        """How pixels become the network's input."""
        ...

    def __len__(self) -> int: ...

    def settings(self) -> dict[str, Any]:
        """Plain values that must be the same for a run to go on as if it had never stopped."""
        ...

    def header(self, recipe: Recipe) -> dict[str, Any]:
        """Plain values that go with the weights, see `posetrack.checkpoints.card`."""
        ...

    def dataset(self, network: nn.Module, recipe: Recipe) -> Dataset[Any]:
        """Examples by epoch and position.

        Its ``__getitems__`` takes a batch's keys (epoch, index) and gives a NamedTuple of tensors
        with one row a key. The first is the images, (N, H, W, 3) uint8 BGR. What is drawn at
        random depends on ``recipe.seed`` and the key alone, so that a run can go on exactly.

        Parameters
        ----------
        network
            What is trained, on its device, so that the size of its answers can be asked.
        recipe
            How.

        Raises
        ------
        ValueError
            If network and examples do not fit.
        """
        ...

    def loss(self, output: Any, batch: Any, recipe: Recipe) -> Tensor:
        """Loss of a network's output for a batch.

        Parameters
        ----------
        output
            What the network gives for the batch's images; in half precision under AMP.
        batch
            Of the dataset, on the network's device.
        recipe
            How.

        Returns
        -------
        loss
            () tensor, mean over the batch: gradients of processes are averaged.
        """
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class CropTask:
    """Heatmaps of the people in crops, as in the paper; a `Task`.

    Parameters
    ----------
    samples
        The people.
    input_size
        Width and height of the crops.
    augmentation
        The paper's when not given.
    normalisation
        Of the network's input; the paper's authors', BGR, when not given.
    options
        Settings of the network that leave no trace in its weights, such as HRNet's
        ``activations``; they go with the weights.
    """

    samples: Samples
    input_size: tuple[int, int] = (192, 256)
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    normalisation: Normalisation = IMAGENET_BGR_AS_TRAINED
    options: Mapping[str, bool] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.samples)

    def settings(self) -> dict[str, Any]:
        """Input size and keypoints."""
        names = list(self.samples.skeleton.keypoints)
        return {"input_size": list(self.input_size), "keypoints": names}

    def header(self, recipe: Recipe) -> dict[str, Any]:
        """Skeleton, input size, colours, and how its heatmaps become keypoints."""
        return {
            "decode": {"method": "quarter", "sigma": recipe.sigma},
            "skeleton": dataclasses.asdict(self.samples.skeleton),
            "input_size": self.input_size,
            "normalisation": dataclasses.asdict(self.normalisation),
            **({"told": dict(self.options)} if self.options else {}),
        }

    def dataset(self, network: nn.Module, recipe: Recipe) -> CropDataset:
        """Crops with the targets that the recipe wants.

        Raises
        ------
        ValueError
            If the network has not as many heatmaps as the people have keypoints.
        """
        skeleton = self.samples.skeleton
        keypoints = getattr(network, "keypoints", len(skeleton))
        if keypoints != len(skeleton):
            raise ValueError(
                f"the network has {keypoints} heatmaps, the people have {len(skeleton)} keypoints "
                f"({skeleton.name})"
            )
        names = skeleton.keypoints
        return CropDataset(
            self.samples,
            input_size=self.input_size,
            heatmap_size=heatmap_size_of(network, self.input_size),
            augmentation=self.augmentation,
            sigma=recipe.sigma,
            unbiased=recipe.unbiased,
            keypoint_weights=keypoint_weights_by_name(names) if recipe.by_keypoint else None,
            seed=recipe.seed,
        )

    def loss(self, output: Tensor, batch: Batch, recipe: Recipe) -> Tensor:
        """Squared error of the heatmaps, with hardest keypoints and sides as the recipe says."""
        maps = (output, batch.targets, batch.weights)
        if recipe.hardest is None:
            loss = joints_mse(*maps)
        else:
            loss = joints_ohkm(*maps, hardest=recipe.hardest)
        pairs = [
            (one, int(other))
            for one, other in enumerate(self.samples.skeleton.mirror_order)
            if one < other
        ]
        if recipe.side_weight == 0 or not pairs:
            return loss
        return loss + recipe.side_weight * side_mse(*maps, pairs=pairs)
