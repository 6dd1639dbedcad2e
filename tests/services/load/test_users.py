"""Users of several kinds: who comes, what they do by weight, what they know of each other, and what their mistakes count as."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from load_support import MS, run, serving
from users_support import Shop, users

from seatrial.arrivals import samples

BOTH = pytest.mark.parametrize("model", ["users: 8", "rate: 200/s"])
THREE = """
at: web
{model}
kinds:
  normal:
    weight: 8
    tags: [browse]
    tasks:
      look: {{weight: 3, steps: [{{http: GET /normal/look, tag: item}}]}}
      buy: {{weight: 1, tags: [write], steps: [{{http: POST /normal/buy, json: {{item: ring}}}}]}}
  admin: {{weight: 1, tags: [write], steps: [{{http: GET /admin}}]}}
  heavy: {{weight: 1, tags: [browse], tasks: {{report: {{steps: [{{http: GET /heavy/a}}, {{http: GET /heavy/b}}]}}}}}}
"""


def within(count: int, of: int, share: float) -> bool:
    """Whether a count is what that share gives: not off by more than five standard deviations."""
    return bool(abs(count - of * share) <= 5 * (of * share * (1 - share)) ** 0.5)


async def test_arrivals_are_of_the_kinds_and_tasks_that_the_weights_say(tmp_path: Path) -> None:
    shop = Shop()
    async with serving(shop) as url:
        found = await run(await users(tmp_path, url, THREE.format(model="rate: 2000/s\nfor: 1s")))
    assert found.failed == 0
    asked = shop.counted()
    arrivals = 2000
    assert sum(asked.values()) == found.ok == arrivals + asked["/heavy/b"]
    assert 0 <= asked["/heavy/a"] - asked["/heavy/b"] <= 16  # those that the end cut
    assert within(asked["/admin"], arrivals, 0.1)
    assert within(asked["/heavy/a"], arrivals, 0.1)
    normal = asked["/normal/look"] + asked["/normal/buy"]
    assert within(normal, arrivals, 0.8)
    assert within(asked["/normal/buy"], normal, 0.25)


async def test_users_are_of_the_kinds_that_the_weights_say_exactly(tmp_path: Path) -> None:
    shop = Shop()
    load = """
at: web
users: 20
for: 500ms
think: 10ms
kinds:
  normal: {weight: 8, begin: [{http: "GET /begin/normal"}], steps: [{http: GET /normal}]}
  admin: {weight: 1, begin: [{http: "GET /begin/admin"}], steps: [{http: GET /admin}]}
  heavy: {weight: 1, begin: [{http: "GET /begin/heavy"}], steps: [{http: GET /heavy}]}
"""
    async with serving(shop) as url:
        found = await run(await users(tmp_path, url, load))
    assert found.failed == 0
    asked = shop.counted()
    assert (asked["/begin/normal"], asked["/begin/admin"], asked["/begin/heavy"]) == (16, 2, 2)
    assert asked["/normal"] > 5 * asked["/admin"] > 0


@pytest.mark.parametrize(("tags", "paths"), [
    ("only: [write]", {"/normal/buy", "/admin"}),
    ("only: browse", {"/normal/look", "/normal/buy", "/heavy/a", "/heavy/b"}),
    ("skip: [write]", {"/normal/look", "/heavy/a", "/heavy/b"}),
    ("{only: [browse], skip: [write]}", {"/normal/look", "/heavy/a", "/heavy/b"}),
])  # fmt: skip
async def test_tags_select(tmp_path: Path, tags: str, paths: set[str]) -> None:
    shop = Shop()
    load = f"{THREE.format(model='rate: 400/s')}\n" + "\n".join(tags.strip("{}").split(", "))
    async with serving(shop) as url:
        found = await run(await users(tmp_path, url, load))
    assert found.failed == 0
    assert set(shop.counted()) == paths


SHOPPING = """
at: web
{model}
begin: [{{http: POST /login, json: {{user: "u{{{{ user }}}}"}}, save: {{token: json.token}}}}]
steps:
  - {{http: GET /items/3, headers: {{Authorization: "Bearer {{{{ token }}}}"}}, expect: json.price == price, save: {{cost: json.price}}}}
  - {{http: POST "/cart?by={{{{ token }}}}", json: {{cost: "{{{{ cost }}}}", note: "costs {{{{ cost }}}}", who: ["{{{{ user }}}}"]}}}}
