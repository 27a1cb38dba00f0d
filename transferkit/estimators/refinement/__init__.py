"""A closer look at keypoints."""
