"""What one attempt may use."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a cell; bytes unless the name says otherwise."""

    memory: int = 1024 * MIB
    """Of all processes and scratch files of the cell together; each process's own data is bounded by it too."""
    scratch: int = 256 * MIB
    """Of /work and of /tmp, each."""
    file_size: int = 256 * MIB
    processes: int = 128
    """Processes and threads."""
    open_files: int = 1024
    """Of one process."""
    files: int = 16384
    """Open files of all processes together; a pipe takes 64 KiB of the kernel's memory, of many 8 KiB."""
    sockets: int = 1024
    """Sockets of all processes together; one takes up to 416 KiB of the kernel's memory."""
    mappings: int = 131_072
    """Parts of the address spaces of all processes together; one takes some 350 bytes of the kernel's memory."""
    locks: int = 4096
    watched: int = 65_536
    """Locks of parts of files, of all processes together."""
    log_bytes: int = 10 * MIB
    """Of stdout, stderr, log lines and calls of tools together."""
    log_line: int = 16 * 1024
    output: int = 256 * 1024
    """Of a result's JSON that comes in one message. A larger one is handed over in parts, where the job allows it."""
    artifact: int = 512 * MIB

    def together(self) -> dict[str, int]:
        """What all processes of the cell may have together, by the names that `inside.usage` knows it by."""
        return {
            "memory": self.memory,
            "sockets": self.sockets,
            "files": self.files,
            "mappings": self.mappings,
            "locks": self.locks,
            "watched": self.watched,
        }

    def resources(self, *, reserves: bool) -> dict[str, int]:
        """The process limits, by the names of the `resource` module; `reserves` as in a cell's profile."""
        limits = {
            "CORE": 0,
            "NPROC": self.processes,
            "NOFILE": self.open_files,
            "FSIZE": self.file_size,
            "MEMLOCK": 0,
            "MSGQUEUE": 0,
            "SIGPENDING": 1024,  # timers too
        }
        if not reserves:
            limits["DATA"] = self.memory
        return limits
