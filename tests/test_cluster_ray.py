"""Ray: two nodes on this machine, on two of its loopback addresses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed: posetrack[cluster]")
if sys.platform != "linux":
    pytest.skip("only Linux has all of 127.0.0.0/8", allow_module_level=True)

from test_cluster import Counting

from posetrack.cluster.jobs import Job
from posetrack.cluster.ray_actors import RayWorker, connect, count_workers
from posetrack.cluster.scheduling import run_jobs

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray's own


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    folder = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", ":".join([*(p for p in sys.path if p), folder]))
    from ray.cluster_utils import Cluster

    settings: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100_000_000}
    # Ray takes 127.0.0.1 for this machine's name elsewhere.
    head = {**settings, "include_dashboard": False, "node_ip_address": "127.0.0.2"}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(**settings, node_ip_address="127.0.0.3")
        yield cluster.address
    finally:
        cluster.shutdown()


def test_actors_on_two_nodes_survive_a_kill_and_tell_of_each_failure(
    address: str, tmp_path: Path
) -> None:
    sources = ["a", "broken", "kill", "b", "poison", "c"]
    jobs = [Job(str(n), source) for n, source in enumerate(sources)]
    with connect(address) as ray:
        assert count_workers(ray, 1, 0) == 2
        make = Counting(str(tmp_path))
        workers = [RayWorker(ray, make, "cpu", 1) for _ in range(2)]
        results = run_jobs(jobs, workers, retries=1)
        for worker in workers:
            worker.close()
    assert [done.failure for done in results] == [
        "", "broken: cut off", "", "", "the process that tracked it died (2 times)", "",
    ]  # fmt: skip
    assert {done.people for done in results if not done.failure} == {1}


def test_no_cluster_is_said_in_a_line() -> None:
    no_cluster = connect("127.0.0.2:1")
    with pytest.raises(ConnectionError, match="no cluster of Ray answers there"), no_cluster:
        pass
