"""Pictures and short videos from clients, over HTTP or as a cloud's function.

What clients send is taken within bounds (`posetrack.service.limits`), by one path for the server
(`posetrack.service.application`) and for functions (`posetrack.service.events`).
"""
