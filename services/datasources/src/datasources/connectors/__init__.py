"""How databases are spoken to: one module family per type of database. PostgreSQL is the one there is."""
