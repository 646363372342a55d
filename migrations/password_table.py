"""The passwords for the files of unfinished jobs, as revision 0001 creates them."""

# Separate from the jobs, so that one without a password costs nothing, and so that a job's request never changes. A
# trigger deletes a row when its job ends, in whatever way. No foreign key: deleting jobs would pay for it.
_PASSWORDS = """
CREATE TABLE job_passwords (
    job_id uuid  PRIMARY KEY,
    key_id text  NOT NULL,
    sealed bytea NOT NULL
)
"""

TABLES = (_PASSWORDS,)
