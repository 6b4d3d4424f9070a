use http::{HeaderValue, StatusCode, header};
use hyper::body::Bytes;
use serde_json::Value;

use super::endpoint::Endpoint;
use super::evidence::LastCall;
use super::fault::{ApiFault, ApiFaultKind, RetryAfterHeader};
use super::faults::Decision;
use super::response::{ApiResponse, Body, Wire};
use crate::clock::Timestamp;

/// Applies the faults of a call to its response. First, [`refusal`](Self::refusal) can replace the endpoint's response.
/// Then [`apply`](Self::apply) changes the response, whatever it is. The endpoints themselves apply the faults that
/// concern pages, reads and tokens.
impl Decision {
    /// Returns the response that replaces the endpoint's response, if a fault refuses the call. An HTTP date counts
    /// from `wall`.
    pub(crate) fn refusal(&self, wall: Timestamp) -> Option<ApiResponse> {
        self.kinds().find_map(|trouble| {
            let ApiFaultKind::Status { code, retry_after } = trouble else { return None };
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            let reply = ApiResponse::refusal(status, status.canonical_reason().unwrap_or("Error"));
            let value = retry_after.and_then(|after| HeaderValue::from_str(&retry_after_text(after, wall)).ok());
            Some(match value {
                Some(value) => reply.header(header::RETRY_AFTER, value),
                None => reply,
            })
        })
    }

    /// Returns whether the client never gets a readable response. The content of an unreadable response counts as not
    /// served.
    pub(crate) fn is_lost(&self) -> bool {
        self.kinds().any(|trouble| {
            matches!(
                trouble,
                ApiFaultKind::NeverAnswers
                    | ApiFaultKind::ResetBefore
                    | ApiFaultKind::ResetInside
                    | ApiFaultKind::CutJson
                    | ApiFaultKind::MalformedJson
            )
        })
    }

    /// Returns what became of a call that was answered with this status.
    pub(crate) fn leaves(&self, status: StatusCode) -> LastCall {
        let misleads = |trouble| matches!(trouble, ApiFaultKind::StaleReads(_) | ApiFaultKind::WrongContentType);
        let refuses = |trouble| matches!(trouble, ApiFaultKind::Status { .. } | ApiFaultKind::ExpiredTokens);
        if self.has(ApiFaultKind::NeverAnswers) {
            LastCall::Unanswered
        } else if self.is_lost() || self.kinds().any(misleads) || (self.kinds().any(refuses) && !status.is_success()) {
            LastCall::Failed
        } else {
            LastCall::Answered
        }
    }

    /// Returns the response as the client gets it. Of several faults on the wire the first one counts. Delays add up.
    /// Faults that make JSON unreadable are applied last.
    pub(crate) fn apply(&self, mut reply: ApiResponse) -> ApiResponse {
        for trouble in self.kinds() {
            match trouble {
                ApiFaultKind::Delay(by) => reply = reply.delayed(by),
                ApiFaultKind::NeverAnswers => reply = over(reply, Wire::NeverAnswers),
                ApiFaultKind::ResetBefore => reply = over(reply, Wire::ResetBefore),
                ApiFaultKind::ResetInside => reply = over(reply, Wire::ResetInside),
                ApiFaultKind::UnknownMembers => edit(&mut reply.body, add_members),
                ApiFaultKind::UnknownStatus => edit(&mut reply.body, |json| set_status(json, self.endpoint)),
                ApiFaultKind::WrongContentType => {
                    reply = reply.header(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
                }
                _ => {}
            }
        }
        if self.has(ApiFaultKind::MalformedJson) {
            in_the_middle(&mut reply.body, malform);
        }
        if self.has(ApiFaultKind::CutJson) {
            if let Body::Lines(lines) = &mut reply.body {
                lines.truncate(lines.len() / 2 + 1);
            }
            in_the_middle(&mut reply.body, |json| json.slice(..json.len() / 2));
        }
        reply
    }
}

fn retry_after_text(after: RetryAfterHeader, wall: Timestamp) -> String {
    let ahead = match after {
        RetryAfterHeader::Seconds(seconds) => return seconds.to_string(),
        RetryAfterHeader::Date(ahead) => ahead,
    };
    // A date has whole seconds. The seconds are rounded up, so that no client is told to retry too early.
    let millis = (wall + ahead).as_millis();
    let seconds = millis.div_euclid(1_000) + i64::from(millis.rem_euclid(1_000) > 0);
    let date = jiff::Timestamp::from_second(seconds)
        .and_then(|date| jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date));
    date.unwrap_or_else(|_| ahead.as_secs().to_string())
}

