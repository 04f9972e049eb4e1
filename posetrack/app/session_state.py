"""What a session of the page keeps from one run of its script to the next."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import streamlit as st


def kept(name: str, asked: Hashable, make: Callable[[], Any]) -> Any:
    """What was made of this before, or now: the page runs anew at every click."""
    state = st.session_state
    if f"{name} kept" not in state or state[f"{name} kept"][0] != asked:
        state[f"{name} kept"] = (asked, make())
    return state[f"{name} kept"][1]


def without_folders(text: str, *folders: Path) -> str:
    """A message without the folders that files of the page are in: they are nobody's concern.

    Examples
    --------
    >>> text = "/tmp/page/upload-1/a.mp4: no video"
    >>> without_folders(text.replace("/", os.sep), Path("/tmp/page/upload-1"))
    'a.mp4: no video'
    """
    for folder in folders:
        text = text.replace(f"{folder}{os.sep}", "")
    return text
