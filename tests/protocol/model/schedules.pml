/* One schedule of Todoke, and everything that can happen to its ticks.

   Relays that read what is due, hold its row, and then write in one transaction what became of the tick, its job, and the
   schedule's next tick (services/relay/schedules.py); people who pause, resume, change and backfill it; a clock that goes
   on, and now and then back. A transaction is two steps: what it reads, and its commit. Between the two anything else
   may happen, for any time, and a relay that dies there leaves nothing. What becomes of a job, jobs.pml tells.

   Ticks are numbers, and so is the clock: tick 2 is due once the clock shows 2. A fault is a death or a clock that goes
   back; a wish is what somebody does to the schedule. `test_schedules.py` explores every run under each policy for
   missed ticks, and removes one guard at a time (-D...): each must then be found out. */

#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef WISHES
#define WISHES 2
#endif
#define RELAYS 2
#define TICKS 3

#define NONE 0
mtype = { WAITING, SUBMITTED, SKIPPED };
mtype = { RUN_ONCE, RUN_ALL, SKIP };

/* The promises. Never true: an assertion on one of them is reached only when it is broken. */
hidden byte a_tick_is_one_job;
hidden byte a_line_has_its_job;
hidden byte at_rest_every_tick_has_its_fate;

mtype policy;               /* of missed ticks */
byte now;
byte next_tick = 1;         /* NONE while it is paused; above TICKS when none is left */
byte lock;                  /* who holds the schedule's row: a relay, counted from 1 */
mtype lines[TICKS + 1];     /* schedule_ticks.fate */
byte jobs[TICKS + 1];       /* jobs of the tick */

byte owed_from;             /* while it is paused: the tick that was next */
bool excused[TICKS + 1];    /* it came while the schedule was paused */

/* What a transaction has read. NONE: it is not in one. */
byte first[RELAYS];         /* the tick that is due */
byte seen[RELAYS];          /* what the clock said */
byte asked[RELAYS];         /* a tick that somebody asked for */
byte left[RELAYS];          /* what a second transaction still has to do, where there is one */

byte faults = FAULTS;
byte wishes = WISHES;

/* Within one step only. */
hidden byte each, runs, settled;

#ifdef NO_LOCK
#define FREE (true)
#define TAKE(me) skip
#else
#define FREE (lock == 0)
#define TAKE(me) lock = me + 1
#endif

/* ON CONFLICT (schedule_id, tick): a tick that has its line keeps it, unless it waits. */
#ifdef NO_TICK_KEY
#define OPEN(t) (true)
#else
#define OPEN(t) (lines[t] == NONE || lines[t] == WAITING)
#endif

inline let_go(me) {
  first[me] = 0; seen[me] = 0; asked[me] = 0; left[me] = 0;
  if
  :: lock == me + 1 -> lock = 0
  :: else
  fi
}

inline submit(tick) {
  if
  :: OPEN(tick) ->
     lines[tick] = SUBMITTED;
     jobs[tick]++;
     if
     :: jobs[tick] > 1 -> assert(a_tick_is_one_job)
     :: else
     fi
  :: else
  fi
}

/* shared/schedules/turn.py: which tick runs, if any, and up to which all are settled. */
inline decide(me) {
  if
  :: policy == RUN_ONCE -> runs = seen[me]; settled = runs
  :: policy == RUN_ALL -> runs = first[me]; settled = runs
  :: policy == SKIP && first[me] == seen[me] -> runs = first[me]; settled = runs
  :: policy == SKIP && first[me] != seen[me] -> runs = NONE; settled = seen[me]
  fi
}

inline skip_missed(me) {
  each = first[me];
  do
  :: each <= settled ->
     if
     :: each != runs && (lines[each] == NONE || lines[each] == WAITING) -> lines[each] = SKIPPED
     :: else
     fi;
     each++
  :: else -> break
  od;
  each = 0
}

inline go_on() {
  if
  :: next_tick == NONE                    /* paused meanwhile, where nothing held the row */
  :: else ->
#ifdef NEXT_BY_THE_CLOCK
     next_tick = now + 1
#else
     next_tick = settled + 1
#endif
  fi
}

