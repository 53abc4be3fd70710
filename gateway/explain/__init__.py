"""The mapping document of a source, measured from its functions and its samples.

``rehearsal`` maps rows in memory, ``trials`` changes one value of a sample after the other and sees what becomes
another, ``differing`` names what differs between two resources, ``mapping_document`` writes it down.
"""
