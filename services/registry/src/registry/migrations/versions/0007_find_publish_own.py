"""Stars, drafts, what is deprecated, where a workflow stands, and an index for words.

`trigrams` are all that is three characters long in a text. With them an index finds what holds a word, wherever in it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TRIGRAMS = """
CREATE FUNCTION trigrams(words text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1000 AS $$
    SELECT array_agg(DISTINCT gram) FROM (
        SELECT letter || lead(letter) OVER ahead || lead(letter, 2) OVER ahead AS gram
        FROM unnest(string_to_array(words, NULL)) WITH ORDINALITY AS letters (letter, place)
        WINDOW ahead AS (ORDER BY place)
    ) AS grams WHERE gram IS NOT NULL
$$
"""


def upgrade() -> None:
    op.execute(_TRIGRAMS)
    op.create_table(
        "stars",
        sa.Column("subject_id", sa.Text(collation="C"), nullable=False),
        sa.Column("definition_id", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            ["definitions.id"],
            name=op.f("fk_stars_definition_id_definitions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("subject_id", "definition_id", name="pk_stars"),
    )
    op.create_index("ix_stars_definition_id", "stars", ["definition_id"])
    op.add_column("definitions", sa.Column("star_count", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "definitions", sa.Column("deprecated", sa.Boolean(), server_default="false", nullable=False)
    )
    op.execute(
        "UPDATE definitions SET deprecated = true WHERE latest_version = '' "
        "AND EXISTS (SELECT FROM versions WHERE definition_id = definitions.id)"
    )
    op.create_index(
        "ix_definitions_star_count_created_at_id", "definitions", ["star_count", "created_at", "id"]
    )
    op.add_column("versions", sa.Column("draft", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("workflows", sa.Column("status", sa.Text(), server_default="PUBLISHED", nullable=False))
    for table in ("definitions", "workflows"):
        op.create_index(f"ix_{table}_updated_at_created_at_id", table, ["updated_at", "created_at", "id"])
        op.create_index(
            f"ix_{table}_trigrams", table, [sa.literal_column("trigrams(search)")], postgresql_using="gin"
        )


def downgrade() -> None:
    for table in ("definitions", "workflows"):
        op.drop_index(f"ix_{table}_trigrams", table_name=table)
        op.drop_index(f"ix_{table}_updated_at_created_at_id", table_name=table)
    op.drop_column("workflows", "status")
    op.drop_column("versions", "draft")
    op.drop_index("ix_definitions_star_count_created_at_id", table_name="definitions")
    op.drop_column("definitions", "deprecated")
    op.drop_column("definitions", "star_count")
    op.drop_table("stars")
    op.execute("DROP FUNCTION trigrams(text)")
