"""How the documentation is built: ``python -m sphinx -W -n -b html docs build/docs``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import posetrack

project = "posetrack"
author = "the posetrack developers"
copyright = author  # noqa: A001
version = release = posetrack.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_nb",
]
exclude_patterns = ["_build"]
root_doc = "index"

# Pages are Markdown; the ones that begin with a kernel are notebooks, run when this is built.
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_excludepatterns = ["notebooks/mpii_hrnet.ipynb"]  # needs 12 GB of images and a GPU
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

default_role = "py:obj"
autodoc_typehints = "none"
autodoc_member_order = "groupwise"
autodoc_default_options = {"members": True}
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_title = "posetrack"
html_static_path: list[str] = []
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_show_sourcelink = False


def find_object(name: str) -> bool:
    """Whether a name with dots, such as ``posetrack.cleaning.clean``, is there."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            fields = getattr(found, "__dataclass_fields__", {})
            if not hasattr(found, part) and part not in fields:
                return False
            found = getattr(found, part, None)
        return True
    return False


def keep_text(app: Any, env: Any, node: Any, text: Any) -> Any:
    """A name without a page of its own stays as it is, if there is such a thing.

    A name of the package that is not there is left to Sphinx, which warns.
    """
    del app, env
    target = str(node.get("reftarget", ""))
    if node.get("refdomain") != "py":
        return None
    return text if not target.startswith("posetrack.") or find_object(target) else None


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("missing-reference", keep_text)
