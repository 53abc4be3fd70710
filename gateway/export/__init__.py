"""Secondary use: approved projects, pinned jobs, pseudonymised parts, a ledger of what left."""
