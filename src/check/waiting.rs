//! Decides when a wrong receiver is at rest, so that it can be judged. Does no I/O: the caller looks at the receiver
//! and passes in what it saw.

use std::time::Duration;

use crate::fake::{Activity, LastCall};

/// Limits on the wait for a receiver that is wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Time without activity after which the receiver counts as at rest.
    pub(super) settle: Duration,
    /// Maximum wait for a receiver that is still at work.
    pub(super) patience: Duration,
}

impl Limits {
    /// Returns the settle time of a receiver that has never called the API. It is a little longer than the usual settle
    /// time.
    fn of_mute(self) -> Duration {
        self.settle * 6 / 5
    }

    /// Returns the longest expected pause after a failed call. A receiver that polls by itself is noticed within this
    /// time.
    pub(super) fn of_pause(self) -> Duration {
        self.settle * 7 / 2
    }
}

/// Observation of a receiver at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Time since the wait began.
    pub(super) at: Duration,
    /// Activity of the receiver in the lane of the case.
    pub(super) activity: Activity,
    /// Activity of the receiver for all users.
    pub(super) overall: Overall,
}

/// Activity of a receiver for all users of the run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Overall {
    /// Time since its last call that was work. Repeated calls of a loop that finds nothing new are no work.
    pub(super) quiet: Duration,
    /// Age of the newest event that the receiver followed with a call. `None` if there is no such event.
    pub(super) followed: Option<Duration>,
    /// Whether the receiver has ever called the API.
    pub(super) has_called: bool,
    /// Whether a call of the receiver waits for a response that never comes.
    pub(super) waits: bool,
    /// Longest pause after which the receiver made a call without an event. `None` if it never did.
    pub(super) looks_again: Option<Duration>,
    /// Time since the run began.
    pub(super) watched: Duration,
}

/// State of a receiver that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The receiver may still become right. The text says what it was last seen doing.
    AtWork(String),
    /// The receiver has had its time. The text says how that is known.
    AtRest(String),
    /// The receiver is still at work, but the patience is over. The text says what it was last seen doing.
    OutOfPatience(String),
}

/// Formats a duration in whole seconds, or in milliseconds if it is shorter than a second.
fn rounded(span: Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        seconds => format!("{seconds} s"),
    }
}

/// Observes one receiver while it is wrong.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    limits: Limits,
    seen: Activity,
    wrong: u64,
    last_call: Duration,
    last_change: Duration,
    /// Longest pause between a failed call and the next call.
    longest_pause: Duration,
}

impl Waiting {
    pub(super) fn new(limits: Limits, activity: Activity) -> Self {
        let zero = Duration::ZERO;
        Self { limits, seen: activity, wrong: 0, last_call: zero, last_change: zero, longest_pause: zero }
    }

    /// Takes an observation and returns the receiver's state. `wrong` is a digest of what is wrong.
    pub(super) fn look(&mut self, seen: Seen, wrong: u64) -> State {
        let Seen { at, activity, .. } = seen;
        let was = std::mem::replace(&mut self.seen, activity);
        if activity.calls != was.calls {
            if was.last == LastCall::Failed {
                self.longest_pause = self.longest_pause.max(at.saturating_sub(self.last_call));
            }
            self.last_call = at;
        }
        let failed_again = activity.last == LastCall::Failed && activity.calls != was.calls;
        if activity.news != was.news || activity.attempts != was.attempts || wrong != self.wrong || failed_again {
            self.last_change = at;
        }
        self.wrong = wrong;
        match self.rest(&seen) {
            Ok(how) => State::AtRest(how),
            Err(doing) if at >= self.limits.patience => State::OutOfPatience(doing),
            Err(doing) => State::AtWork(doing),
        }
    }

    /// Returns whether the receiver may not have reached the events of this case yet, because it is busy with other
    /// cases. It has reached them if it has followed an event that was sent much later.
    fn is_behind(&self, seen: &Seen) -> bool {
        let settle = self.limits.settle;
        let quiet = seen.at.saturating_sub(self.last_call.max(self.last_change));
        let has_passed = seen.overall.followed.is_some_and(|age| quiet >= age + settle);
        seen.overall.quiet < settle && !has_passed
    }

