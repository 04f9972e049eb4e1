"""Where identities are doubtful: moments ranked by how likely an id is wrong, tabled and drawn.

`find_moments` needs trajectories only. What the tracker noted of its matches (`read_matches`) and
the colours people wear (`colours_over_time`) make it surer. Many moments come with an edit that
would mend them, see `posetrack.audit.edits`.
"""

from posetrack.audit.clothing import ColourSeries, colours_over_time
from posetrack.audit.matches import Matches, MatchWriter, matches_path, read_matches
from posetrack.audit.moment_pictures import draw_moments
from posetrack.audit.moments import Moment, find_moments, write_moments
from posetrack.audit.review import review_table

__all__ = [
    "ColourSeries",
    "MatchWriter",
    "Matches",
    "Moment",
    "colours_over_time",
    "draw_moments",
    "find_moments",
    "matches_path",
    "read_matches",
    "review_table",
    "write_moments",
]
