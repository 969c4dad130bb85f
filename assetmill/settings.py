"""What a profile says, with the environment applied; `project.py` knows where `configs/` is.

A profile is a TOML file under `configs/profiles/`; a few environment variables override it. Read with
tomli and pydantic alone: pydantic-settings would cost half of what `assetmill plan` may take to start
(docs/decisions/0002-settings.md).
"""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

import datetime
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit

import tomli
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from assetmill.errors import InvalidSettings
from assetmill.names import endpoint_name
from assetmill.project import config_file, find_configs, home_folder
from assetmill.redaction import remember, remember_environment

EMULATOR = "emulator"
"""As an endpoint: the embedded emulator, started by the run that needs it."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Foundry(_Section):
    """Where agents run. `ca` is a PEM file for an endpoint with a private certificate authority."""

    endpoint: Annotated[str, AfterValidator(endpoint_name)] = EMULATOR
    credential: Literal["emulator", "default"] = "emulator"
    ca: str | None = None
    model: str = "gpt-5.6-luna"
    image_model: str = "gpt-image-2"
    image_deployment: str | None = None
    # Whose dates and prices count, and the zone of the deployments, which has a surcharge of its own.
    provider: Literal["azure", "openai"] = "azure"
    zone: Literal["global", "data_zone", "regional"] = "global"
    streaming: bool = True
    # How responses are posted; `auto` is in the background, or as the endpoint was seen to take it.
    way: Literal["auto", "background", "stream", "foreground"] = "auto"
    # The lane of stages that name none; `try_lanes` are those to be tried that no public source confirms.
    lane: Literal["now", "flex", "batch"] | None = None
    try_lanes: tuple[Literal["flex"], ...] = ()
    policy: Literal["hold", "fence"] = "hold"
    # What becomes of a stage in doubt when nobody has decided by the deadline; `retry` may pay twice.
    doubt: Literal["ask", "retry", "give_up"] = "ask"
    doubt_deadline_s: float = Field(default=24 * 3600.0, ge=3600)
    poll_s: float = Field(default=2.0, gt=0)
    stage_deadline_s: float = Field(default=1800.0, gt=0)
    lease_s: float = Field(default=120.0, gt=0)
    settle_s: float = Field(default=60.0, ge=0)
    max_attempts: int = Field(default=3, ge=1)


class Rate(_Section):
    """What a model deployment grants a minute."""

    requests: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0)
    images: float | None = Field(default=None, gt=0)


class Quota(_Section):
    """Rates by model deployment, and this process's part of them: 0.5 where two processes work."""

    share: float = Field(default=1.0, gt=0, le=1)
    deployments: Mapping[str, Rate] = Field(default_factory=dict[str, Rate])


class Budgets(_Section):
    """The most that may be spent, in US dollars: by all runs of a day (UTC), and by all runs ever."""

    day_usd: float | None = Field(default=None, gt=0)
    project_usd: float | None = Field(default=None, gt=0)


class SharedCeiling(_Section):
    """A ceiling that several processes keep together: `usd` for everything paid under the name `scope`.

    `run_id`: the run that they carry out one after the other, where its ID was told before it began.
    """

    scope: str = ""
    usd: float | None = Field(default=None, gt=0)
    run_id: str = Field(default="", pattern=r"^(run_[0-9a-z]{10}_[0-9a-f]{8})?$")


class CodingAgents(_Section):
    """What coding agents that call our tools (`assetmill mcp`) may spend.

    `ask`: a person is asked at each call, through the agent's own program where it can ask. `most_usd`: the
    highest ceiling that a call may name.
    """

    spend: Literal["allow", "ask", "forbid"] = "allow"
    most_usd: float | None = Field(default=None, gt=0)


class Store(_Section):
    """Where everything is kept: `file:PATH`, `s3://bucket/prefix`, `azure://container/prefix`, `memory:`."""

    url: str = ""
    endpoint_url: str | None = None
    region: str | None = None


class RunSettings(_Section):
    """How a run goes about its work."""

    concurrency: int = Field(default=8, ge=1, le=256)
    refusals: int = Field(default=50, ge=0)
    """How many prompts moderation may refuse before a run of a batch stops; 0 is no limit."""
    idle_timeout_s: float = Field(default=600.0, gt=0)
    """After how long without use the embedded services end by themselves."""
    outage_s: float = Field(default=600.0, ge=0)
    """How long a store, a service or Prefect that is away is waited for before the work gives up."""


