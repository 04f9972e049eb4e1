"""Every number that pose estimation and tracking report, offline, as the official tools have it."""
