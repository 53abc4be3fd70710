"""Synthetic England: people and places, what each source records of them, and writers in each source's own format.

World: ``people`` says who someone is and what truly happens to them (``journeys``, in the rooms of whoever records them
first), as often as ``rates.csv`` says. Recording: ``recording`` says who knows them and what is wrong there (``mess``),
``changes`` what is changed a day later. Writers: one module a format (``emis``, ``tpp``, ``hl7v2``, ``letters``,
``cds``, ``csds``, ``cld``, ``optout``, ``pds``), in the columns of ``layouts.csv``, and ``answers``, the key to all of
it. ``roles`` and ``packs`` name the fixed people and what each is there to show. ``world`` writes everything, in blocks
that any process can make. Nothing here reads a clock: the same seed, count and reference date give the same bytes on
any machine.
"""
