"""Runs user code in cells and reports to the engine."""

import os

# The worker starts programs all the time and never forks to go on in Python. What gRPC would do around each fork ended
# children before they became their program. It has to be said before gRPC is imported.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
