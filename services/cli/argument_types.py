"""Reads single arguments, and says what is wrong with them and what may be written instead."""

import argparse

from shared.access.scopes import WrongScope, check_scopes
from shared.access.tenants import tenant_problem


def tenant(given: str) -> str:
    """Return a tenant's name. Raises ArgumentTypeError."""
    if wrong := tenant_problem(given):
        raise argparse.ArgumentTypeError(wrong)
    return given


def scopes(given: str) -> frozenset[str]:
    """Return the scopes of a list with commas. Raises ArgumentTypeError."""
    try:
        return check_scopes(given.split(","))
    except WrongScope as error:
        raise argparse.ArgumentTypeError(str(error)) from None
