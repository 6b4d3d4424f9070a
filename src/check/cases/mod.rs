//! The cases, with one file for each family, and the list of all cases.

mod ack;
mod conv;
mod iso;
mod out;
mod pol;
mod pull;
mod rec;

use std::collections::BTreeSet;

use super::case::{Case, Family, Level};
use super::converge::replays;

/// Pseudo case for a scenario that the user supplies. It is not in the list of cases, but it is judged like them.
pub(super) const REPLAY: Case = Case {
    id: "conv-replay",
    family: Family::Conv,
    level: Level::Should,
    title: "after this scenario and a day without faults, all records are correct",
    title_unseen: Some(
        "after this scenario and a day without faults, the latest version of every record was fetched; the stored \
         records were not checked",
    ),
    why: "This is the scenario that you asked to replay.",
    fix: "Find the first step after which the receiver's records are wrong, and trace what the receiver did with the \
          event of that step.",
    needs: &[],
    presumes: &[],
    rests_on: &["sync.initial", "sync.incremental", "sync.full", "feed.cursor", "webhook.retry"],
    run: |context| Box::pin(replays(context)),
};

/// Returns all cases, in the order in which they begin.
///
/// Cases that most others presume come first. Cases that may take the receiver down come last. Cases that end the
/// receiver's process come before the generated histories. The reason is that a receiver may pull every sync that it
/// knows when it starts again, and the histories create many syncs.
pub fn cases() -> &'static [Case] {
    const CASES: &[Case] = &[
        ack::EVERY_EVENT,
        pull::TOKEN,
        rec::CREATED,
        pull::ALL_PAGES,
        ack::VERIFICATION,
        ack::UNKNOWN_MEMBERS,
        ack::UNKNOWN_EVENT,
        ack::OLDER_REVISION,
        ack::LARGE,
        ack::ODD,
        ack::CHUNKED,
        ack::DRIBBLED,
        ack::EXPECT_CONTINUE,
        ack::BURST,
        pull::EMPTY_PAGE,
        pull::NULL_CURSOR,
        pull::REPEATED,
        pull::CHANGING,
        pull::NEW_MEMBERS,
        pull::SERVER_ERROR,
        pull::RESET,
        pull::CUT_JSON,
        pull::TOKEN_EXPIRED,
        pull::RATE_LIMITED,
        pull::NO_HAMMERING,
        pull::LATE_RECORD,
        pull::RESUME,
        rec::UPDATED,
        rec::RESTORED,
        rec::DELETED,
        rec::NOTHING_LEFT,
        rec::MANY_AT_ONCE,
        rec::DUPLICATE,
        rec::TOGETHER,
        rec::RECREATED,
        rec::UPDATED_FIRST,
        rec::DELETED_UNKNOWN,
        rec::FORGED_DELETION,
        rec::ERRORED,
        rec::SYNC_ERRORED,
        rec::ODD,
        iso::TWO_USERS,
        iso::TWO_SYNCS,
        iso::DELETION,
        out::UNREACHABLE,
        out::API_FAILING,
        out::DISABLED,
        out::ANSWER_LOST,
        out::HANG_UP,
        out::RESTART,
        out::KILLED_AT_START,
        out::KILLED_AFTER_ACK,
        out::KILLED_IN_PULL,
        conv::QUIET,
        conv::REDELIVERY,
        conv::OUTAGES,
        conv::API,
        conv::HOSTILE,
        pol::MINUTES,
        pol::HOURS,
        pol::DAYS,
        pull::DELETED_SYNC,
        rec::FORGED_SYNC,
        iso::FORGED_USER,
        pull::HANGS,
        ack::SLOW_API,
        ack::MALFORMED,
    ];
    CASES
}

/// Returns the ids of these cases and of all cases that they presume, directly or by way of others, in the order in
/// which the cases run.
pub(super) fn with_presumed(ids: &[&'static str]) -> Vec<&'static str> {
    let find = |id: &str| cases().iter().find(|case| case.id == id);
    let mut known = BTreeSet::new();
    let mut open: Vec<&str> = ids.to_vec();
    while let Some(id) = open.pop() {
        if known.insert(id) {
            open.extend(find(id).into_iter().flat_map(|case| case.presumes));
        }
    }
    cases().iter().map(|case| case.id).filter(|id| known.contains(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Grade;

    #[test]
    fn cases_are_well_described_and_must_rests_on_documents_alone() {
        assert!(cases().len() >= 45);
        for (i, case) in cases().iter().enumerate() {
            assert!(cases()[..i].iter().all(|other| other.id != case.id), "{} twice", case.id);
            assert_eq!(case.rules().count(), case.rests_on.len(), "{} rests on a rule that is not there", case.id);
            assert!(!case.rests_on.is_empty() && !case.why.is_empty() && !case.fix.is_empty(), "{}", case.id);
            if case.level == Level::Must {
                assert_eq!(case.grade(), Grade::Documented, "{} must not rest on {:?}", case.id, case.assumes());
            }
            assert_eq!(case.assumes().is_empty(), case.grade() == Grade::Documented, "{}", case.id);
            let family = serde_json::to_value(case.family).unwrap();
            assert!(case.id.starts_with(&format!("{}-", family.as_str().unwrap())), "{}", case.id);
        }
        // The case also rests on two documented rules, which `assumes` leaves out.
        assert_eq!(rec::DUPLICATE.assumes(), ["webhook.duplicate"]);
    }
}
