"""Synthetic people and places, and writers in each source's own format.

``people`` makes them one at a time: who someone is, what happens to them (``journeys``: ``practice``, ``hospital``,
``support``), and how each kind of source holds them. ``roles`` names the ten who are in every world and what each is
there to show. ``emis``, ``hl7v2``, ``cld`` and ``optout`` write what their source would send; ``world`` writes
everything. Nothing here reads a clock: the same seed, count and reference date give the same bytes on any machine.
"""