fn over(reply: ApiResponse, wire: Wire) -> ApiResponse {
    if reply.wire == Wire::Clean { reply.over(wire) } else { reply }
}

/// Edits each JSON text of a body. Text that is not JSON stays as it is, and so does an open body.
fn edit(body: &mut Body, edit: impl Fn(&mut Value)) {
    let edited = |json: &Bytes| {
        let mut value = serde_json::from_slice(json).ok()?;
        edit(&mut value);
        Some(value.to_string())
    };
    match body {
        Body::Whole(json) => {
            if let Some(text) = edited(json) {
                *json = text.into();
            }
        }
        Body::Lines(lines) => {
            for json in lines {
                if let Some(text) = edited(json) {
                    *json = (text + "\n").into();
                }
            }
        }
        Body::Open(_) => {}
    }
}

/// Damages the body, or the line in its middle if the body consists of lines.
fn in_the_middle(body: &mut Body, damage: impl Fn(&Bytes) -> Bytes) {
    match body {
        Body::Whole(json) => *json = damage(json),
        Body::Lines(lines) => {
            let middle = lines.len() / 2;
            if let Some(json) = lines.get_mut(middle) {
                *json = damage(json);
            }
        }
        Body::Open(_) => {}
    }
}

/// Inserts a comma before the last bracket. A text that starts with a bracket is then not valid JSON.
fn malform(json: &Bytes) -> Bytes {
    let text = json.trim_ascii_end();
    let end = if text.ends_with(b"}") || text.ends_with(b"]") { text.len() - 1 } else { text.len() };
    [&json[..end], b",", &json[end..]].concat().into()
}

fn add_members(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(add_members),
        Value::Object(members) => {
            members.values_mut().for_each(add_members);
            members.insert(ApiFault::UNKNOWN_MEMBER.to_owned(), Value::Bool(true));
        }
        _ => {}
    }
}

