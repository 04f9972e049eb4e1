"""Where identities are doubtful: moments ranked by how likely an id is wrong, tabled and drawn.

`find_moments` needs trajectories only. What the tracker noted of its matches (`read_matches`) and
the colours people wear (`colours_over_time`) make it surer. Many moments come with an edit that
would mend them, see `posetrack.audit.edits`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posetrack._lazy import export_lazily

if TYPE_CHECKING:
    from posetrack.audit.clothing import ColourSeries as ColourSeries
    from posetrack.audit.clothing import colours_over_time as colours_over_time
    from posetrack.audit.matches import Matches as Matches
    from posetrack.audit.matches import MatchWriter as MatchWriter
    from posetrack.audit.matches import matches_path as matches_path
    from posetrack.audit.matches import read_matches as read_matches
    from posetrack.audit.moment_pictures import draw_moments as draw_moments
    from posetrack.audit.moments import Moment as Moment
    from posetrack.audit.moments import find_moments as find_moments
    from posetrack.audit.moments import write_moments as write_moments
    from posetrack.audit.review import review_table as review_table

# Every run writes matches; few draw moments.
__getattr__, __dir__, __all__ = export_lazily(
    __name__,
    {
        "clothing": ["ColourSeries", "colours_over_time"],
        "matches": ["MatchWriter", "Matches", "matches_path", "read_matches"],
        "moment_pictures": ["draw_moments"],
        "moments": ["Moment", "find_moments", "write_moments"],
        "review": ["review_table"],
    },
)
