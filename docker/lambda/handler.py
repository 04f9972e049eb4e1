"""The function: networks are loaded once, when AWS Lambda starts it, then it answers events."""

from posetrack.service.events import make_handler, open_finder
from posetrack.service.limits import Limits

# A body may have 6 MB there, and so may an answer; what is fetched may be larger.
handle = make_handler(open_finder("bundled", Limits(body_seconds=8, video_seconds=25)))
