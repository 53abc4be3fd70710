"""Privacy officers look after the record: the queue of alerts, the rules that raise them, and the audit in words."""
