//! One file for each family of cases, and the list of all.

mod ack;
mod out;
mod pull;
mod rec;

use super::case::Case;

/// All cases, in the order in which they run. The one that may take the receiver down is the last.
pub fn cases() -> &'static [Case] {
    const CASES: &[Case] = &[
        ack::EVERY_EVENT,
        ack::UNKNOWN_MEMBERS,
        pull::ALL_PAGES,
        rec::CREATED,
        rec::UPDATED,
        rec::DELETED,
        rec::DUPLICATE,
        out::UNREACHABLE,
        out::API_FAILING,
        ack::MALFORMED,
    ];
    CASES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Level;
    use crate::contract::Grade;

    #[test]
    fn cases_are_well_described_and_must_rests_on_documents_alone() {
        for (i, case) in cases().iter().enumerate() {
            assert!(cases()[..i].iter().all(|other| other.id != case.id), "{} twice", case.id);
            assert_eq!(case.rules().count(), case.rests_on.len(), "{} rests on a rule that is not there", case.id);
            assert!(!case.rests_on.is_empty() && !case.why.is_empty() && !case.fix.is_empty(), "{}", case.id);
            if case.level == Level::Must {
                assert_eq!(case.grade(), Grade::Documented, "{} must not rest on {:?}", case.id, case.assumes());
            }
        }
    }
}
