"""The web app of ``posetrack app``: a video in, people and curves on the page, edits, files out.

`page` is the script that Streamlit runs for each session; networks run in a process of their own
(`worker`), which a rerun of the page does not touch.
"""
