"""What a version is made of, on its way in: the components of a package, or the tools of an assistant."""

from chassis.access import Subject
from chassis.database import Transaction
from registry import assistants, packages
from registry.configs import Checked
from registry.domain.versions import Made, Sent
from registry.packages import Document


async def check(
    tx: Transaction, sent: Sent, document: Document, checked: Checked, viewer: Subject, *, own_id: str
) -> Made:
    """What is wrong with the version's config, and what it is made of.

    `document` is its MCP document (`packages.read`), `checked` what is known of the config already, and `own_id` the
    id of the definition whose version it is to be. What it is made of stays while the transaction lasts.
    """
    if sent.config_field == "ai_assistant" and sent.config is not None:
        return await assistants.check(tx, sent.config, checked, viewer, own_id)
    return await packages.check(tx, document, checked, viewer, own_id)
