"""A report of a run: one HTML file with pictures, clips and charts inside, for people who look.

Needs Altair and Jinja (``pip install "posetrack[report]"``). Each name is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posetrack._lazy import export_lazily

if TYPE_CHECKING:
    from posetrack.reports.html_page import write_report as write_report
    from posetrack.reports.result_files import Results as Results
    from posetrack.reports.result_files import find_results as find_results

__getattr__, __dir__, __all__ = export_lazily(
    __name__, {"html_page": ["write_report"], "result_files": ["Results", "find_results"]}
)