"""


@BOTH
@pytest.mark.parametrize("close", [False, True])
async def test_what_a_login_gave_is_used_by_that_user_alone(tmp_path: Path, model: str, close: bool) -> None:
    shop = Shop(close=close)
    async with serving(shop) as url:
        found = await run(
            await users(tmp_path, url, SHOPPING.format(model=model).replace('POST "', '"POST '), values={"price": 7})
        )
    assert found.failed == 0
    assert found.said["script_errors"] == []
    logins = [a.json["user"] for a in shop.asked if a.path == "/login"]
    assert len(set(logins)) == len(logins)
    if model == "users: 8":
        assert sorted(logins) == [f"u{n}" for n in range(1, 9)]
    tokens = {f"t-{u}" for u in logins}
    carts = [a for a in shop.asked if a.path.startswith("/cart")]
    assert len(carts) > 20
    for asked in carts:
        user = asked.path.partition("=t-")[2]
        assert f"t-{user}" in tokens
        assert asked.json == {"cost": 7, "note": "costs 7", "who": [int(user[1:])]}
        assert asked.headers["cookie"] == f"session={user}"
    for asked in shop.asked:
        if asked.path == "/items/3":
            assert asked.headers["authorization"].removeprefix("Bearer t-") == asked.headers["cookie"].removeprefix(
                "session="
            )


async def test_workers_share_the_numbers_and_the_rows(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("id\n1\n2\n3\n4\n")
    load = "{at: web, users: 6, think: 100ms, for: 2s, data: {items: items.csv}, steps: [{http: 'GET /{{ user }}/{{ items.id }}'}]}"
    seen: list[set[str]] = []
    for share in range(2):
        shop = Shop()
        async with serving(shop) as url:
            await run(await users(tmp_path, url, load, share=(share, 2), users=3))
        seen.append(set(shop.counted()))
    assert {p.split("/")[1] for p in seen[0]} == {"1", "3", "5"}
    assert {p.split("/")[1] for p in seen[1]} == {"2", "4", "6"}
    assert {p.split("/")[2] for p in seen[0]} == {"1", "3"}
    assert {p.split("/")[2] for p in seen[1]} == {"2", "4"}


@BOTH
async def test_rows_are_taken_in_turn_for_each_task_or_once_by_each_user(tmp_path: Path, model: str) -> None:
    (tmp_path / "items.jsonl").write_text('{"id": 1, "size": {"mm": 17}}\n{"id": 2, "size": {"mm": 18}}\n')
    (tmp_path / "accounts.csv").write_text("name,city\nann,Bern & Thun\nbob,Köln\n")
    load = f"""
at: web
{model}
data: {{items: items.jsonl, account: {{file: accounts.csv, each: user}}}}
begin: [{{http: POST /login, json: {{user: "{{{{ account.name }}}}", n: "{{{{ user }}}}"}}}}]
steps:
  - http: "GET /items/{{{{ items.id }}}}"
    query: {{mm: "{{{{ items.size.mm }}}}", city: "{{{{ account.city }}}}", by: "{{{{ user }}}}"}}
