"""Who a record is of, where rules alone do not tell: tracing at PDS, what people rule, proposals, and the review."""
