"""Writers in the layout of EMIS Web's IM1 extract: whole deliveries, deltas, and volumes for benchmarks."""

from gateway.synth.emis.delta import Delta, write_delta
from gateway.synth.emis.extract import Extract, write
from gateway.synth.emis.volume import write_volume

__all__ = ["Delta", "Extract", "write", "write_delta", "write_volume"]
