"""Arithmetic on boxes, poses, heatmaps and crops as arrays: no memory, no files."""
