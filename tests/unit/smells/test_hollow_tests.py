"""What is said of tests that would stay green: the rule, whether it is certain, and where."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from seatrial.smells import RULES, look

MOCKS = "from unittest.mock import Mock, patch\nimport requests\n"
HOLLOW = {
    "no-assertion": """\
        import requests
        def test_x(client):  # HERE
            client.get("/health")
        """,
    "no-assertion of nothing": """\
        def test_x():  # HERE
            '''Later.'''
        """,
    "no-assertion of what may raise": """\
        from shop import parse
        def test_x():  # MAYBE
            parse("x")
        """,
    "no-assertion in a helper": """\
        def look(client):
            return client.get("/")
        def test_x(client):  # MAYBE
            look(client)
        """,
    "no-assertion in a function that nobody calls": """\
        def test_x(client):  # HERE
            client.get("/")
            def inner():
                assert False
        """,
    "tautology": """\
        def test_x(client):
            assert True  # HERE
        """,
    "tautology of a tuple": """\
        def test_x(client):
            assert (client.get("/").status_code == 200, "it is up")  # HERE
        """,
    "tautology of itself": """\
        def test_x(client):
            answer = client.get("/").json()
            assert answer["id"] == answer["id"]  # HERE
        """,
    "tautology of a length": """\
        def test_x(client):
            assert len(client.get("/items").json()) >= 0  # HERE
        """,
    "tautology of a choice": """\
        def test_x(client):
            assert client.get("/").ok or True  # HERE
        """,
    "tautology of contraries": """\
        def test_x(client):
            answer = client.get("/")
            assert answer is None or answer is not None  # HERE
        """,
    "tautology of unittest": """\
        import unittest
        class Shop(unittest.TestCase):
            def test_x(self):
                self.assertEqual(1, 1)  # HERE
        """,
    "tautology of a function": """\
        def is_up():
            return False
        def test_x():
            assert is_up  # HERE
        """,
    "own-data": """\
        def test_x(client):
            stack = ["web", "db"]
            client.get("/")
            assert "db" in stack  # HERE
        """,
    "own-data of a constant": """\
        SERVICES = ["web", "db"]
        def test_x(client):
            client.get("/")
            assert "db" in SERVICES  # HERE
        """,
    "own-data that was put there": """\
        def test_x(client):
            basket = {}
            basket["ring"] = 1
            client.post("/baskets")
            assert basket["ring"] == 1  # HERE
        """,
    "own-data of a parameter": """\
        import pytest
        @pytest.mark.parametrize("name", ["web", "db"])
        def test_x(name, client):
            client.get("/")
            assert name in ("web", "db", "cache")  # HERE
        """,
    "any-status": """\
        def test_x(client):
            assert client.get("/").status_code < 600  # HERE
        """,
    "any-status of a list": """\
        def test_x(client):
            assert client.get("/").status_code in (200, 404, 500)  # HERE
        """,
    "any-status that is there": """\
        def test_x(client):
            answer = client.get("/")
            assert answer.status_code  # HERE
        """,
    "any-error": """\
        import pytest
        def test_x(client):
            with pytest.raises(Exception):  # HERE
                client.get("/nowhere")
        """,
    "not-asserted": """\
        def test_x(client):
            answer = client.get("/")
            answer.status_code == 200  # HERE
            assert answer.json() == []
        """,
    "not-asserted of a mock": MOCKS
    + """\
def test_x(shop):
    shop.db = Mock()
    shop.buy()
    shop.db.called_once_with(1)  # HERE
    assert shop.sold == 1
""",
    "not-asserted error": """\
        def test_x(client):
            if client.get("/").status_code != 200:
                AssertionError("down")  # HERE
            assert client.get("/").json() == []
        """,
    "not-asserted return": """\
        def test_x(client):
            assert client.get("/").status_code == 200
            return client.get("/").json() == []  # HERE
        """,
    "mock-only": MOCKS
    + """\
def test_x():
    client = Mock()
    client.get.return_value.status_code = 200
    assert client.get("/").status_code == 200  # HERE
""",
    "mock-only by patch": MOCKS
    + """\
