"""Optical flow of points: where the keypoints of one image are in the next.

    from posetrack.flows.dis import DisFlow

    flow = DisFlow()
    before, after = flow.prepare(first), flow.prepare(second)  # once for each image
    xy, valid = flow.move(before, after, xy)                   # (P, 2) pixels of the full image

Each file wraps one method, and each has the same two calls (`posetrack.interfaces.FlowEstimator`):

==============  ==================  ==============================================================
`dis`           `DisFlow`           dense inverse search: the default
`farneback`     `FarnebackFlow`     polynomial expansion
`lucas_kanade`  `LucasKanadeFlow`   sparse; each point by itself, checked by following it back
`tvl1`          `TvL1Flow`          total variation; slow (OpenCV's contrib modules)
`raft`          `RaftFlow`          a network, for GPUs; needs weights
==============  ==================  ==============================================================

A point outside the image, NaN, or lost by a check comes back as NaN and not valid; one that the
flow takes out of the image comes back with its place, not valid. An object serves one tracker at a
time; any number of them may live side by side. Prepared images are tuples of arrays and can be
saved. The OpenCV methods give the same numbers in every run and with any number of threads.

Why DIS, and why so
-------------------
``benchmarks/flow.py`` moves poses that a network found in one frame of real video to another frame,
and compares them by OKS with those found there, a keypoint that was lost counting as nothing. Two
cores, 1088 x 1920, milliseconds a pair for preparing one image and moving all keypoints:

=====================================  ====  ========================
method                                 ms    mean OKS of three videos
=====================================  ====  ========================
no flow                                0     0.642
DIS, default                           4     0.827
DIS at half size, whole image          6     0.822
DIS at quarter size, whole image       2     0.814
DIS "medium" at full size              217   0.825
Farneback                              35    0.803
Lucas-Kanade, no check                 2     0.795
Lucas-Kanade, within 1 pixel           2     0.640
=====================================  ====  ========================

TV-L1 needs 2 s a pair and is no better (``--slow``). OpenCV's dense RLOF is not here: it needs 0.6
s a pair, is no better either, and reads beyond its buffers in noisy images, which ends the process.

* *Working size.* What small people need is pixels on them, so images are reduced to about 640 x 360
  whatever they come in, rather than by a fixed factor; time is then bounded too.
* *A window around the points* costs no accuracy and saves time where people do not fill the image.
* *No variational refinement*: with two steps a third slower, and 0.002 worse.
* *No round trip check.* What it keeps is more exact (0.83 of what is kept against 0.82 of all), but
  it drops a tenth of the keypoints and takes twice the time. It suits uses where a wrong point does
  more harm than a missing one.
* *Patches normalised.* Without, 0.005 better in constant light and 0.04 worse when the light
  changes by a tenth.
* *No smoothing at the keypoints.* Means and medians over a neighbourhood, or sampling nearer to the
  middle of a limb, changed less than 0.003.
"""
