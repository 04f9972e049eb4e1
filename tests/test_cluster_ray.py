"""Ray: two nodes on this machine, on two of its loopback addresses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray.cluster_utils", reason="Ray is not installed: posetrack[cluster]")
if sys.platform != "linux":
    pytest.skip("only Linux has all of 127.0.0.0/8", allow_module_level=True)

# In a process of its own: Ray changes signals and variables of the one that it is in.
PROGRAM = """
import json, sys
from ray.cluster_utils import Cluster
from test_cluster import Counting
from posetrack.cluster.jobs import Job
from posetrack.cluster.ray_actors import RayWorker, connect, count_workers
from posetrack.cluster.scheduling import run_jobs

settings = {"num_cpus": 1, "object_store_memory": 100_000_000}
# Ray takes 127.0.0.1 for this machine's name elsewhere.
head = {**settings, "include_dashboard": False, "node_ip_address": "127.0.0.2"}
cluster = Cluster(initialize_head=True, head_node_args=head)
try:
    cluster.add_node(**settings, node_ip_address="127.0.0.3")
    sources = ["a", "broken", "kill", "b", "poison", "c"]
    jobs = [Job(str(n), source) for n, source in enumerate(sources)]
    with connect(cluster.address) as ray:
        count = count_workers(ray, 1, 0)
        workers = [RayWorker(ray, Counting(sys.argv[1]), "cpu", 1) for _ in range(count)]
        results = run_jobs(jobs, workers, retries=1)
        for worker in workers:
            worker.close()
finally:
    cluster.shutdown()
cores = sorted({done.people for done in results if not done.failure})
print(json.dumps([count, cores, [done.failure for done in results]]))
"""


def test_actors_on_two_nodes_survive_a_kill_and_tell_of_each_failure(tmp_path: Path) -> None:
    folders = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
    environment = os.environ | {
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")]),
    }
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) == [
        2,
        [1],
        ["", "broken: cut off", "", "", "the process that tracked it died (2 times)", ""],
    ]


def test_no_cluster_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from posetrack.cluster.ray_actors import connect

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    no_cluster = connect("127.0.0.2:1")
    with pytest.raises(ConnectionError, match="no cluster of Ray answers there"), no_cluster:
        pass
