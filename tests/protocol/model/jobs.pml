/* One job of Todoke, and everything that can happen to it.

   A job's row and its outbox row, a queue that loses and doubles messages, a relay, workers that stall and die, the
   sweeper, a client that cancels and asks again, and a fail-over to a standby that lagged behind. Every statement of
   shared/jobs is one atomic step here, under the same name; between two steps anything else may happen, for any time:
   that is what a stall is. One job is enough, because statements take each row by itself; of a job that was retried,
   what must be left as it was stands beside the new one. An operator may pause what it asks for, and resume it.

   What goes wrong costs a fault, and a run has FAULTS of them, in any mixture, besides FAIL_OVERS. What must be true is written as an
   assertion whose name is printed when it fails. `test_model.py` explores every run, and removes one guard at a time
   (-D...): each must then be found out.

   Time is not counted: a lease may run out at any moment (of a living worker: a fault), a retry comes due at any
   moment. Tokens are numbers, and one that nothing refers to any more stands for a fresh random one. */

#ifndef FAULTS
#define FAULTS 2
#endif
/* How often a standby takes over, and how often the client cancels, asks again, or a deadline passes. */
#ifndef FAIL_OVERS
#define FAIL_OVERS 0
#endif
#ifndef WISHES
#define WISHES 2
#endif
/* How often its report type is paused. */
#ifndef PAUSES
#define PAUSES 0
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#define MAX_ATTEMPTS 2
#define MAX_CRASHES 1
#define TOKENS 7

#define NONE 0
mtype = { PENDING, PROCESSING, SUCCESS, FAILED, CANCELLED };
mtype = { submit, start, succeed, retry, fail, give_back, cancel, expire };
#define NOTHING 0
mtype = { PARTIAL, WHOLE };
mtype = { HOLDS, OVER, SETTLED };

/* The promises. Never true: an assertion on one of them is reached only when it is broken. */
hidden byte every_edge_is_legal;
hidden byte only_the_holder_ends_an_attempt;
hidden byte success_has_its_own_whole_files;
hidden byte the_budgets_are_kept;
hidden byte at_rest_an_accepted_job_is_final;
hidden byte at_rest_what_was_deleted_is_gone;
hidden byte a_retry_leaves_the_old_job_alone;
hidden byte nothing_that_is_paused_starts;
hidden byte deadlines_stand_still_while_paused;
/* Not a promise: the bounds of this model are wide enough. */
hidden byte the_model_has_enough_tokens;

/* What PostgreSQL holds, and so what a fail-over rewinds. */
typedef Database {
  mtype status;
  byte attempt;
  byte crashes;
#ifdef CLAIM_NUMBER
  byte claims;      /* a number that grows with every start, and begins again only with a new row */
#endif
  byte token;       /* lease_token; 0 is NULL */
  byte published;   /* the lease_token of the artifacts' rows */
  byte outbox;      /* rows in outbox */
  byte later;       /* rows in outbox_retry */
  bool expired;     /* lease_until has passed */
  bool due;         /* run_at has passed */
  bool late;        /* deadline_at has passed */
  bool cancelled;   /* cancel_requested_at IS NOT NULL */
  bool deleted;     /* deleted_at IS NOT NULL */
  bool erasing;     /* a row in erasures */
  mtype pause;      /* the row in pauses: it holds, it is over, and the job has its time back; 0: there is none */
  bool stood;       /* deadline_at passed while the pause lasted, and nobody has moved it yet */
  bool held;        /* a row in held */
  mtype old_status; /* of the job that this one repeats (retry_of); 0: it repeats none */
  byte old_published;
  bool old_taken    /* its files were removed because a client has deleted it */
};
Database db;
Database standby;
bool replicated;    /* the standby holds something that the primary could be rewound to */

byte queue;         /* visible messages */
bool taken;         /* files were removed because a client has deleted the job */
bool sent;          /* the relay has sent a row and not yet committed its deletion */

byte tokens[WORKERS];     /* the lease each worker believes in; 0: none */
#if defined(ATTEMPT_NUMBER) || defined(CLAIM_NUMBER)
byte numbers[WORKERS];    /* the number that each believes in, for a fence that asks for one */
#endif
bool holds[WORKERS];      /* the worker has a message in flight */
mtype files[TOKENS + 1];  /* the artifact store, by the token in the key */
byte writer[TOKENS + 1];  /* whose bytes they are */

