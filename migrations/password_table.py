"""Passwords of the files that unfinished jobs are to make, as revision 0001 makes them."""

# Beside the jobs, so that one without a password costs nothing, and so that what a job was asked for never changes. A
# trigger deletes a row with the end of its job, whoever ends it. No foreign key: forgetting jobs would pay for it.
_PASSWORDS = """
CREATE TABLE job_passwords (
    job_id uuid  PRIMARY KEY,
    key_id text  NOT NULL,
    sealed bytea NOT NULL
)
"""

TABLES = (_PASSWORDS,)
