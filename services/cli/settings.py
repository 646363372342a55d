"""The settings that commands read from the environment."""

import os

from services.cli.errors import WrongCall
from shared.runtime.settings import ServiceSettings, SettingsError


def service_settings() -> ServiceSettings:
    """Return the settings that every service reads: which database, and what to log. Raises WrongCall."""
    try:
        return ServiceSettings.from_environment(os.environ)
    except SettingsError as error:
        raise WrongCall(str(error)) from None
