# ruff: noqa: PLC0415  slow imports wait until the command is really run
"""`cosmic-cloud config`: the coordinator's configuration printed, checked, and shown as it is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosmic.config_commands import config_app

if TYPE_CHECKING:
    from cloud.configuration import CoordinatorSettings


def _model() -> type[CoordinatorSettings]:
    from cloud.configuration import CoordinatorSettings

    return CoordinatorSettings


def _check(settings: CoordinatorSettings) -> None:
    """Check the files that the settings name."""
    from pathlib import Path

    from cloud.access.certificates import tls_context
    from cloud.access.tokens import TokenFile

    tls_context(settings.listen)
    TokenFile(Path(settings.tokens.file)).printers()


app = config_app("cosmic-cloud", "coordinator.toml", _model, _check)
