"""Bringing a project up and down by the compose CLI, under the keeper: it ends with the trial, whatever ended that."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ...core.compose import ComposeProject
from ...core.errors import PlatformError, SupervisorError, UsageError
from ...core.platforms import Progress
from ...core.processes import Supervisor, Surroundings
from ...core.quantities import NS_PER_S
from . import cli, project, reading, removal
from .address import EngineAddress
from .config import Config, parse
from .engine import Engine
from .events import PROJECT

UP_NS = 1800 * NS_PER_S  # images are built and pulled in it
DOWN_NS = 120 * NS_PER_S
_FILE = "project.yaml"
_RECORD = "project.json"
_TEMPORARY = "tmp"


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What `seatrial run --attach` needs to know of a project that is kept."""

    name: str
    engine: str
    adopted: bool


@dataclass(kw_only=True)
class Bringing:
    """One project of one trial. `data`: a directory of the trial's that goes with it."""

    plan: ComposeProject
    data: Path
    trial: str  # as labels name it: its directory
    own: str  # a project's name for this trial alone
    engine: Engine
    supervisor: Supervisor
    secret: Callable[[str], str]
    begun: bool = False  # there may be something that is ours to remove

    @property
    def file(self) -> Path:
        """The project, written out whole."""
        return self.data / _FILE

    def read(self) -> Config:
        """The files as they are now, secrets put in. Raises UsageError in Compose's words."""
        name = (
            self.plan.name if self.plan.adopt else self.plan.name or self.own
        )  # it stands in its files as COMPOSE_PROJECT_NAME
        return parse(cli.read(self.plan, self.environment(), name))

    def environment(self) -> dict[str, str]:
        """What its files are read with: secrets and variables of the spec are in it."""
        values = {name: self.secret(name) for name in self.plan.secrets}
        return reading.surroundings(self.plan, os.environ, values)

    def prepare(self, config: Config, pin: Callable[[str, int], int] | None) -> Config:
        """Write out what is to be brought up; as it will be."""
        content = project.build(config, self.plan, name=config.name, trial=self.trial, secret=self.secret, pin=pin)
        project.write(content, self.file)
        self.note(config.name, adopted=False)
        return self.written()

    def written(self) -> Config:
        """The project as it was written out."""
        return parse(self.file.read_text("utf-8"))

    def adopt(self, config: Config) -> None:
        """Write down that the project is somebody else's."""
        project.write(config.content, self.file)
        self.note(config.name, adopted=True)

    def note(self, name: str, *, adopted: bool) -> None:
        """Keep what `attach` needs."""
        record = Record(name=name, engine=self.engine.address.word, adopted=adopted)
        (self.data / _RECORD).write_text(json.dumps(asdict(record)), "utf-8")

    async def containers(self, name: str) -> list[str]:
        """Names of those that a project has now."""
        filters = {"label": [f"{PROJECT}={name}"]}
        found = await self.engine.get("/containers/json", all=1, filters=filters)
        return [str(each["Names"][0]).lstrip("/") for each in found]

    async def _what_there_is(self, name: str) -> list[str]:
        """Containers and volumes of a project: somebody else's, whose they stay."""
        filters = {"label": [f"{PROJECT}={name}"]}
        volumes = (await self.engine.get("/volumes", filters=filters)).get("Volumes") or []
        return [*await self.containers(name), *(f"volume {v['Name']}" for v in volumes)]

    async def make(self, config: Config, progress: Callable[[Progress], None]) -> None:
        """Images: those of services that have a recipe are built, those that the engine lacks are fetched.

        Raises PlatformError in Compose's words; UsageError where a project of that name is there already.
        """
        if there := await self._what_there_is(config.name):
            raise UsageError.simple(
                f"a project {config.name} is there already ({', '.join(there[:6])})",
                "use it as it is: adopt: true; or leave `project` out: each trial gets one of its own",
            )
        self.begun = True
        argv = removal.argv(self.engine.address, "project", config.name, self.trial)
        await self.supervisor.remedy(f"project {config.name}", [argv], stays=True)
        if any(s.built for s in config.services.values()):
            progress(Progress(subject="images", state="building"))
            await self._compose(config, "build", "--quiet")
        if lacking := await self._lacking(config):
            progress(Progress(subject="images", state="fetching", detail=", ".join(lacking)))
            await self._compose(config, "pull", "--quiet", *lacking)

    async def up(self, config: Config) -> None:
        """docker compose up, of images that are there. Raises PlatformError in its words."""
        await self._compose(config, "up", "--detach", "--no-build", "--quiet-pull")

    async def _lacking(self, config: Config) -> list[str]:
        """Services whose image is neither built nor there, and may be fetched."""
        lacking = []
        for name, service in config.services.items():
            policy = config.content["services"][name].get("pull_policy")
            if service.built or not service.image or policy in ("never", "build"):
                continue
            try:
                await self.engine.get(f"/images/{service.image}/json")
            except PlatformError:
                lacking.append(name)
        return lacking

    async def _compose(self, config: Config, *words: str) -> None:
        command = [*cli.running(self.file, config.name, self.plan.directory), *words]
        try:
            # Secrets that are variables (`secrets: {KEY: {environment: KEY}}`) are looked up only now.
            done = await self.supervisor.run(command, self._surroundings(self.environment()), UP_NS)
        except SupervisorError as error:
            raise PlatformError(f"docker compose could not be run: {error}") from error
        if done.timed_out or done.exit_status != 0:
            what = "did not end" if done.timed_out else f"ended with status {done.exit_status}"
            raise PlatformError(f"docker compose {words[0]} {what}: {cli.own_words(done.stderr)}")

    async def down(self, name: str) -> str:
        """docker compose down, in its order; what went wrong, in its words.

        It removes volumes by name, whoever made them: that is left to the remedy, which goes by labels.
        """
        command = [
            *cli.running(self.file, name, self.plan.directory),
            "down",
            "--remove-orphans",
        ]
        try:
            done = await self.supervisor.run(command, self._surroundings(os.environ), DOWN_NS)
        except SupervisorError as error:
            return str(error)
        return "" if done.exit_status == 0 else cli.own_words(done.stderr)

    def _surroundings(self, environment: Mapping[str, str]) -> Surroundings:
        # Compose leaves what it builds from (`dockerfile_inline`) where temporary files go: that is the trial's, and goes with it.
        temporary = self.data / _TEMPORARY
        temporary.mkdir(mode=0o700, exist_ok=True)
        return Surroundings(
            directory=self.plan.directory, environment={**environment, "TMPDIR": str(temporary.resolve())}
        )


def recorded(data: Path) -> Record:
    """What was noted. Raises PlatformError if no project was brought up here."""
    try:
        content: Mapping[str, object] = json.loads((data / _RECORD).read_text("utf-8"))
        return Record(name=str(content["name"]), engine=str(content["engine"]), adopted=content["adopted"] is True)
    except (OSError, ValueError, KeyError) as error:
        raise PlatformError(f"no running stack in {data}: {error}") from error


def address_of(record: Record) -> EngineAddress:
    """The engine that a kept project is on."""
    return EngineAddress.from_word(record.engine)
