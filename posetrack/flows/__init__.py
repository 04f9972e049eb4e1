"""Optical flow of points."""
