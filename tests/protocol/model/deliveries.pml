/* One job's end, and two webhooks that want to be told of it.

   A worker that ends the job and writes the event in one transaction; relays that spread the event, claim a delivery,
   send it, and write down how it went (services/relay/webhooks.py); receivers that take it, or answer nothing; an owner
   who deletes or disables a webhook. A transaction is one step, and what a process knows between two of them is lost
   when it dies. A lease may run out at any time, also while its holder goes on.

   A fault is a death, a commit that fails, an answer that is lost, or a lease that runs out. `test_deliveries.py`
   explores every run and removes one guard at a time (-D...): each must then be found out. */

#ifndef FAULTS
#define FAULTS 3
#endif
#define RELAYS 2
#define HOOKS 2
#define TRIES 3

#define NONE 0
mtype = { WAITING, DELIVERED, DEAD };

/* The promises. Never true: an assertion on one of them is reached only when it is broken. */
hidden byte nothing_is_sent_that_was_rolled_back;
hidden byte an_event_is_one_delivery_of_each_webhook;
hidden byte what_says_delivered_was_taken;
hidden byte who_lost_the_lease_writes_nothing;
hidden byte at_rest_what_is_owed_was_taken;
hidden byte at_rest_an_end_has_its_event;

bool ended;                 /* jobs.finished_at */
byte events;                /* webhook_events of the end */
bool spread;                /* spread_at */
bool disabled[HOOKS];       /* webhooks.disabled_at */
mtype rows[HOOKS];          /* webhook_deliveries.state; NONE: there is no row */
byte made[HOOKS];           /* rows of this webhook */
byte lease[HOOKS];          /* whose token the row has: a relay's, counted from 1, by its turn */
byte turn[HOOKS];           /* claims so far: what makes each token another one */
byte tries[HOOKS];          /* of this round */
bool taken[HOOKS];          /* the receiver has said 2xx, whoever heard that */

/* What a relay has under way: a webhook, counted from 1, the turn of its claim, and the answer. NONE: nothing. */
byte mine[RELAYS];
byte my_turn[RELAYS];
byte step[RELAYS];          /* 1 claimed, 2 answered well, 3 answered ill or not at all */
bool spreading[RELAYS];     /* in two transactions, where there are two */

byte faults = FAULTS;
hidden byte each;

inline fault() { faults > 0 -> faults-- }

inline forget(me) { mine[me] = 0; my_turn[me] = 0; step[me] = 0 }

inline deliver_to(hook) {
  if
  :: disabled[hook] -> skip
#ifdef NO_KEY_OF_DELIVERIES
  :: !disabled[hook] -> rows[hook] = WAITING; made[hook]++
#else
  :: !disabled[hook] && made[hook] == 0 -> rows[hook] = WAITING; made[hook]++
  :: !disabled[hook] && made[hook] != 0 -> skip
#endif
  fi;
  if
  :: made[hook] > 1 -> assert(an_event_is_one_delivery_of_each_webhook)
  :: else
  fi
}

inline give_up(hook) {
  if
  :: rows[hook] == WAITING -> rows[hook] = DEAD; lease[hook] = 0
  :: else
  fi
}

/* The transaction that ends the job: its commit, or its end without one. */
active proctype Worker() {
#ifdef EVENT_BEFORE_THE_COMMIT
  d_step { events = 1 };
  if
  :: d_step { ended = true }
  :: d_step { fault() }
  fi;
#endif
#ifdef EVENT_AFTER_THE_COMMIT
  d_step { ended = true };
  if
  :: d_step { events = 1 }
  :: d_step { fault() }
  fi;
#endif
#if !defined(EVENT_BEFORE_THE_COMMIT) && !defined(EVENT_AFTER_THE_COMMIT)
  if
  :: d_step { ended = true; events = 1 }
  :: d_step { fault() }     /* it is rolled back */
  fi
#endif
}

inline claim(me, hook) {
  turn[hook]++; lease[hook] = me + 1;
  mine[me] = hook + 1; my_turn[me] = turn[hook]; step[me] = 1
}

#ifdef NO_TOKEN
#define HOLDS(me, hook) (rows[hook] == WAITING)
#else
#define HOLDS(me, hook) (rows[hook] == WAITING && lease[hook] == me + 1 && turn[hook] == my_turn[me])
#endif

