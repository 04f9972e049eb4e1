"""Training of pose networks on people's keypoints, after the paper's recipe."""