"""
    shop = Shop()
    async with serving(shop) as url:
        found = await run(await users(tmp_path, url, load))
    assert found.failed == 0
    who = {a.json["n"]: a.json["user"] for a in shop.asked if a.path == "/login"}
    items = [a.path for a in shop.asked if a.path.startswith("/items")]
    assert abs(Counter(p[:8] for p in items)["/items/1"] * 2 - len(items)) <= 2 * len(who)
    for path in items:
        number, city = int(path.partition("by=")[2]), {"ann": "Bern+%26+Thun", "bob": "K%C3%B6ln"}
        mm = {"1": "17", "2": "18"}[path[7]]
        assert path == f"/items/{path[7]}?mm={mm}&city={city[who[number]]}&by={number}"


@BOTH
async def test_cookies_have_a_path_and_an_end(tmp_path: Path, model: str) -> None:
    shop = Shop(answers={
        "/a/set": (200, {}, "Set-Cookie: here=1\r\nSet-Cookie: all=2; Path=/; Max-Age=600\r\nSet-Cookie: gone=3; Max-Age=0\r\n"),
        "/a/drop": (200, {}, "Set-Cookie: all=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n"),
    })  # fmt: skip
    steps = (
        "[{http: GET /a/set}, {http: GET /a/b}, {http: GET /b}, {http: GET /a/drop}, {http: GET /a/c}, {http: GET /c}]"
    )
    async with serving(shop) as url:
        found = await run(await users(tmp_path, url, f"{{at: web, {model}, steps: {steps}}}"))
    assert found.failed == 0
    sent = {path: {a.headers.get("cookie") for a in shop.asked if a.path == path} for path in shop.counted()}
    assert sent["/a/b"] == {"here=1; all=2"}
    assert sent["/b"] == {"all=2"}
    assert sent["/a/c"] == {"here=1"}
    assert sent["/c"] == {None}


async def test_without_cookies_none_are_sent(tmp_path: Path) -> None:
    shop = Shop()
    load = "{at: web, users: 2, cookies: false, begin: [{http: POST /login, json: {user: a}}], steps: [{http: GET /}]}"
    async with serving(shop) as url:
        await run(await users(tmp_path, url, load))
    assert len(shop.asked) > 10
    assert not any("cookie" in a.headers for a in shop.asked)


@BOTH
async def test_an_answer_that_is_not_as_expected_ends_the_task(tmp_path: Path, model: str) -> None:
    shop = Shop()
    steps = "[{http: GET /a}, {http: GET /b, expect: json.price > 8}, {http: GET /c}]"
    load = f"{{at: web, {model}, tasks: {{look: {{steps: {steps}}}}}}}"
    async with serving(shop) as url:
        found = await run(await users(tmp_path, url, load))
    asked = shop.counted()
    assert found.errors == {"unexpected": asked["/b"]}
    assert found.ok == asked["/a"]
    assert asked["/c"] == 0
    ((said, times),) = found.said["script_errors"]
    assert said.startswith("people, users, look: GET /b: expected json.price > 8: ")
    assert times == asked["/b"]
    assert found.live[-1]["script_errors"]


@BOTH
async def test_what_cannot_be_saved_is_not_as_expected(tmp_path: Path, model: str) -> None:
    shop = Shop()
    load = f"{{at: web, {model}, steps: [{{http: GET /a, save: {{x: json.nothing}}}}, {{http: 'GET /{{{{ x }}}}'}}]}}"
    async with serving(shop) as url:
        found = await run(await users(tmp_path, url, load))
    assert found.errors.keys() == {"unexpected"}
    assert found.ok == 0
    assert set(shop.counted()) == {"/a"}
    assert "nothing to save as x at json.nothing" in found.said["script_errors"][0][0]


@BOTH
async def test_a_value_that_cannot_be_sent_fails_what_was_to_be_sent(tmp_path: Path, model: str) -> None:
    shop = Shop(answers={"/a": (200, {"x": None, "y": "a\r\nX: 1"}, "")})
    load = f"""
at: web
{model}
tasks:
  null: {{steps: [{{http: GET /a, save: {{x: json.x}}}}, {{http: "GET /n/{{{{ x }}}}"}}]}}
  line: {{steps: [{{http: GET /a, save: {{y: json.y}}}}, {{http: GET /l, headers: {{Z: "{{{{ y }}}}"}}}}]}}
