"""Corrections of identities by hand: a line of text each, applied to trajectories.

::

    # minute one
    swap 3 5 from 12.4s        # they are each other from there on
    swap 3 5 12.4s..14s        # only for a while
    merge 7 into 3             # 7 is 3
    split 4 at 8.2s as 9       # from there on 4 is someone else; without "as": the next free id
    delete 6 2s..f120          # frames are written f120; without a range: everywhere
    rename 2 to 10

A range is half-open: its end is the first that is left alone. Edits are applied in their order,
and an id means the person who has it after the edits before. The trajectories given are never
changed: the result is new, and its provenance lists the edits. To undo one, remove its line and
apply the rest to the original. `anchors_of` notes where the people are that the lines name, and
`follow` finds them again in the tracks of another run, whatever their ids are there.
"""

from posetrack.audit.edits.anchors import Anchor, anchors_of, follow, load_anchors, save_anchors
from posetrack.audit.edits.apply import apply_edits, edit_labels
from posetrack.audit.edits.edit_files import add_edit, apply_file, undo_edit
from posetrack.audit.edits.syntax import Delete, Edit, Merge, Rename, Span, Split, Swap, parse_edits

__all__ = [
    "Anchor",
    "Delete",
    "Edit",
    "Merge",
    "Rename",
    "Span",
    "Split",
    "Swap",
    "add_edit",
    "anchors_of",
    "apply_edits",
    "apply_file",
    "edit_labels",
    "follow",
    "load_anchors",
    "parse_edits",
    "save_anchors",
    "undo_edit",
]
