"""What can go wrong around a stack, each with the one sentence that a person needs."""


class StackError(Exception):
    """Something the person at the terminal can act on; the message is the whole answer."""


class InUseError(StackError):
    """Another process holds what we need: a port, a data folder, the home's lock."""
