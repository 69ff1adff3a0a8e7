"""The restore engine: an archive streamed from where it lies into one database.

Schema as stock pg_restore writes it, each entry in one transaction with its note in a ledger; rows
by COPY on several sessions at once; indexes and keys beside each other. Whatever breaks off goes on
where it stopped. Nothing is staged on disk but the table of contents.
"""