/* Within one step only. */
hidden byte each, candidate, other, users;

byte faults = FAULTS;
byte fail_overs = FAIL_OVERS;
byte wishes = WISHES;
byte pauses = PAUSES;

#define FINISHED(s) (s == SUCCESS || s == FAILED || s == CANCELLED)
#if WORKERS == 3
#define HELD(t) (tokens[0] == t || tokens[1] == t || tokens[2] == t)
#else
#define HELD(t) (tokens[0] == t || tokens[1] == t)
#endif
#define REFERRED(t) (db.token == t || db.published == t || db.old_published == t || standby.token == t || \
  standby.published == t || standby.old_published == t || HELD(t))

/* shared/jobs/gates.py: what is paused, until each of its jobs has its time back. */
#define GATED (db.pause != NONE)
#ifdef START_KNOWS_NO_PAUSE
#define MAY_START (true)
#else
#define MAY_START (!GATED)
#endif
#ifdef SWEEPER_KNOWS_NO_PAUSE
#define TOO_LATE (db.late)
#else
#define TOO_LATE (db.late && !GATED)
#endif

#ifdef SHARED_ARTIFACT_KEY
#define KEY(t) 0
#else
#define KEY(t) t
#endif

/* The fence: what an ending statement asks of the row. */
#if defined(NO_COMPARE_AND_SET)
#define MINE(me) (true)
#elif defined(STATE_ONLY)
#define MINE(me) (db.status == PROCESSING)
#elif defined(ATTEMPT_NUMBER)
#define MINE(me) (db.status == PROCESSING && db.attempt == numbers[me])
#elif defined(CLAIM_NUMBER)
#define MINE(me) (db.status == PROCESSING && db.claims == numbers[me])
#else
#define MINE(me) (db.status == PROCESSING && db.token == tokens[me])
#endif

#ifdef NO_COMPARE_AND_SET
#define STARTABLE (db.status != NONE)
#else
#define STARTABLE (!db.late && MAY_START && \
  (db.status == PENDING && db.due || \
   db.status == PROCESSING && db.expired && db.crashes < MAX_CRASHES && !db.cancelled))
#endif