/// Sets the status of each sync in the response. Any other status, for example that of a task, stays as it is, because
/// it comes from the provider.
fn set_status(json: &mut Value, endpoint: Option<Endpoint>) {
    let syncs = match endpoint {
        Some(Endpoint::EnableSync | Endpoint::GetSyncStatus | Endpoint::DisableSync | Endpoint::ReenableSync) => {
            std::slice::from_mut(json)
        }
        Some(Endpoint::ListSyncs) => {
            json.get_mut("data").and_then(Value::as_array_mut).map_or(&mut [][..], Vec::as_mut_slice)
        }
        _ => return,
    };
    for status in syncs.iter_mut().filter_map(|sync| sync.get_mut("status")).filter(|status| status.is_string()) {
        *status = ApiFault::UNKNOWN_STATUS.into();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::fake::faults::{CallInfo, Faults};

    const NOW: Timestamp = Timestamp::from_millis(0);

    fn decided(endpoint: Endpoint, troubles: &[ApiFaultKind]) -> Decision {
        let mut faults = Faults::new(0);
        for trouble in troubles {
            faults.add(ApiFault::new(*trouble));
        }
        faults.decide(&CallInfo { endpoint: Some(endpoint), user: None, sync: None }, NOW)
    }

    fn spoilt(endpoint: Endpoint, trouble: ApiFaultKind, json: &Value) -> Bytes {
        let reply = ApiResponse::json(StatusCode::OK, json.to_string());
        decided(endpoint, &[trouble]).apply(reply).body.joined()
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let refused = |retry_after, wall| {
            let decision = decided(Endpoint::PullRecords, &[ApiFaultKind::Status { code: 429, retry_after }]);
            let reply = decision.refusal(Timestamp::from_millis(wall)).unwrap();
            assert_eq!(reply.status, 429);
            reply.headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(refused(None, 0), None);
        assert_eq!(refused(Some(RetryAfterHeader::Seconds(30)), 0).as_deref(), Some("30"));
        let date = Some(RetryAfterHeader::Date(Duration::from_secs(60)));
        assert_eq!(refused(date, 784_111_717_000).as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(refused(date, 784_111_716_001).as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        let never = Some(RetryAfterHeader::Date(Duration::MAX));
        assert_eq!(refused(never, 0), Some(Duration::MAX.as_secs().to_string()), "no date is that far");
        assert!(decided(Endpoint::PullRecords, &[ApiFaultKind::EmptyPage]).refusal(NOW).is_none());
    }

    #[test]
    fn delays_add_up_and_the_first_wire_counts() {
        let second = ApiFaultKind::Delay(Duration::from_secs(1));
        let decision =
            decided(Endpoint::GetRecord, &[second, ApiFaultKind::ResetInside, ApiFaultKind::NeverAnswers, second]);
        let reply = decision.apply(ApiResponse::json(StatusCode::OK, "{}"));
        assert_eq!((reply.delay.as_secs(), reply.wire), (2, Wire::ResetInside));
        assert!(decision.is_lost());
        assert!(!decided(Endpoint::GetRecord, &[second, ApiFaultKind::UnknownMembers]).is_lost());
    }

    #[test]
    fn every_object_gets_a_member_and_every_sync_a_status() {
        let sync = json!({"id": "a", "status": "IDLE"});
        let added = |members: &Value| spoilt(Endpoint::GetRecord, ApiFaultKind::UnknownMembers, members);
        let unknown = ApiFault::UNKNOWN_MEMBER;
        assert_eq!(added(&json!([{"a": [{}]}])), json!([{"a": [{unknown: true}], unknown: true}]).to_string());

        let status = |endpoint, body: &Value| spoilt(endpoint, ApiFaultKind::UnknownStatus, body);
        let quarantined = json!({"id": "a", "status": "QUARANTINED"});
        assert_eq!(status(Endpoint::GetSyncStatus, &sync), quarantined.to_string());
        assert_eq!(status(Endpoint::ListSyncs, &json!({"data": [sync]})), json!({"data": [quarantined]}).to_string());
        let page = json!({"data": [{"status": "open"}]});
        assert_eq!(status(Endpoint::PullRecords, &page), page.to_string(), "a record's own status");
        for body in [json!({"statusCode": 404}), json!([]), json!({"status": 1})] {
            assert_eq!(status(Endpoint::GetSyncStatus, &body), body.to_string());
            let body = json!({"data": body});
            assert_eq!(status(Endpoint::ListSyncs, &body), body.to_string());
        }
        let listed = include_str!("../../schemas/common/sync_status.json");
        assert!(!listed.contains(ApiFault::UNKNOWN_STATUS) && !listed.contains("quarantined"));
    }

    #[test]
    fn of_lines_the_one_in_the_middle_is_damaged() {
        let damaged = |trouble| {
            let lines = ApiResponse::lines(["[1]", "[2]", "[3]"].map(str::to_owned));
            decided(Endpoint::StreamListObjects, &[trouble]).apply(lines).body.joined()
        };
        assert_eq!(damaged(ApiFaultKind::MalformedJson), "[1]\n[2,]\n[3]\n");
        assert_eq!(damaged(ApiFaultKind::CutJson), "[1]\n[2");
        assert_eq!(damaged(ApiFaultKind::UnknownMembers), "[1]\n[2]\n[3]\n");
    }

    #[test]
    fn html_is_only_said_to_be_there() {
        let reply = ApiResponse::json(StatusCode::OK, "{}").header(header::ETAG, HeaderValue::from_static("1"));
        let reply = decided(Endpoint::GetRecord, &[ApiFaultKind::WrongContentType]).apply(reply);
        assert_eq!(reply.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!((reply.headers.len(), reply.body.joined()), (2, Bytes::from_static(b"{}")));
    }

    fn object() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(json!(null)), any::<i32>().prop_map(Value::from), "[ -~é]{0,8}".prop_map(Value::from)];
        let any = leaf.prop_recursive(3, 20, 4, |inner| {
            let members = prop::collection::hash_map("[a-z\"]{0,4}", inner.clone(), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::from),
                members.prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        });
        prop::collection::hash_map("[a-z]{1,4}", any, 0..4)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn what_is_cut_or_malformed_is_no_json_any_more(json in object()) {
            for trouble in [ApiFaultKind::CutJson, ApiFaultKind::MalformedJson] {
                let body = spoilt(Endpoint::PullRecords, trouble, &json);
                prop_assert!(serde_json::from_slice::<Value>(&body).is_err(), "{:?}", body);
            }
        }

        #[test]
        fn what_gets_members_keeps_its_own(json in object()) {
            fn without(json: &mut Value) {
                match json {
                    Value::Array(items) => items.iter_mut().for_each(without),
                    Value::Object(members) => {
                        assert_eq!(members.remove(ApiFault::UNKNOWN_MEMBER), Some(json!(true)));
                        members.values_mut().for_each(without);
                    }
                    _ => {}
                }
            }
            let mut more: Value = serde_json::from_slice(&spoilt(Endpoint::GetRecord, ApiFaultKind::UnknownMembers, &json)).unwrap();
            without(&mut more);
            prop_assert_eq!(more, json);
        }
    }
}
