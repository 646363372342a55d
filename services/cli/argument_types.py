"""Parses single arguments. Errors say what is wrong and what is allowed."""

import argparse

from shared.access.scopes import WrongScope, check_scopes
from shared.access.tenants import tenant_problem


def tenant(given: str) -> str:
    """Return a tenant's name. Raises ArgumentTypeError."""
    if wrong := tenant_problem(given):
        raise argparse.ArgumentTypeError(wrong)
    return given


def scopes(given: str) -> frozenset[str]:
    """Return the scopes of a comma-separated list. Raises ArgumentTypeError."""
    try:
        return check_scopes(given.split(","))
    except WrongScope as error:
        raise argparse.ArgumentTypeError(str(error)) from None