/* A legal edge. Each is printed when it is first taken: a model that never takes one proves nothing about it. */
hidden byte told[10000];
#define AS_NUMBER ((db.status * 20 + to) * 20 + by)
#define EDGE(before, after, verb) \
  :: db.status == before && to == after && by == verb -> \
     if \
     :: !told[AS_NUMBER] -> \
        told[AS_NUMBER] = true; printf("edge "); printf(#before); printf(" "); printf(#after); printf(" "); \
        printf(#verb); printf("\n") \
     :: else \
     fi

/* Every change of status passes here. A test compares this table with the code's, the trigger's and the README's. */
inline move(to, by) {
  if
  EDGE(NONE,       PENDING,    submit)
  EDGE(PENDING,    PROCESSING, start)
  EDGE(PROCESSING, PROCESSING, start)
  EDGE(PROCESSING, SUCCESS,    succeed)
  EDGE(PROCESSING, PENDING,    retry)
  EDGE(PROCESSING, FAILED,     fail)
  EDGE(PROCESSING, PENDING,    give_back)
  EDGE(PROCESSING, CANCELLED,  cancel)
  EDGE(PENDING,    CANCELLED,  cancel)
  EDGE(PROCESSING, PENDING,    expire)
  EDGE(PROCESSING, FAILED,     expire)
  EDGE(PROCESSING, CANCELLED,  expire)
  EDGE(PENDING,    FAILED,     expire)
  :: else -> assert(every_edge_is_legal)
  fi;
  db.status = to;
  if
  :: db.status == PENDING -> db.token = 0
  :: else
  fi;
  if
  :: db.status == PROCESSING
  :: else -> db.expired = false
  fi;
  if
  :: FINISHED(db.status) -> db.due = true; db.late = false; db.stood = false; db.attempt = 0; db.crashes = 0
  :: else -> check_budgets()
  fi
}

inline check_budgets() {
  if
  :: db.attempt > MAX_ATTEMPTS || db.crashes > MAX_CRASHES || db.status == PENDING && db.attempt >= MAX_ATTEMPTS ||
     db.status == PENDING && db.cancelled -> assert(the_budgets_are_kept)
  :: else
  fi
}

inline check_files() {
  if
  :: db.status == SUCCESS && !db.deleted && !taken &&
     (files[KEY(db.published)] != WHOLE || writer[KEY(db.published)] != db.published || db.published != db.token) ->
     assert(success_has_its_own_whole_files)
  :: else
  fi;
  if
  :: db.old_status == SUCCESS && !db.old_taken &&
     (files[KEY(db.old_published)] != WHOLE || writer[KEY(db.old_published)] != db.old_published) ->
     assert(a_retry_leaves_the_old_job_alone)
  :: else
  fi
}

inline check_deadline() {
  if
  :: db.late && db.stood -> assert(deadlines_stand_still_while_paused)
  :: else
  fi
}

/* Forget what nothing can see any more. The store keeps such files until the sweeper finds them; nobody can tell. */
inline tidy() {
  each = 1;
  do
  :: each <= TOKENS ->
     if
     :: REFERRED(each)
     :: else -> files[each] = NOTHING; writer[each] = 0
     fi;
     each++
  :: else -> break
  od;
  each = 0
}

inline forget_standby() {
  standby.status = 0; standby.attempt = 0; standby.crashes = 0; standby.token = 0; standby.published = 0;
  standby.outbox = 0; standby.later = 0;
  standby.expired = false; standby.due = false; standby.late = false; standby.cancelled = false;
  standby.deleted = false; standby.erasing = false;
  standby.pause = 0; standby.stood = false; standby.held = false;
  standby.old_status = 0; standby.old_published = 0; standby.old_taken = false;
  replicated = false
}

inline mint(me) {
  db.token = 0;
  tokens[me] = 1;
  do
  :: tokens[me] > TOKENS -> assert(the_model_has_enough_tokens)
  :: else ->
     /* this worker's own number is the candidate: it must be nobody else's */
     candidate = tokens[me]; other = 0; users = 0;
     do
     :: other < WORKERS -> users = users + (tokens[other] == candidate); other++
     :: else -> break
     od;
     if
     :: users > 1 || db.published == candidate || standby.token == candidate || standby.published == candidate ||
        db.old_published == candidate || standby.old_published == candidate || writer[0] == candidate -> tokens[me]++
     :: else -> break
     fi
  od;
  db.token = tokens[me];
  candidate = 0; other = 0; users = 0
}

/* shared/jobs/lease.py */
inline jobs_start(me) {
  if
  :: GATED -> assert(nothing_that_is_paused_starts)
  :: else
  fi;
  if
  :: db.status == PROCESSING -> db.crashes++
  :: else -> db.attempt++
  fi;
  move(PROCESSING, start);
  db.expired = false;
  mint(me);
#ifdef ATTEMPT_NUMBER
  numbers[me] = db.attempt;
#endif
#ifdef CLAIM_NUMBER
  db.claims++;
  numbers[me] = db.claims;
#endif
  tidy()
}

/* The worker lets go: of its lease, of its knowledge. */
inline leave(me) {
#ifdef WORKER_DELETES_ARTIFACTS
  files[KEY(tokens[me])] = NOTHING;
  check_files();
#endif
  forget(me)
}

inline forget(me) {
  tokens[me] = 0;
#if defined(ATTEMPT_NUMBER) || defined(CLAIM_NUMBER)
  numbers[me] = 0;
#endif
  tidy()
}

inline message_returns(me) {
  queue = queue + holds[me];
  holds[me] = false
}

inline attempt_ends(me, to, by) {
  if
  :: db.token == tokens[me]
  :: else -> assert(only_the_holder_ends_an_attempt)
  fi;
  move(to, by)
}

/* shared/jobs/finish.py */
inline jobs_succeed(me) {
  attempt_ends(me, SUCCESS, succeed);
  db.published = tokens[me];
  check_files()
}

inline jobs_fail(me, may_pass) {
  if
  :: may_pass && db.cancelled -> attempt_ends(me, CANCELLED, cancel)
  :: may_pass && !db.cancelled && db.attempt < MAX_ATTEMPTS && !TOO_LATE ->
     attempt_ends(me, PENDING, retry);
     db.due = false;
     db.later++
  :: may_pass && !db.cancelled && db.attempt < MAX_ATTEMPTS && TOO_LATE ->
     check_deadline();
     attempt_ends(me, FAILED, fail)
  :: else -> attempt_ends(me, FAILED, fail)
  fi
}

inline jobs_give_back(me) {
  if
  :: db.cancelled -> attempt_ends(me, CANCELLED, cancel)
  :: else ->
     db.attempt--;
     attempt_ends(me, PENDING, give_back);
     db.outbox++
  fi
}

/* What may come between any two steps of a worker that holds a lease. */
#define MEANWHILE(here) \
  :: d_step { db.expired && MINE(me) && db.token == tokens[me] -> db.expired = false } -> goto here /* jobs.renew */ \
  :: d_step { !MINE(me) -> leave(me); message_returns(me) } -> goto idle      /* the heartbeat learns that it lost */ \
  :: d_step { db.cancelled && MINE(me) ->                                     /* jobs.cancel_held */ \
       attempt_ends(me, CANCELLED, cancel); forget(me); holds[me] = false } -> goto idle \
  :: d_step { faults > 0 -> faults--; forget(me); message_returns(me) } -> goto idle /* the worker dies */

/* shared/jobs/admission.py: it is paused, and its doorbell is kept for later. */
#define HOLDABLE (GATED && db.status == PENDING && db.due)

proctype Worker(byte me) {
idle:
  if
  :: d_step { queue > 0 -> queue--; holds[me] = true }
  fi;

  if
  :: d_step { STARTABLE -> jobs_start(me) } -> goto working
  :: d_step { !STARTABLE && !HOLDABLE -> holds[me] = false } -> goto idle   /* final, busy or not due: the sweeper covers it */
  :: d_step { !STARTABLE && HOLDABLE -> db.held = true; holds[me] = false } -> goto idle   /* held.hold */
  :: d_step { faults > 0 -> faults--; message_returns(me) } -> goto idle
  fi;

working:
#ifdef SUCCESS_BEFORE_UPLOAD
  if
  :: d_step { MINE(me) -> jobs_succeed(me) }
  MEANWHILE(working)
  fi;
#endif
  if
  :: d_step { true -> files[KEY(tokens[me])] = PARTIAL; writer[KEY(tokens[me])] = tokens[me]; check_files() }
  :: d_step { MINE(me) -> jobs_fail(me, true); forget(me); holds[me] = false } -> goto idle
  :: d_step { MINE(me) -> jobs_fail(me, false); forget(me); holds[me] = false } -> goto idle
  :: d_step { MINE(me) && faults > 0 -> faults--; jobs_give_back(me); forget(me); holds[me] = false } -> goto idle
  MEANWHILE(working)
  fi;

uploading:
  if
  :: d_step { true -> files[KEY(tokens[me])] = WHOLE; writer[KEY(tokens[me])] = tokens[me]; check_files() }
  MEANWHILE(uploading)
  fi;

finishing:
  if
  :: d_step { MINE(me) -> jobs_succeed(me); forget(me); holds[me] = false } -> goto idle
  :: d_step { MINE(me) && faults > 0 -> faults--; jobs_succeed(me) } -> goto finishing   /* the reply is lost */
  :: d_step { MINE(me) && faults > 0 -> faults--; jobs_succeed(me); forget(me); message_returns(me) } -> goto idle
  MEANWHILE(finishing)
  fi
}

active proctype Relay() {
end:
  do
  :: d_step { db.outbox > 0 && !sent -> queue++; sent = true }
  :: d_step { sent -> db.outbox--; sent = false }
  :: d_step { sent && faults > 0 -> faults--; sent = false }   /* it dies, or its commit is lost: sent again */
#ifndef NOTHING_HELD_LEAVES
  /* held.take: in the transaction that sends it */
  :: d_step { db.held && !GATED && !FINISHED(db.status) -> queue++; db.held = false }
  :: d_step { db.held && !GATED && !FINISHED(db.status) && faults > 0 -> faults--; queue++ }
  :: d_step { db.held && !GATED && FINISHED(db.status) -> db.held = false }
#endif
  od
}

/* shared/jobs/sweep.py, jobs.expire */
#define SILENT (db.status == PROCESSING && db.expired || db.status == PENDING && TOO_LATE)

inline jobs_expire() {
  if
  :: db.cancelled -> move(CANCELLED, expire)
  :: !db.cancelled && TOO_LATE -> check_deadline(); move(FAILED, expire)
  :: !db.cancelled && !TOO_LATE && db.crashes >= MAX_CRASHES -> move(FAILED, expire)
  :: else ->
     db.attempt--;
     db.crashes++;
     move(PENDING, expire);
     db.outbox++
  fi;
  tidy()
}

active proctype Sweeper() {
end:
#ifdef NO_SWEEPER
  false;
#endif
  do
#ifdef SELECT_THEN_UPDATE
  :: d_step { SILENT -> skip };
     d_step { true -> jobs_expire() }
#else
  :: d_step { SILENT -> jobs_expire() }
#endif
#ifndef NO_SECOND_DOORBELL
  /* jobs.ring, while the queue looks empty; `expire` runs before it in the same pass */
  :: d_step { db.status == PENDING && db.due && !TOO_LATE && !db.held && db.outbox == 0 && queue == 0 -> db.outbox++ }
#endif
  /* pauses.give_back_time, and in a later slice pauses.forget. A doorbell that was thrown away meanwhile is rung again. */
  :: d_step { db.pause == OVER ->
       if
       :: db.stood -> db.late = false; db.stood = false
       :: else
       fi;
       if
       :: db.status == PENDING && db.due && !db.held -> db.outbox++
       :: else
       fi;
       db.pause = SETTLED }
  :: d_step { db.pause == SETTLED -> db.pause = NONE }
#ifdef EAGER_CLEAN_UP
  /* Deletes files that no row names now. The real one waits until no attempt and no rewound row can name them. */
  :: d_step { files[1] != NOTHING && db.token != 1 && db.published != 1 && db.old_published != 1 -> files[1] = NOTHING }
  :: d_step { files[2] != NOTHING && db.token != 2 && db.published != 2 && db.old_published != 2 -> files[2] = NOTHING }
  :: d_step { files[3] != NOTHING && db.token != 3 && db.published != 3 && db.old_published != 3 -> files[3] = NOTHING }
#endif
  od
}

/* services/relay/erasures.py: the files, then their rows, then the erasure; it may die after the files. */
inline take_files() {
  files[KEY(db.published)] = NOTHING;
  writer[KEY(db.published)] = 0;
#ifdef ERASES_WHAT_IT_REPEATS
  files[KEY(db.old_published)] = NOTHING;
  check_files();
#endif
  taken = true
}

active proctype Eraser() {
end:
#ifdef NO_ERASURE
  false;
#endif
  do
#ifdef ERASES_BEFORE_THE_END
  :: d_step { db.erasing -> take_files(); db.published = 0; db.erasing = false; tidy() }
#else
  :: d_step { db.erasing && FINISHED(db.status) -> take_files(); db.published = 0; db.erasing = false; tidy() }
#endif
  :: d_step { db.erasing && FINISHED(db.status) && faults > 0 -> faults--; take_files() }
  od
}

active proctype Clock() {
end:
  do
  :: d_step { db.status == PROCESSING && !db.expired && !HELD(db.token) -> db.expired = true }
  :: d_step { db.status == PROCESSING && !db.expired && HELD(db.token) && faults > 0 -> faults--; db.expired = true }
  :: d_step { !db.due && db.status == PENDING -> db.due = true; db.outbox = db.outbox + db.later; db.later = 0 }
  :: d_step { wishes > 0 && !db.late && (db.status == PENDING || db.status == PROCESSING) ->
       wishes--; db.late = true; db.stood = (db.pause == HOLDS || db.pause == OVER) }
  od
}

active proctype Network() {
end:
  do
  :: d_step { queue > 0 && faults > 0 -> faults--; queue-- }   /* lost, expired, purged */
  :: d_step { queue > 0 && faults > 0 -> faults--; queue++ }   /* delivered twice */
  od
}

active proctype Client() {
end:
  do
  :: d_step { db.status == NONE -> db.due = true; move(PENDING, submit); db.outbox++ }
  :: d_step { wishes > 0 && db.status == PENDING -> wishes--; db.cancelled = true; move(CANCELLED, cancel) }
  :: d_step { wishes > 0 && db.status == PROCESSING && !db.cancelled -> wishes--; db.cancelled = true }
  /* shared/jobs/erasure.py: what has ended, or will because it was cancelled */
  :: d_step { wishes > 0 && !db.deleted && (FINISHED(db.status) || db.status == PROCESSING && db.cancelled) ->
       wishes--; db.deleted = true; db.erasing = true }
  /* services/api/actions/retries.py: a client's retry is a new job, and the old one stays as it is. Here the new one
     even gets the old one's row, the hardest case for the fence: whoever still works for the old one meets it. */
  :: d_step { wishes > 0 && !db.deleted && FINISHED(db.status) ->
       wishes--;
#ifndef RETRIED_IN_PLACE
       db.old_status = db.status; db.old_published = db.published; db.old_taken = taken;
       db.status = NONE;
#endif
       db.published = 0; db.token = 0; db.held = false; taken = false;
       db.cancelled = false;
#ifdef CLAIM_NUMBER
       db.claims = 0;
#endif
       move(PENDING, submit); db.outbox++; tidy(); check_files() }
  /* From here on nothing unusual happens any more: only then can rest be told from waiting for it. */
  :: d_step { faults > 0 || wishes > 0 || fail_overs > 0 || pauses > 0 ->
       faults = 0; wishes = 0; fail_overs = 0; pauses = 0; forget_standby(); tidy() }
  od
}

/* shared/jobs/pauses.py. Whoever pauses something resumes it, sooner or later. */
active proctype Operator() {
end:
  do
  :: d_step { pauses > 0 && db.pause == NONE -> pauses--; db.pause = HOLDS }
#ifdef RESUMED_WITHOUT_ITS_TIME
  :: d_step { db.pause == HOLDS -> db.pause = NONE }
#else
  :: d_step { db.pause == HOLDS -> db.pause = OVER }
#endif
  od
}

/* A standby that received everything up to some moment, and becomes the primary at a later one. That a 202 survives
   needs the submission to have been replicated; everything after it may be rewound. */
active proctype Standby() {
end:
  do
  :: d_step { !replicated && fail_overs > 0 && db.status != NONE ->
       standby.status = db.status; standby.attempt = db.attempt; standby.crashes = db.crashes;
       standby.token = db.token; standby.published = db.published;
       standby.outbox = db.outbox; standby.later = db.later;
       standby.expired = db.expired; standby.due = db.due; standby.late = db.late; standby.cancelled = db.cancelled;
       standby.deleted = db.deleted; standby.erasing = db.erasing;
       standby.pause = db.pause; standby.stood = db.stood; standby.held = db.held;
       standby.old_status = db.old_status; standby.old_published = db.old_published; standby.old_taken = db.old_taken;
#ifdef CLAIM_NUMBER
       standby.claims = db.claims;
#endif
       replicated = true }
  :: d_step { replicated ->
       fail_overs--;
       db.status = standby.status; db.attempt = standby.attempt; db.crashes = standby.crashes;
       db.token = standby.token; db.published = standby.published;
       db.outbox = standby.outbox; db.later = standby.later;
       db.expired = standby.expired; db.due = standby.due; db.late = standby.late; db.cancelled = standby.cancelled;
       db.deleted = standby.deleted; db.erasing = standby.erasing;
       db.pause = standby.pause; db.stood = standby.stood; db.held = standby.held;
       db.old_status = standby.old_status; db.old_published = standby.old_published; db.old_taken = standby.old_taken;
#ifdef CLAIM_NUMBER
       db.claims = standby.claims;
#endif
       sent = false;
       forget_standby(); tidy(); check_files() }
  od
}

active proctype Rest() {
  timeout;
  if
  :: FINISHED(db.status)
  :: else -> assert(at_rest_an_accepted_job_is_final)
  fi;
  if
  :: db.deleted && (db.erasing || db.published != 0) -> assert(at_rest_what_was_deleted_is_gone)
  :: else
  fi
}

init {
  atomic {
    byte n;
    do
    :: n < WORKERS -> run Worker(n); n++
    :: else -> break
    od
  }
}