inline write_down(me, hook) {
  if
  :: HOLDS(me, hook) ->
     if
     :: turn[hook] != my_turn[me] -> assert(who_lost_the_lease_writes_nothing)
     :: else
     fi;
     lease[hook] = 0;
     if
     :: step[me] == 2 -> rows[hook] = DELIVERED
     :: step[me] == 3 && tries[hook] + 1 < TRIES + FAULTS -> tries[hook]++
     :: else -> rows[hook] = DEAD
     fi;
     if
     :: rows[hook] == DELIVERED && !taken[hook] -> assert(what_says_delivered_was_taken)
     :: else
     fi
  :: else
  fi;
  forget(me)
}

proctype Relay(byte me) {
end:
  do
  /* webhook_events.take and .spread */
#ifdef SPREAD_IS_TWO_COMMITS
  :: d_step { events != 0 && !spread && !spreading[me] -> spread = true; spreading[me] = true }
  :: d_step { spreading[me] -> deliver_to(0); deliver_to(1); spreading[me] = false }
  :: d_step { spreading[me] && faults > 0 -> faults--; spreading[me] = false }
#else
#ifdef NO_LOCK_OF_EVENTS
  :: d_step { events != 0 && !spread && !spreading[me] -> spreading[me] = true }
  :: d_step { spreading[me] -> deliver_to(0); deliver_to(1); spread = true; spreading[me] = false }
#else
  :: d_step { events != 0 && !spread -> deliver_to(0); deliver_to(1); spread = true }
#endif
#endif

  /* webhook_deliveries.claim */
  :: d_step { mine[me] == 0 && rows[0] == WAITING && lease[0] == 0 && !disabled[0] -> claim(me, 0) }
  :: d_step { mine[me] == 0 && rows[1] == WAITING && lease[1] == 0 && !disabled[1] -> claim(me, 1) }

  /* It is sent: taken, taken without an answer that arrives, or not taken. */
  :: d_step { step[me] == 1 ->
       if
       :: !ended -> assert(nothing_is_sent_that_was_rolled_back)
       :: else
       fi;
       taken[mine[me] - 1] = true; step[me] = 2 }
  :: d_step { step[me] == 1 && faults > 0 -> faults--; taken[mine[me] - 1] = true; step[me] = 3 }
  :: d_step { step[me] == 1 && faults > 0 -> faults--;
#ifdef SILENCE_IS_CONSENT
       step[me] = 2
#else
       step[me] = 3
#endif
       }

  /* webhook_deliveries.record */
#ifdef RECORDED_BEFORE_SENDING
  :: d_step { step[me] == 1 -> step[me] = 2; rows[mine[me] - 1] = DELIVERED; lease[mine[me] - 1] = 0; step[me] = 1 }
#endif
  :: d_step { step[me] == 2 || step[me] == 3 ->
       each = mine[me] - 1;
       write_down(me, each); each = 0 }

  /* It dies: what it had under way is another's when the lease is over. */
  :: d_step { mine[me] != 0 && faults > 0 -> faults--; forget(me) }
  od
}

/* A lease runs out: of a relay that died, as it must; of one that lives, as a fault. */
active proctype Leases() {
end:
  do
  :: d_step { lease[0] != 0 && mine[lease[0] - 1] != 1 -> lease[0] = 0 }
  :: d_step { lease[1] != 0 && mine[lease[1] - 1] != 2 -> lease[1] = 0 }
  :: d_step { lease[0] != 0 && faults > 0 -> faults--; lease[0] = 0 }
  :: d_step { lease[1] != 0 && faults > 0 -> faults--; lease[1] = 0 }
  od
}

/* The second webhook is disabled at any time, or never: what waits for it is given up in that commit. */
active proctype Owner() {
  if
  :: d_step { disabled[1] = true;
#ifndef WHAT_WAITS_IS_LEFT
       give_up(1)
#endif
     }
  :: skip
  fi
}

active proctype Rest() {
  timeout;
  d_step {
    if
    :: ended && events == 0 -> assert(at_rest_an_end_has_its_event)
    :: else
    fi;
    if
    :: ended && !taken[0] -> assert(at_rest_what_is_owed_was_taken)
    :: else
    fi;
    if
    :: ended && rows[0] != DELIVERED -> assert(at_rest_what_is_owed_was_taken)
    :: else
    fi;
    if
    :: rows[1] == WAITING -> assert(at_rest_what_is_owed_was_taken)
    :: else
    fi
  }
}

init {
  atomic {
    run Relay(0);
    run Relay(1)
  }
}
