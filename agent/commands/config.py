# ruff: noqa: PLC0415  slow imports wait until the command is really run
"""`cosmic-agent config`: the configuration printed, checked, and shown as it is in force."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cosmic.commands import DebugOption, JsonOption, print_json, print_lines

ConfigOption = Annotated[Path | None, typer.Option("--config", help="TOML file; unset: defaults and environment.")]

HEAD = """The agent's settings. What stands here commented out is the default.
Every value can be set by the environment instead: COSMIC_UPLINK__URL sets url of section uplink."""

app = typer.Typer(
    help="Print, check and explain the configuration.",
    epilog="Example: cosmic-agent config print > agent.toml",
    no_args_is_help=True,
)


@app.command("print", epilog="Example: cosmic-agent config print > agent.toml")
def print_skeleton(
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Print a configuration file to begin with: every setting, commented, at its default."""
    from agent.configuration import AgentConfiguration
    from agent.skeleton import skeleton

    if json:
        import msgspec

        print_json(msgspec.to_builtins(AgentConfiguration()))
    else:
        print_lines(skeleton(AgentConfiguration, HEAD).rstrip("\n"))


@app.command("check", epilog="Example: cosmic-agent config check --config agent.toml")
def check(
    config: ConfigOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Say whether the configuration can be used; exit 2 and one line that names the bad value where not.

    The file, its keys and values, the files that it names and the MQTT topics are checked; nothing is connected.
    """
    from agent.configuration import AgentConfiguration
    from agent.mqtt.connection import Connector
    from agent.mqtt.topics import base_topic
    from agent.uplink.credentials import read_token, tls_context
    from cosmic import configuration

    settings = configuration.load(AgentConfiguration, config)
    read_token(settings.uplink)
    tls_context(settings.uplink)
    if settings.mqtt.host:
        Connector(settings.mqtt, "check", base_topic(settings.mqtt.site, settings.printer.name))
    if json:
        print_json({"ok": True, "config": str(config or "")})
    else:
        print_lines(f"{config or 'defaults and environment'}: can be used")


@app.command("effective", epilog="Example: cosmic-agent config effective --config agent.toml --json")
def effective(
    config: ConfigOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Print every value in force and where it came from: default, the file, or an environment variable."""
    from agent.configuration import AgentConfiguration
    from cosmic import configuration

    _, values = configuration.load_with_sources(AgentConfiguration, config)
    shown = [{"key": one.key, "value": _shown(one.value), "source": one.source} for one in values]
    if json:
        print_json({"values": shown})
        return
    import msgspec

    texts = [(one["key"], msgspec.json.encode(one["value"]).decode(), one["source"]) for one in shown]
    widths = [max(len(row[column]) for row in texts) for column in range(2)]
    print_lines(*(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {source}" for key, value, source in texts))


def _shown(value: Any) -> Any:
    """Return a value without what may be secret in it.

    Secrets stand in files, of which only the path is a setting; an address may carry a password none the less.
    """
    if isinstance(value, str) and "://" in value:
        from urllib.parse import urlsplit

        parts = urlsplit(value)
        host = parts.netloc.rpartition("@")[2]
        hidden = "***@" if "@" in parts.netloc else ""
        query = "?***" if parts.query else ""
        return f"{parts.scheme}://{hidden}{host}{parts.path}{query}"
    return value
