"""What may be asked of a database: one read-only query, checked before the database sees it."""

from datasources.statements.checker import Checker
from datasources.statements.checking import Statement, check

__all__ = ["Checker", "Statement", "check"]
