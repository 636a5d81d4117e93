"""How a program says why its step failed."""


class Failed(Exception):
    """The step's failure, shown to its author as it stands.

    `kind` is one of USER_ERROR, INVALID_INPUT, INVALID_OUTPUT, TIMED_OUT, OUT_OF_MEMORY and DEPENDENCY_ERROR;
    `traceback` is that of the component's own code, where it has some.
    """

    def __init__(self, message: str, kind: str = "USER_ERROR", traceback: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.traceback = traceback
