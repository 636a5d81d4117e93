"""What an attempt was held to, as its result records it."""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from mcpanel.engine.v1 import run_pb2
from worker.cells.attempt import Job, cpu_seconds
from worker.cells.limits import Limits
from worker.cells.profile import Profile


def bounds(job: Job, profile: Profile, limits: Limits, level: str) -> run_pb2.Limits:
    """The limits of a job in a cell of this profile, at an isolation level."""
    found = run_pb2.Limits(
        memory_bytes=limits.memory,
        processes=limits.processes,
        open_files=limits.open_files,
        file_bytes=limits.file_size,
        scratch_bytes=limits.scratch if level == "cell" else 0,
        log_bytes=limits.log_bytes,
        output_bytes=max(job.max_output, limits.output),
        artifact_bytes=limits.artifact,
        timeout=duration(job.timeout),
        network_hosts=[] if job.reach is None else [str(host) for host in job.reach.hosts],
    )
    if profile.kind == "python":
        found.cpu_time.CopyFrom(duration(cpu_seconds(job)))
    if job.silence is not None:
        found.silence.CopyFrom(duration(job.silence))
    return found


def duration(seconds: float) -> Duration:
    """The message of some seconds."""
    found = Duration()
    found.FromTimedelta(timedelta(seconds=seconds))
    return found