@patch("requests.get")
def test_x(get):
    get.return_value.status_code = 200
    assert requests.get("http://shop").status_code == 200  # HERE
""",
    "conditional-assertion": """\
        def test_x(client):
            for item in client.get("/items").json():  # MAYBE
                assert item["price"] > 0
        """,
    "conditional-assertion after a return": """\
        def test_x(client):
            answer = client.get("/")
            if not answer.ok:  # MAYBE
                return
            assert answer.json() == []
        """,
    "conditional-assertion of an error": """\
        def test_x(client):
            try:  # HERE
                client.get("/nowhere")
            except ValueError as error:
                assert "nowhere" in str(error)
        """,
    "unreachable-assertion": """\
        import pytest
        def test_x(client):
            with pytest.raises(ValueError) as error:
                client.get("/nowhere")
                assert "nowhere" in str(error.value)  # HERE
        """,
    "unreachable-assertion behind the end": """\
        def test_x(client):
            assert client.get("/").ok
            return
            assert client.get("/items").json() == []  # HERE
        """,
    "swallowed-failure": """\
        def test_x(client):
            try:
                assert client.get("/").status_code == 200
            except Exception:  # HERE
                pass
        """,
    "swallowed-failure of everything": """\
        def test_x(client):
            try:
                assert client.get("/").status_code == 200
            except:  # HERE
                print("well")
        """,
    "skip-on-error": """\
        import pytest
        def test_x(client):
            try:
                answer = client.get("/")
            except ConnectionError:
                pytest.skip("it is down")  # HERE
            assert answer.status_code == 200
        """,
    "skip-on-error in a fixture": """\
        import pytest
        @pytest.fixture
        def shop(client):
            try:
                return client.get("/")
            except Exception:
                pytest.skip("it is down")  # HERE
        def test_x(shop):
            assert shop.status_code == 200
        """,
    "skip-on-error by the answer": """\
        import pytest
        def test_x(client):
            answer = client.get("/")
            if answer.status_code != 200:
                pytest.skip("not ready")  # HERE
            assert answer.json() == []
        """,
    "masking-retry": """\
        import pytest
        @pytest.mark.flaky(reruns=5)  # HERE
        def test_x(client):
            assert client.get("/").status_code == 200
        """,
    "masking-retry of a loop": """\
        def test_x(client):
            for _ in range(10):
                try:
                    assert client.get("/").status_code == 200
                    break
                except AssertionError:  # HERE
                    continue
        """,
    "masking-retry of a helper": """\
        def stock(client):
            for _ in range(2):
                try:
                    return client.get("/stock").json()["left"]
                except Exception:
                    continue
            return 0
        def test_x(client):
            assert stock(client) >= 0  # HERE
        """,
    "swallowed-failure with a default": """\
        def test_x(client):
            status = 503
            try:
                status = client.get("/").status_code
            except Exception:
                pass
            assert status in (200, 503)  # HERE
        """,
    "any-error of a client": """\
        import httpx, pytest
        def test_x(client):
            with pytest.raises(httpx.HTTPError):  # HERE
                client.get("/").raise_for_status()
        """,
    "pause": """\
        import time
        def test_x(client):
            client.post("/orders")
            time.sleep(5)  # HERE
            assert client.get("/orders").json() == [1]
        """,
    "pause of another name": """\
        from asyncio import sleep as rest
        async def test_x(client):
            await rest(2)  # HERE
            assert client.get("/orders").json() == [1]
        """,
    "never-run": """\
        def test_x(client):  # HERE
            assert client.get("/").ok
        def test_x(client):
            assert client.get("/items").ok
        """,
    "never-run of a class": """\
        class TestShop:
            def __init__(self):  # HERE
                self.x = 1
            def test_x(self):
                assert self.x == 2
        """,
    "cannot-fail": """\
        import pytest
        @pytest.mark.xfail(strict=False)  # HERE
        def test_x(client):
            assert client.get("/").ok
        """,
}  # fmt: skip


def found(tmp_path: Path, code: str, **others: str) -> list[tuple[str, bool, int]]:
    """Rule, certain and line of all that is found in a file of tests, beside others."""
    for name, text in {"test_it": code, **others}.items():
        path = tmp_path / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    looked = look([tmp_path])
    assert looked.unread == ()
    positions = [(f, f.problem.position) for f in looked.found]
    return sorted((f.problem.rule, f.certain, p.line if p else 0) for f, p in positions)


@pytest.mark.parametrize("name", HOLLOW)
def test_it_is_said_of_the_line_and_of_no_other(tmp_path: Path, name: str) -> None:
    lines = textwrap.dedent(HOLLOW[name]).splitlines()
    [(line, certain)] = [(n, "HERE" in t) for n, t in enumerate(lines, 1) if "# HERE" in t or "# MAYBE" in t]
    rule = name.partition(" ")[0]
    everything = found(tmp_path, HOLLOW[name])
    assert [f for f in everything if f[0] == rule] == [(rule, certain, line)]
    # A test that asserts nothing but this asserts nothing; what else is said is said of the same.
    assert {f[0] for f in everything} - {rule} <= {"conditional-assertion", "no-assertion"}


def test_every_rule_is_in_the_table() -> None:
    assert {name.partition(" ")[0] for name in HOLLOW} == set(RULES)


def test_a_comment_with_a_reason_allows_it(tmp_path: Path) -> None:
    code = """\
        import time
        # seatrial: allow pause because a token lives for a second
        def test_x(client):
            time.sleep(1)
            assert client.get("/").status_code == 401
        def test_y(client):
            time.sleep(1)  # seatrial: allow pause because a token lives for a second
            assert client.get("/").status_code == 401
        def test_z(client):
            time.sleep(1)  # seatrial: allow pause
            assert client.get("/").status_code == 401
        def test_good(client):
            # seatrial: allow any-error because it said so once
            assert client.get("/").status_code == 401
        TEXT = "# seatrial: allow nothing in a text"
        """
    assert found(tmp_path, code) == [("allow", True, 10), ("allow", True, 13), ("pause", True, 10)]


def test_helpers_are_looked_into_wherever_they_are(tmp_path: Path) -> None:
    code = """\
        import pytest
        from helpers import is_up
        from . import steps
        from .steps import Base
        def test_one(client):
            is_up(client)
        def test_two(client):
            steps.bought(client)
        def test_three(shop):
            shop.close()
        @pytest.mark.usefixtures("whole")
        def test_four(client):
            client.get("/")
        class TestShop(Base):
            def test_five(self):
                self.holds()
        """
    others = {
        "helpers": "def is_up(client):\n    assert client.get('/').ok\n",
        "steps": "def bought(client):\n    inner(client)\ndef inner(client):\n    assert client.get('/').ok\n"
        "class Base:\n    def holds(self):\n        assert self.x\n",
        "conftest": "import pytest\n@pytest.fixture\ndef shop(client):\n    yield client\n    assert client.closed\n"
        "@pytest.fixture(name='whole')\ndef _whole():\n    yield\n    raise AssertionError('no')\n",
    }
    assert found(tmp_path, code, **others) == []


def test_fixtures_of_a_conftest_are_looked_through_where_they_are(tmp_path: Path) -> None:
    conftest = """\
        import pytest, time
        @pytest.fixture
        def shop(client):
            time.sleep(3)
            try:
                client.get("/")
            except OSError:
                pytest.skip("down")
            return client
        """
    code = "def test_x(shop):\n    assert shop.get('/').status_code == 200\n"
    assert found(tmp_path, code, conftest=conftest) == [("pause", True, 4), ("skip-on-error", True, 8)]


def test_what_is_said_names_the_test_the_place_and_what_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("test_shop.py").write_text(
        "class TestShop:\n    def test_buys(self, client):\n        assert len(client.get('/é').json()) >= 0\n"
    )
    [one] = look([Path("test_shop.py")]).found
    assert str(one.problem) == (
        "test_shop.py:3:9: hollow: TestShop.test_buys: assert len(client.get('/é').json()) >= 0 is always true: "
        "no length is below zero [tautology]\n"
        "    3 |         assert len(client.get('/é').json()) >= 0\n"
        "      |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ assert what only the right answer has"
    )
    assert one.test == "TestShop.test_buys"
