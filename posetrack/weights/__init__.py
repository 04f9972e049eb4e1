"""The weights of the models in the table, as verified files on this machine.

    path = fetch("pose_resnet50_coco_256x192")  # downloaded once, then found in the cache folder

Nothing here opens what is in a file: see `posetrack.networks`.
"""

from posetrack.files import cache_folder
from posetrack.weights.cache import find_cached, verify, weights_folder
from posetrack.weights.catalogue import MODELS, CatalogueEntry
from posetrack.weights.fetching import fetch, is_offline

__all__ = [
    "MODELS",
    "CatalogueEntry",
    "cache_folder",
    "fetch",
    "find_cached",
    "is_offline",
    "verify",
    "weights_folder",
]
