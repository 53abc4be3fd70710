"""Attacks on a release, as its recipient could make them: what its files tell, in numbers, before anybody gets it.

Nothing here knows how a release is made. It reads the files.
"""
