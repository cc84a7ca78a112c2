"""Fixtures of tests with systems of a user's own."""

from tests.systems.own import own

__all__ = ["own"]
