"""Which values of a project are secret, as Compose prints it."""

from __future__ import annotations

from pathlib import Path

from seatrial.platforms.compose.config import parse
from seatrial.platforms.compose.secret_values import values

PROJECT = """
name: mine
services:
  web:
    image: web
    environment: {{A_PASSWORD_FILE: /run/secrets/a, B_TOKEN_FILE: /etc/web/deep/token, C_KEY_FILE: /etc/web/key, D_PASSWORD_FILE: /else}}
    volumes:
      - {{type: bind, source: {here}/nothing, target: /etc}}
      - {{type: bind, source: {here}/etc, target: /etc/web}}
  db:
    image: db
    environment: {{SECRET_FILE: /one-file}}
    volumes: [{{type: bind, source: {here}/one, target: /one-file}}, {{type: volume, source: data, target: /data}}]
secrets:
  a: {{name: mine_a, file: {here}/a}}
  b: {{name: mine_b, environment: SHOP_KEY}}
  c: {{name: mine_c, environment: NOT_SET}}
  d: {{external: true}}
"""


def test_secrets_are_told_from_files_from_variables_and_from_what_is_mounted(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("of-a-file\n")
    (tmp_path / "one").write_text("of-a-mounted-file\n")
    (tmp_path / "etc/deep").mkdir(parents=True)
    (tmp_path / "etc/deep/token").write_text("of-a-mounted-directory\n")
    (tmp_path / "etc/key").write_text("no credential by its name")
    found = values(parse(PROJECT.format(here=tmp_path)), lambda: {"SHOP_KEY": "of-a-variable"})
    assert list(found) == ["of-a-file", "of-a-variable", "of-a-mounted-directory", "of-a-mounted-file"]


def test_nobody_is_asked_for_variables_that_no_secret_needs() -> None:
    def environment() -> dict[str, str]:
        raise AssertionError("nobody needs it")

    assert list(values(parse("services: {a: {image: x}}"), environment)) == []
