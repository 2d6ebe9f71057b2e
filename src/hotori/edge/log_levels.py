"""`RuntimeLogLevel` of the system modules' `env`: how much the agent and the hub say (contract 6.1)."""

from __future__ import annotations

import logging

from hotori.model.manifest import AgentConfig

_NAME = "RuntimeLogLevel"
_LEVELS = {
    "verbose": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}


def set_log_levels(config: AgentConfig) -> None:
    """A level that is not given, or not known, is that of the program."""
    for logger, env in (("hotori", config.agent_env), ("hotori.hub", config.hub_env)):
        logging.getLogger(logger).setLevel(_LEVELS.get(env.get(_NAME, "").lower(), logging.NOTSET))


def log_level_of_modules(config: AgentConfig | None) -> str:
    """What modules are told, unless their own `env` names a level."""
    return (config.agent_env.get(_NAME) if config else None) or "info"
