"""Messages as they arrive over MLLP: framed, judged, kept on disk, acknowledged, and mapped behind the senders.

``framing`` cuts bytes into frames; ``judging`` says what becomes of a message; ``mllp`` talks with one sender, and
``stations`` runs all feeds: these two await; ``emptying`` maps what was kept; ``listeners`` reads the settings.
"""
