"""Writers in the layout of EMIS Web's IM1 extract: whole deliveries and deltas."""

from gateway.synth.emis.delta import Delta, write_delta
from gateway.synth.emis.extract import Extract, write

__all__ = ["Delta", "Extract", "write", "write_delta"]
