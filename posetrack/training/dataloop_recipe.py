"""Skeletons of Dataloop's annotations: from a recipe's templates, or from the points' labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from posetrack.skeletons import KNOWN_SKELETONS, Skeleton
from posetrack.training.annotations import plain_name, skeleton_of_names


def is_recipe(document: Any) -> bool:
    """Whether a JSON document is a recipe with templates of poses.

    Examples
    --------
    >>> is_recipe({"metadata": {"system": {"collectionTemplates": []}}}), is_recipe([])
    (True, False)
    """
    return _templates(document) is not None


def skeleton_for(labels: tuple[str, ...], recipes: Sequence[Any], path: Path) -> Skeleton:
    """The skeleton that points of these labels belong to.

    Parameters
    ----------
    labels
        All names of points, in order of first appearance.
    recipes
        Recipes; the first template that has all labels counts.
    path
        For messages.

    Returns
    -------
    skeleton
        That of the template, else one that we know with just these names, else these names.

    Raises
    ------
    ValueError
        If a template's names or edges are no skeleton.

    Examples
    --------
    >>> arm = {"name": "arm", "order": ["Elbow", "Wrist"], "arcs": [["Elbow", "Wrist"]]}
    >>> recipe = {"metadata": {"system": {"collectionTemplates": [arm]}}}
    >>> skeleton_for(("wrist",), [recipe], Path("folder")).edges
    (('elbow', 'wrist'),)
    >>> skeleton_for(("wrist", "elbow"), [], Path("folder")).keypoints
    ('wrist', 'elbow')
    """
    for recipe in recipes:
        for template in _templates(recipe) or []:
            order = _words(template.get("order") if isinstance(template, dict) else None)
            if set(labels) <= set(order):
                arcs = [_words(arc) for arc in template.get("arcs") or []]
                edges = tuple(dict.fromkeys((arc[0], arc[1]) for arc in arcs if len(arc) == 2))
                try:
                    return skeleton_of_names(order, edges)
                except ValueError as error:
                    raise ValueError(f"{path}: template {template.get('name')}: {error}") from error
    for known in KNOWN_SKELETONS.values():
        if set(known.keypoints) == set(labels):
            return known
    return skeleton_of_names(labels)


def _templates(document: Any) -> list[Any] | None:
    node = document
    for key in ("metadata", "system", "collectionTemplates"):
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, list) else None


def _words(values: Any) -> tuple[str, ...]:
    rows = values if isinstance(values, list) else []
    return tuple(plain_name(word.rsplit(".", 1)[-1]) for word in rows if isinstance(word, str))
