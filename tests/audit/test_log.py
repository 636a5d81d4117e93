"""What a batch may add to the log."""

import pytest

from audit import log
from audit.merkle import Frontier
from chassis.errors import Precondition


def test_the_last_entry_is_the_one_whose_index_a_message_still_holds() -> None:
    size = log.MOST_ENTRIES - 1
    tree = Frontier(size, (bytes(32),) * size.bit_count())

    log.require_room(tree, 1)
    with pytest.raises(Precondition) as caught:
        log.require_room(tree, 2)

    assert caught.value.reason == "LOG_FULL"