class McpServer(_Section):
    """What a server that speaks the Model Context Protocol wants to see: headers, each from a variable.

    In the file a value is written `env:VARIABLE`. `unset` are the variables that the environment lacks.
    """

    headers: Mapping[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    unset: tuple[str, ...] = ()


class Provenance(_Section):
    """With what files that are derived here are signed (C2PA), and whose signatures count as trusted.

    Paths of PEM files: `certificate` is the chain with the signer's own first. Without one nothing is signed.
    `trust_dated` is the day of the list in `trust`, as its publisher gives it.
    """

    certificate: str | None = None
    key: str | None = None
    algorithm: Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"] = "es256"
    trust: str | None = None
    trust_dated: datetime.date | None = None


class Computer(_Section):
    """The browser that agents work in; without an `executable` one is looked for on the PATH."""

    executable: str | None = None


class ReviewPage(_Section):
    """Where a team's review page answers: what a notification links to; "" where there is none."""

    url: str = ""


class Settings(_Section):
    """A profile with the environment applied. Paths are absolute."""

    profile: str
    home: Path
    configs: Path
    foundry: Foundry = Field(default_factory=Foundry)
    store: Store = Field(default_factory=Store)
    run: RunSettings = Field(default_factory=RunSettings)
    quota: Quota = Field(default_factory=Quota)
    budget: Budgets = Field(default_factory=Budgets)
    shared: SharedCeiling = Field(default_factory=SharedCeiling)
    coding_agents: CodingAgents = Field(default_factory=CodingAgents)
    failpoint: str = ""
    """In tests: where this process kills itself, `name[:nth]` of `failpoints.names()`."""
    mcp: Mapping[str, McpServer] = Field(default_factory=dict[str, McpServer])
    computer: Computer = Field(default_factory=Computer)
    provenance: Provenance = Field(default_factory=Provenance)
    review: ReviewPage = Field(default_factory=ReviewPage)

    def mcp_headers(self, name: str) -> Mapping[str, str]:
        """Return the headers under `[mcp.NAME.headers]`.

        Raises:
            InvalidSettings: the profile has none of that name, or the environment lacks a variable, or has a
                value that cannot be a header.
        """
        server = self.mcp.get(name)
        if server is None:
            raise InvalidSettings(f"profile {self.profile!r} has no [mcp.{name}.headers]")
        if server.unset:
            raise InvalidSettings(f"[mcp.{name}.headers] needs the variables {', '.join(server.unset)}")
        values = {header: value.get_secret_value() for header, value in server.headers.items()}
        for header, value in values.items():
            # Sent, it would come back in the text of an error that somebody stores.
            if problem := _control_character(value):
                raise InvalidSettings(f"the variable for {header} of [mcp.{name}.headers] {problem}")
        return values

    @property
    def store_url(self) -> str:
        """The store to open; a directory under the home when the profile names none."""
        return self.store.url or f"file:{self.home / 'store'}"

    @property
    def tables(self) -> Path:
        """Where models and prices are read for what is under way; a plan has said where it borrows them."""
        return self.configs if (self.configs / "prices.toml").is_file() else find_configs()

    @property
    def emulator_home(self) -> Path:
        """Where the embedded emulator keeps its state."""
        return self.home / "emulator"

    @property
    def uses_emulator(self) -> bool:
        """Whether runs of this profile need the embedded emulator."""
        return self.foundry.endpoint == EMULATOR


# Vendors' own variables are respected, so that what works with their samples works here.
_OVERRIDES: Mapping[str, tuple[str, str]] = {
    "ASSETMILL_ENDPOINT": ("foundry", "endpoint"),
    "ASSETMILL_CA": ("foundry", "ca"),
    "ASSETMILL_MODEL": ("foundry", "model"),
    "ASSETMILL_IMAGE_MODEL": ("foundry", "image_model"),
    "ASSETMILL_IMAGE_DEPLOYMENT": ("foundry", "image_deployment"),
    "ASSETMILL_STORE_URL": ("store", "url"),
    "ASSETMILL_STORE_ENDPOINT_URL": ("store", "endpoint_url"),
    "ASSETMILL_STORE_REGION": ("store", "region"),
    "ASSETMILL_CONCURRENCY": ("run", "concurrency"),
    "ASSETMILL_DAY_USD": ("budget", "day_usd"),
    "ASSETMILL_PROJECT_USD": ("budget", "project_usd"),
    "ASSETMILL_QUOTA_SHARE": ("quota", "share"),
    "ASSETMILL_SHARED_SCOPE": ("shared", "scope"),
    "ASSETMILL_SHARED_USD": ("shared", "usd"),
    "ASSETMILL_SHARED_RUN_ID": ("shared", "run_id"),
    "ASSETMILL_IDLE_TIMEOUT_S": ("run", "idle_timeout_s"),
    "ASSETMILL_OUTAGE_S": ("run", "outage_s"),
    "ASSETMILL_CHROMIUM": ("computer", "executable"),
    "ASSETMILL_REVIEW_URL": ("review", "url"),
}

# Sections that are there are built with the whole; each default would build a validator of its own.
_SECTIONS = (
    "foundry",
    "store",
    "run",
    "quota",
    "budget",
    "shared",
    "coding_agents",
    "computer",
    "provenance",
)


def load_settings(profile: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read a profile and apply the environment.

    Without a name, `ASSETMILL_PROFILE` decides, and `local` when that is unset.

    Raises:
        InvalidSettings: no such profile, not TOML, an unknown key, a value of the wrong type.
    """
    env = os.environ if environ is None else environ
    remember_environment(env)
    name = profile or env.get("ASSETMILL_PROFILE") or "local"
    configs = find_configs(env)
    sections: dict[str, Any] = {**{section: {} for section in _SECTIONS}, **_read_profile(configs, name)}
    for variable, (section, key) in _OVERRIDES.items():
        if value := env.get(variable):
            sections.setdefault(section, {})[key] = _plain(variable, value)
    foundry = sections.setdefault("foundry", {})
    if foundry.get("endpoint", EMULATOR) == "":
        named = ("AZURE_AI_PROJECT_ENDPOINT", "FOUNDRY_PROJECT_ENDPOINT")
        given = next((name for name in named if env.get(name)), named[0])
        foundry["endpoint"] = _plain(given, env.get(given, ""))
    if foundry.get("endpoint", EMULATOR) != EMULATOR and "ASSETMILL_ENDPOINT" in env:
        foundry["credential"] = "default"
    if "mcp" in sections:
        sections["mcp"] = _with_secrets(name, sections["mcp"], env)
    home = home_folder(env)
    try:
        fields = {"profile": name, "home": home, "configs": configs, **sections}
        settings = Settings.model_validate({**fields, "failpoint": env.get("ASSETMILL_FAILPOINT", "")})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidSettings(f"profile {name!r}: {where}: {first['msg']}") from error
    _check_address(name, "foundry.endpoint", settings.foundry.endpoint)
    _check_address(name, "store.endpoint_url", settings.store.endpoint_url)
    return settings


def _plain(variable: str, value: str) -> str:
    """Return a variable's value, which must be one line.

    Raises:
        InvalidSettings: it has control characters.
    """
    if problem := _control_character(value):
        raise InvalidSettings(f"{variable} {problem}")
    return value


def _control_character(value: str) -> str | None:
    """Say that a value has a control character, and the likely reason; never the value."""
    found = next((char for char in value if ord(char) < 0x20 or ord(char) == 0x7F), None)
    if found is None:
        return None
    reason = ": its file has Windows line ends; save it with LF" if value.rstrip("\r\n") != value else ""
    return f"has the control character {found!r}{reason}"


def _check_address(profile: str, section: str, url: str | None) -> None:
    """Refuse an address with credentials in it: addresses are in records, in errors and in logs."""
    parts = urlsplit(url or "")
    if parts.username is not None or parts.password is not None or parts.query:
        raise InvalidSettings(
            f"profile {profile!r}: {section} has a user, a password or a query in its address: credentials "
            "do not belong there, but into the variables and logins that the service's own tools read"
        )


def _with_secrets(profile: str, servers: object, env: Mapping[str, str]) -> dict[str, Any]:
    """Put the variables' values where the file names them; a literal value is refused."""
    found: dict[str, Any] = {}
    for name, server in _table(profile, "mcp", servers).items():
        section = _table(profile, f"mcp.{name}", server)
        headers = _table(profile, f"mcp.{name}.headers", section.pop("headers", {}))
        variables = {header: str(value).removeprefix("env:") for header, value in headers.items()}
        for header, value in headers.items():
            if not str(value).startswith("env:") or not variables[header]:
                message = f"[mcp.{name}.headers] {header}: write env:VARIABLE, so that no secret is in a file"
                raise InvalidSettings(f"profile {profile!r}: {message}")
        known = {header: env[variable] for header, variable in variables.items() if env.get(variable)}
        remember(known.values())
        unset = [variable for variable in variables.values() if not env.get(variable)]
        found[name] = {**section, "headers": known, "unset": unset}
    return found


def _table(profile: str, where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidSettings(f"profile {profile!r}: [{where}] is not a table")
    return dict(cast("dict[str, Any]", value))


def _read_profile(configs: Path, name: str) -> dict[str, Any]:
    profiles = config_file(configs, "profiles")
    path = profiles / f"{name}.toml"
    if not name.replace("-", "").replace("_", "").isalnum() or not path.is_file():
        known = ", ".join(sorted(p.stem for p in profiles.glob("*.toml")))
        raise InvalidSettings(f"no profile {name!r}; there are: {known}")
    try:
        return tomli.loads(path.read_text(encoding="utf-8"))
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{path}: {error}") from error
