from __future__ import annotations

import pytest

from seatrial.core.errors import UsageError


def test_one_node(expand):
    (blueprint,) = expand("etcd").values()
    (instance,) = blueprint.instances
    assert "--unsafe-no-fsync" in instance.argv
    assert blueprint.exports["endpoints"] == "http://etcd:20001"
    assert blueprint.exports["hosts"] == "etcd:20001"
    ready = blueprint.ready
    assert ready.expect.evaluate({"json": {"health": "true", "reason": ""}}).truth is True
    assert ready.expect.evaluate({"json": {"health": "false", "reason": "no leader"}}).truth is False


def test_a_cluster_whose_members_know_each_other(expand):
    blueprint = expand("etcd", nodes=3)["etcd"]
    members = {i.argv[i.argv.index("--initial-cluster") + 1] for i in blueprint.instances}
    assert members == {"etcd1=http://127.0.0.1:20002,etcd2=http://127.0.0.1:20004,etcd3=http://127.0.0.1:20006"}
    assert len({i.argv[i.argv.index("--data-dir") + 1] for i in blueprint.instances}) == 3
    assert blueprint.exports["endpoints"] == "http://etcd:20001,http://etcd:20003,http://etcd:20005"


@pytest.mark.parametrize("nodes", [2, 4])
def test_an_even_number_of_nodes_is_refused(expand, nodes):
    with pytest.raises(UsageError, match=f"{nodes} nodes of etcd bear no more failures than {nodes - 1}"):
        expand("etcd", nodes=nodes)
