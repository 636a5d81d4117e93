"""All SQL. `hot` is the path of every transition, on the driver itself; `reads` and the others use SQLAlchemy Core."""
