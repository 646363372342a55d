"""What commands read from the environment."""

import os
from collections.abc import Mapping

from services.cli.errors import WrongCall
from shared.runtime.settings import ServiceSettings, SettingsError


def service_settings() -> ServiceSettings:
    """The settings that every service reads: which database, and what to log. Raises WrongCall."""
    try:
        return ServiceSettings.from_environment(os.environ)
    except SettingsError as error:
        raise WrongCall(str(error)) from None


def aws_region(environment: Mapping[str, str]) -> str:
    """The region of the queues. Raises WrongCall."""
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if not region:
        raise WrongCall("AWS_REGION is not set: for example eu-west-1")
    return region
