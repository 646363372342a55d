"""The API: takes report requests, shows jobs, hands out files. It never talks to the queue."""
