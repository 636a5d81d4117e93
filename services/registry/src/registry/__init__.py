"""Components, versions and workflows: the catalogue of what can run."""
