from __future__ import annotations

import shlex
from urllib.parse import unquote, urlsplit

import pytest

from seatrial.core.errors import NotExercised
from seatrial.core.stack import InstanceBlueprint


def configuration(instance: InstanceBlueprint) -> dict[str, list[str]]:
    """Directives with their words; of those given several times, the last."""
    lines = instance.files[0].content.splitlines()
    return {name: words for name, *words in map(shlex.split, lines)}


def test_one_server_keeps_what_it_was_told(expand):
    (blueprint,) = expand("redis").values()
    (instance,) = blueprint.instances
    directives = configuration(instance)
    assert directives["appendonly"] == ["yes"]
    assert directives["bind"] == ["127.0.0.1"]
    assert directives["dir"] == [str(instance.directory)]
    assert "replicaof" not in directives
    assert blueprint.exports["url"] == "redis://redis:20001/0"
    assert (blueprint.exports["sentinels"], blueprint.exports["master"]) == ("", "")


def test_without_persistence_nothing_is_written(expand):
    directives = configuration(expand("redis", persistence="none")["redis"].instances[0])
    assert directives["appendonly"] == ["no"]
    assert directives["save"] == [""]


def test_replicas_start_when_their_master_is_ready(expand):
    blueprint = expand("redis", replicas=2)["redis"]
    first, *others = blueprint.instances
    assert first.after_ready == ()
    assert [i.after_ready for i in others] == [("redis#1",), ("redis#1",)]
    assert [configuration(i)["replicaof"] for i in others] == [["127.0.0.1", "20001"]] * 2


def test_sentinels_are_a_service_that_starts_once_the_replicas_are_connected(expand, duration):
    made = expand("redis", replicas=2, sentinels=3, down_after=duration("500ms"), failover_timeout=duration("3s"))
    assert list(made) == ["redis", "redis-sentinel"]
    sentinels = made["redis-sentinel"]
    assert sentinels.after == ("redis",)
    assert [i.name for i in sentinels.instances] == [f"redis-sentinel#{n}" for n in (1, 2, 3)]
    assert all(i.argv[-1] == "--sentinel" for i in sentinels.instances)
    text = sentinels.instances[0].files[0].content
    assert "sentinel monitor mymaster 127.0.0.1 20001 2\n" in text
    assert "sentinel down-after-milliseconds mymaster 500\n" in text
    assert "sentinel failover-timeout mymaster 3000\n" in text
    exports = made["redis"].exports
    assert exports["master"] == "mymaster"
    assert exports["sentinels"] == "redis-sentinel:20004,redis-sentinel:20005,redis-sentinel:20006"


def test_a_quorum_may_be_one_that_is_never_reached(expand):
    sentinels = expand("redis", replicas=1, sentinels=3, quorum=4)["redis-sentinel"]
    assert "sentinel monitor mymaster 127.0.0.1 20001 4\n" in sentinels.instances[0].files[0].content


def test_a_password_is_known_to_all_who_need_it(expand):
    password = 'a "b" \\c/'
    made = expand("redis", replicas=1, sentinels=1, password=password)
    for instance in made["redis"].instances:
        directives = configuration(instance)
        assert directives["requirepass"] == directives["masterauth"] == [password]
    watcher = made["redis-sentinel"].instances[0].files[0].content.splitlines()
    assert shlex.split(watcher[-1]) == ["sentinel", "auth-pass", "mymaster", password]
    redis = made["redis"]
    assert redis.parameters == {"password": password}
    assert redis.secrets == [password]
    assert redis.exports["password"] == password
    assert unquote(urlsplit(redis.exports["url"]).password or "") == password


def test_a_master_may_want_replicas(expand):
    assert "min-replicas-to-write" not in configuration(expand("plain", "redis")["plain"].instances[0])
    directives = configuration(expand("redis", replicas=2, min_replicas=1)["redis"].instances[0])
    assert directives["min-replicas-to-write"] == ["1"]


def test_ready_is_a_master_or_a_replica_whose_link_is_up(expand):
    ready = expand("redis", replicas=1)["redis"].ready.expect
    assert ready.evaluate({"reply": {"role": "master"}}).truth is True
    assert ready.evaluate({"reply": {"role": "slave", "master_link_status": "up"}}).truth is True
    assert ready.evaluate({"reply": {"role": "slave", "master_link_status": "down"}}).truth is False


def test_steady_is_a_master_with_all_replicas_online(expand):
    steady = expand("redis", replicas=1)["redis"].steady[0].expect

    def judged(role, count, **slaves):
        states = {name: {"state": state} for name, state in slaves.items()}
        return steady.evaluate({"reply": {"role": role, "connected_slaves": count, **states}}).truth

    assert judged("master", 1, slave0="online") is True
    assert judged("master", 1, slave0="wait_bgsave") is False
    assert judged("master", 0) is False
    assert judged("slave", 0) is False


def test_a_sentinel_is_ready_when_it_knows_the_others(expand):
    sentinels = expand("redis", replicas=2, sentinels=3)["redis-sentinel"]
    seen = {"num-slaves": 2, "num-other-sentinels": 2, "flags": "master"}
    for check in (sentinels.ready, *sentinels.steady):
        assert check.expect.evaluate({"reply": seen}).truth is True
        assert check.expect.evaluate({"reply": {**seen, "num-other-sentinels": 1}}).truth is False
    down = {"reply": {**seen, "flags": "master,s_down"}}
    assert sentinels.ready.expect.evaluate(down).truth is True
    assert sentinels.steady[0].expect.evaluate(down).truth is False


def test_roles_are_what_a_server_says_of_itself(expand):
    roles = expand("redis", replicas=1)["redis"].roles
    assert roles["master"].expect.evaluate({"reply": ["master", 0, []]}).truth is True
    assert roles["replica"].expect.evaluate({"reply": ["slave", "127.0.0.1", 20001, "connected", 0]}).truth is True


def test_without_a_server_it_is_not_exercised(expand, no_programs):
    with pytest.raises(NotExercised, match="redis-server or valkey-server is not here"):
        expand("redis")