    /// Returns how it is known that the receiver is at rest, or, as an error, what it is doing.
    fn rest(&self, seen: &Seen) -> Result<String, String> {
        let Limits { settle, .. } = self.limits;
        let Seen { at, activity, overall } = *seen;
        let since_call = at.saturating_sub(self.last_call);
        let quiet = at.saturating_sub(self.last_call.max(self.last_change));
        match activity.last {
            LastCall::Unanswered => return Err("the receiver waits for a response that never comes".to_owned()),
            LastCall::Failed => {
                let pause = self.limits.of_pause().max(4 * self.longest_pause);
                return if since_call >= pause {
                    Ok(format!("the receiver's last call failed, and it has made no other call for {}", rounded(pause)))
                } else {
                    Err(format!(
                        "the receiver's last call failed {} ago, so the receiver may be waiting to retry",
                        rounded(since_call)
                    ))
                };
            }
            LastCall::Answered => {}
        }
        // One call was made at least three times, so the receiver has gone round a loop at least twice. A few looks after
        // an event are no loop: the receiver has to be still in it.
        let period = overall.looks_again.unwrap_or(settle / 2);
        if activity.rounds >= 3 && since_call <= period + settle / 10 {
            let unchanged = at.saturating_sub(self.last_change);
            return if unchanged >= settle.max(2 * period + settle / 10) {
                Ok(format!("for {} the receiver has only repeated calls that found nothing new", rounded(unchanged)))
            } else {
                Err(format!("the receiver repeats its calls, and something changed {} ago", rounded(unchanged)))
            };
        }
        if overall.waits {
            return Err("a call for another user waits for a response that never comes".to_owned());
        }
        if self.is_behind(seen) {
            return Err("the receiver is busy with the data of other users".to_owned());
        }
        let needed = match overall.looks_again {
            _ if !overall.has_called => self.limits.of_mute(),
            Some(pause) => settle.max(2 * pause + settle / 10),
            // It is not known yet whether the receiver polls by itself.
            None if overall.watched < self.limits.of_pause() => settle.max(quiet + settle / 10),
            None => settle,
        };
        if quiet >= needed {
            Ok(format!("the receiver has made no call for {}", rounded(needed)))
        } else {
            Err(format!("the receiver's last call was {} ago", rounded(since_call)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMITS: Limits = Limits { settle: Duration::from_secs(10), patience: Duration::from_secs(90) };

    fn activity(calls: u64, news: u64, last: LastCall) -> Activity {
        Activity { attempts: 1, calls, work: calls, rounds: 1, news, last, has_answered: true }
    }

    fn overall() -> Overall {
        Overall { quiet: 100 * SECOND, has_called: true, watched: 100 * SECOND, ..Overall::default() }
    }

    /// Takes an observation each second. Returns when and how the wait ended.
    fn ends(seen: impl Fn(u32) -> Seen) -> (u32, State) {
        let mut waiting = Waiting::new(LIMITS, seen(0).activity);
        (0..400)
            .map(|second| (second, waiting.look(seen(second), 7)))
            .find(|(_, state)| !matches!(state, State::AtWork(_)))
            .expect("no wait is for ever")
    }

    fn seen(second: u32, activity: Activity) -> Seen {
        Seen { at: second * SECOND, activity, overall: overall() }
    }

    #[test]
    fn a_silent_receiver_is_at_rest_after_the_settle_time() {
        let (second, state) = ends(|second| seen(second, activity(1, 1, LastCall::Answered)));
        assert_eq!((second, state), (10, State::AtRest("the receiver has made no call for 10 s".to_owned())));
    }

    #[test]
    fn a_receiver_that_never_called_gets_a_little_longer() {
        let mute = |second| Seen {
            overall: Overall { has_called: false, ..overall() },
            ..seen(second, activity(0, 0, LastCall::Answered))
        };
        assert_eq!(ends(mute).0, 12);
    }

    #[test]
    fn at_the_start_of_a_run_the_receiver_may_be_polling() {
        let early = |second: u32| Seen {
            overall: Overall { watched: second * SECOND, ..overall() },
            ..seen(second, activity(1, 1, LastCall::Answered))
        };
        assert_eq!(ends(early).0, 35);
        let looks = |second| Seen {
            overall: Overall { looks_again: Some(30 * SECOND), ..overall() },
            ..seen(second, activity(1, 1, LastCall::Answered))
        };
        assert_eq!(ends(looks).0, 61);
    }

    #[test]
    fn a_polling_receiver_is_at_rest_after_two_rounds_without_a_change() {
        let polls = |second: u32| {
            let rounds = u64::from(second / 5);
            seen(second, Activity { rounds, ..activity(u64::from(second), 1, LastCall::Answered) })
        };
        let (second, state) = ends(polls);
        assert_eq!(second, 15);
        assert!(matches!(state, State::AtRest(how) if how.contains("only repeated calls")));
    }

    /// The receiver calls 1, 2 and 3 s after the event, and its loop calls every 20 s.
    #[test]
    fn calls_soon_after_an_event_do_not_count_as_rounds_of_a_slow_loop() {
        let looks = |second: u32| {
            let calls = 1 + u64::from(second.min(3)) + u64::from(second / 20);
            let activity = Activity { rounds: calls, ..activity(calls, 1, LastCall::Answered) };
            Seen { overall: Overall { looks_again: Some(20 * SECOND), ..overall() }, ..seen(second, activity) }
        };
        let (second, state) = ends(looks);
        assert_eq!(second, 41, "two rounds, and a little");
        let how = "for 41 s the receiver has only repeated calls that found nothing new";
        assert_eq!(state, State::AtRest(how.to_owned()));
        let once = |second: u32| {
            let calls = 1 + u64::from(second.min(3));
            let activity = Activity { rounds: calls, ..activity(calls, 1, LastCall::Answered) };
            Seen { overall: Overall { watched: second * SECOND, ..overall() }, ..seen(second, activity) }
        };
        assert_eq!(ends(once).0, 35, "nobody knows yet whether it looks again by itself");
    }

    #[test]
    fn a_long_backoff_after_a_failed_call_is_waited_for() {
        let once = |second| seen(second, activity(1, 1, LastCall::Failed));
        assert_eq!(ends(once).0, 35);
        // The pauses are 1, 2, 4, 8 and 16 s. The receiver gets four times the longest pause.
        let backs_off = |second: u32| {
            let calls = [1, 3, 7, 15, 31].iter().filter(|at| **at <= second).count() as u64;
            seen(second, activity(calls, 1, LastCall::Failed))
        };
        let (second, state) = ends(backs_off);
        assert!(second == 90 && matches!(state, State::OutOfPatience(_)), "{second} {state:?}");
    }

    #[test]
    fn a_call_without_a_response_is_waited_for_until_the_patience_ends() {
        let (second, state) = ends(|second| seen(second, activity(1, 1, LastCall::Unanswered)));
        assert_eq!(
            (second, state),
            (90, State::OutOfPatience("the receiver waits for a response that never comes".to_owned()))
        );
    }

    #[test]
    fn work_for_other_cases_is_waited_for() {
        let busy = |second: u32| Seen {
            overall: Overall { quiet: SECOND * second.saturating_sub(60), ..overall() },
            ..seen(second, activity(1, 1, LastCall::Answered))
        };
        assert_eq!(ends(busy).0, 70);
        let for_ever = |followed| {
            move |second| Seen {
                overall: Overall { quiet: Duration::ZERO, followed, ..overall() },
                ..seen(second, activity(1, 1, LastCall::Answered))
            }
        };
        assert_eq!(ends(for_ever(None)).0, 90);
        // The receiver follows events that were sent later, so it has reached the events of this case.
        assert_eq!(ends(for_ever(Some(SECOND))).0, 11);
    }

    #[test]
    fn every_change_restarts_the_wait() {
        let slow = |second: u32| seen(second, activity(1, u64::from(second.min(40)), LastCall::Answered));
        assert_eq!(ends(slow).0, 50);
    }
}
