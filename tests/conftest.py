"""Fixtures that several test modules use."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference numbers and real data beside the checkout; tests that need them skip without."""
    if not (SHARED / "reference").is_dir():
        pytest.skip("reference data is not beside this checkout (../shared)")
    return SHARED