proctype Relay(byte me) {
end:
  do
  /* schedules.due */
  :: d_step { first[me] == 0 && asked[me] == 0 && left[me] == 0 && FREE && next_tick != NONE && next_tick <= now ->
       TAKE(me); first[me] = next_tick; seen[me] = now }

  /* COMMIT of schedules.move and jobs.submit; whether the reply comes makes no difference */
#if defined(NEXT_TICK_FIRST)
  :: d_step { first[me] != 0 && left[me] == 0 -> decide(me); skip_missed(me); go_on(); left[me] = runs;
       if
       :: runs == NONE -> let_go(me)
       :: else
       fi;
       runs = 0; settled = 0 }
  :: d_step { left[me] != 0 -> submit(left[me]); let_go(me) }
#elif defined(NEXT_TICK_LAST)
  :: d_step { first[me] != 0 && left[me] == 0 -> decide(me); skip_missed(me); left[me] = settled + 1;
       if
       :: runs != NONE -> submit(runs)
       :: else
       fi;
       runs = 0; settled = 0 }
  :: d_step { left[me] != 0 -> settled = left[me] - 1; go_on(); let_go(me); settled = 0 }
#else
  :: d_step { first[me] != 0 -> decide(me); skip_missed(me);
       if
       :: runs != NONE -> submit(runs)
       :: else
       fi;
       go_on(); let_go(me); runs = 0; settled = 0 }
#endif

  /* schedules.waiting: the tick's row is held, and not the schedule's; COMMIT of schedules.settle and jobs.submit */
  :: d_step { first[me] == 0 && asked[me] == 0 && lines[1] == WAITING && asked[0] != 1 && asked[1] != 1 -> asked[me] = 1 }
  :: d_step { first[me] == 0 && asked[me] == 0 && lines[2] == WAITING && asked[0] != 2 && asked[1] != 2 -> asked[me] = 2 }
  :: d_step { first[me] == 0 && asked[me] == 0 && lines[3] == WAITING && asked[0] != 3 && asked[1] != 3 -> asked[me] = 3 }
  :: d_step { asked[me] != 0 ->
       if
       :: lines[asked[me]] == WAITING -> submit(asked[me])
       :: else
       fi;
       let_go(me) }

  /* It dies: what it had not committed has not been. */
  :: d_step { faults > 0 && (first[me] != 0 || asked[me] != 0) -> faults--; let_go(me) }
  od
}

active proctype Clock() {
end:
  do
  :: d_step { policy != 0 && now < TICKS -> now++ }
  :: d_step { now > 0 && faults > 0 -> faults--; now-- }
  od
}

inline goes_on_after_pause() {
  each = owed_from;
  do
  :: each <= now && each <= TICKS -> excused[each] = true; each++
  :: else -> break
  od;
  each = 0; owed_from = 0;
  next_tick = now + 1
}

inline ask_for(tick) {
  wishes--;
  lines[tick] = WAITING
}

/* services/api/actions: each holds the schedule's row. */
active proctype Somebody() {
  if
  :: policy = RUN_ONCE
  :: policy = RUN_ALL
  :: policy = SKIP
  fi;
end:
  do
  :: d_step { wishes > 0 && lock == 0 && next_tick != NONE -> wishes--; owed_from = next_tick; next_tick = NONE }
  :: d_step { next_tick == NONE && lock == 0 -> goes_on_after_pause() }
  /* A change of its parameters: its owner, or what it asks for. */
#ifdef A_CHANGE_PASSES_WHAT_IS_DUE
  :: d_step { wishes > 0 && lock == 0 && next_tick != NONE -> wishes--; next_tick = now + 1 }
#endif
  :: d_step { wishes > 0 && lock == 0 && 1 <= now && (lines[1] == NONE || lines[1] == SKIPPED) -> ask_for(1) }
  :: d_step { wishes > 0 && lock == 0 && 2 <= now && (lines[2] == NONE || lines[2] == SKIPPED) -> ask_for(2) }
  :: d_step { wishes > 0 && lock == 0 && 3 <= now && (lines[3] == NONE || lines[3] == SKIPPED) -> ask_for(3) }
  /* From here on nothing unusual happens any more. */
  :: d_step { faults > 0 || wishes > 0 -> faults = 0; wishes = 0 }
  od
}

active proctype Rest() {
  timeout;
  d_step {
    each = 1;
    do
    :: each <= TICKS ->
       if
       :: (lines[each] == SUBMITTED) != (jobs[each] == 1) -> assert(a_line_has_its_job)
       :: else
       fi;
       if
       :: (lines[each] == NONE || lines[each] == WAITING) && !excused[each] -> assert(at_rest_every_tick_has_its_fate)
       :: else
       fi;
       each++
    :: else -> break
    od
  }
}

init {
  atomic {
    run Relay(0);
    run Relay(1)
  }
}
