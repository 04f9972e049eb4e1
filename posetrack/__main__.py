"""``python -m posetrack`` is the command line."""

import sys

from posetrack.cli import main

if __name__ == "__main__":
    sys.exit(main())