"""
    async with serving(shop) as url:
        found = await run(await users(tmp_path, url, load.replace("null:", "nil:")))
    assert set(shop.counted()) == {"/a"}
    assert found.errors.keys() == {"unexpected"}
    assert found.ok == len(shop.asked)
    assert found.failed == found.ok
    said = " ".join(text for text, _ in found.said["script_errors"])
    assert "is null and has no text" in said
    assert "a line break cannot stand in a header" in said


@BOTH
async def test_a_status_that_is_an_error_ends_the_task_unless_it_is_expected(tmp_path: Path, model: str) -> None:
    shop = Shop(answers={"/gone": (404, {}, ""), "/down": (503, {}, "")})
    load = f"{{at: web, {model}, steps: [{{http: GET /gone, expect: status == 404}}, {{http: GET /down}}, {{http: GET /never}}]}}"
    async with serving(shop) as url:
        found = await run(await users(tmp_path, url, load))
    asked = shop.counted()
    assert found.errors == {"status-5xx": asked["/down"]}
    assert found.ok == asked["/gone"] > 20
    assert asked["/never"] == 0
    assert found.said["script_errors"] == []


@BOTH
async def test_a_user_whose_login_fails_begins_again(tmp_path: Path, model: str) -> None:
    shop = Shop(answers={"/login": (500, {}, "")})
    load = f"{{at: web, {model}, begin: [{{http: POST /login}}], steps: [{{http: GET /}}]}}"
    async with serving(shop) as url:
        found = await run(await users(tmp_path, url, load))
    assert set(shop.counted()) == {"/login"}
    assert found.errors == {"status-5xx": len(shop.asked)}


@BOTH
async def test_users_outlive_their_connections(tmp_path: Path, model: str) -> None:
    """What is cut off fails, and its user goes on without a new login."""
    shop = Shop()

    def cutting(asked: object) -> tuple[int, object, str]:
        if shop.asked[-1].path == "/cut" and len(shop.asked) % 3 == 0:
            raise EOFError
        return Shop.answer(shop, shop.asked[-1])

    shop.answer = cutting  # type: ignore[method-assign]
    begin = "[{http: POST /login, json: {user: '{{ user }}'}}]"
    load = f"{{at: web, {model}, begin: {begin}, steps: [{{http: GET /cut}}, {{http: GET /on}}]}}"
    async with serving(shop) as url:
        found = await run(await users(tmp_path, url, load, for_ns=1000 * MS))
    assert found.errors.keys() == {"closed"}
    assert found.failed > 5
    logins = [a.json["user"] for a in shop.asked if a.path == "/login"]
    assert len(logins) == len(set(logins))
    if model == "users: 8":
        assert sorted(map(int, logins)) == list(range(1, 9))


@BOTH
@pytest.mark.parametrize("close", [False, True])
async def test_thinking_takes_its_time_and_keeps_the_order(tmp_path: Path, model: str, close: bool) -> None:
    shop = Shop(close=close)
    load = f"{{at: web, {model}, steps: [{{http: 'GET /a/{{{{ user }}}}'}}, {{think: 50ms}}, {{http: 'GET /b/{{{{ user }}}}'}}]}}"
    async with serving(shop) as url:
        found = await run(await users(tmp_path, url, load, for_ns=1000 * MS))
    assert found.failed == 0
    asked = shop.counted()
    begun = sum(n for p, n in asked.items() if p.startswith("/a/"))
    ended = sum(n for p, n in asked.items() if p.startswith("/b/"))
    if model == "users: 8":
        assert 8 <= ended <= begun <= 8 * 20  # 50 ms each, for a second
        assert {p for p in asked if p.startswith("/a/")} == {f"/a/{n}" for n in range(1, 9)}
        assert begun - ended <= 8
    else:
        assert begun == 200
        assert 150 <= ended <= 200
    for path, times in asked.items():
        if path.startswith("/b/"):
            assert asked[path.replace("/b/", "/a/")] >= times


async def test_figures_are_told_apart_by_the_tags_of_steps(tmp_path: Path) -> None:
    shop = Shop()
    async with serving(shop) as url:
        found = await run(await users(tmp_path, url, THREE.format(model="rate: 400/s")))
    number = found.said["tags"].index("item")
    rows = found.of(samples.OK)
    assert int(rows[rows["tag"] == number]["count"].sum()) == shop.counted()["/normal/look"] > 0


async def test_bodies_and_forms_are_written_as_they_are_meant(tmp_path: Path) -> None:
    shop = Shop(answers={"/a": (200, {"x": 'a"b & ü\n', "y": {"deep": [1, None]}}, "")})
    load = """
