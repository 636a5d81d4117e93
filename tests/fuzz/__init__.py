"""`make fuzz`: hostile requests against every RPC and every REST operation of a stack of its own."""
