"""All SQL. `hot` is the path of every transition, on `pipeline`; `reads` and the others use SQLAlchemy Core."""