at: web
users: 1
steps:
  - {http: GET /a, save: {x: json.x, y: json.y}}
  - {http: POST /json, json: {"{{ x }}": "{{ x }}!", whole: "{{ y }}", braces: "\\\\{{ x }}", n: null, "{{ price }}": [true, 1.5]}}
  - {http: POST /form, form: {x: "{{ x }}", "a b": c}}
  - {http: PUT /body, body: "<{{ x }}>"}
  - {http: "GET /p/{{ x }}?q={{ x }}"}
  - {http: DELETE /empty}
  - {http: POST /empty}
"""
    async with serving(shop) as url:
        found = await run(await users(tmp_path, url, load, values={"price": "cost {{ x }}"}))
    assert found.failed == 0, found.said["script_errors"]
    by = {(a.method, a.path.partition("?")[0][:5]): a for a in shop.asked}
    assert by["POST", "/json"].json == {
        'a"b & ü\n': 'a"b & ü\n!', "whole": {"deep": [1, None]}, "braces": "{{ x }}", "n": None, "cost {{ x }}": [True, 1.5],
    }  # fmt: skip
    assert by["POST", "/json"].headers["content-type"] == "application/json"
    assert by["POST", "/form"].body == b"x=a%22b+%26+%C3%BC%0A&a+b=c"
    assert by["POST", "/form"].headers["content-type"] == "application/x-www-form-urlencoded"
    assert by["PUT", "/body"].body == '<a"b & ü\n>'.encode()
    assert by["GET", "/p/a%"].path == "/p/a%22b%20&%20%C3%BC%0A?q=a%22b%20&%20%C3%BC%0A"
    assert "content-length" not in by["DELETE", "/empt"].headers
    assert by["POST", "/empt"].headers["content-length"] == "0"


async def test_a_connection_that_ends_while_its_user_thinks_costs_nobody(tmp_path: Path) -> None:
    """The server ends each connection 10 ms after an answer; users think for 60 ms, and stay who and how many they are."""
    shop = Shop()

    async def hanging_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def end() -> None:
            writer.close()

        answer = asyncio.create_task(shop(reader, writer))
        while not answer.done():
            known = len(shop.asked)
            await asyncio.wait([answer], timeout=0.01)
            if len(shop.asked) == known and known:
                end()
                answer.cancel()
                await asyncio.wait([answer])

    load = "{at: web, users: 6, for: 1s, steps: [{http: 'GET /a/{{ user }}'}, {think: 60ms}, {http: 'GET /b/{{ user }}'}, {think: 60ms}]}"
    async with serving(hanging_up) as url:
        found = await run(await users(tmp_path, url, load))
    asked = shop.counted()
    assert {p.rpartition("/")[2] for p in asked} == {str(n) for n in range(1, 7)}
    assert sum(asked.values()) <= 6 * 18  # none thinks less than it should
    assert found.ok > 12


@pytest.mark.parametrize("think", ["", "{think: 30ms}, "])
async def test_users_who_leave_and_come_again_are_the_same(tmp_path: Path, think: str) -> None:
    shop = Shop()
    crowd = "{steps: [{users: 2, for: 400ms}, {users: 6, for: 400ms}, {users: 1, for: 400ms}, {users: 6, for: 400ms}]}"
    begin = "[{http: POST /login, json: {user: '{{ user }}'}}]"
    load = f"{{at: web, users: {crowd}, begin: {begin}, steps: [{{http: GET /a}}, {think}{{http: GET /b}}]}}"
    async with serving(shop) as url:
        found = await run(await users(tmp_path, url, load))
    assert found.failed == 0, found.said["script_errors"]
    assert sorted(int(a.json["user"]) for a in shop.asked if a.path == "/login") == list(range(1, 7))
    assert found.ok == len(shop.asked)
