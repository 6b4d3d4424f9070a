//! Strategies for text, numbers, times and free-form objects: tidy values, and edge cases that break programs.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Number, Value, json};
use uuid::{Builder, Uuid};

use crate::contract::WORDS;

/// Generates `odd` in `edge` of a hundred cases, and `tidy` otherwise.
pub(super) fn mix<T: std::fmt::Debug>(
    edge: u32,
    tidy: impl Strategy<Value = T> + 'static,
    odd: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<T> {
    match edge.min(100) {
        0 => tidy.boxed(),
        100 => odd.boxed(),
        edge => prop_oneof![100 - edge => tidy, edge => odd].boxed(),
    }
}

/// Texts that often cause errors in programs.
const ODD: [&str; 40] = [
    "",
    " ",
    "\u{0}",
    "a\u{0}b",
    "\t\r\n",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}\u{2028}\u{2029}",
    "\u{feff}begins with a byte order mark",
    "\u{200b}\u{200d}\u{2060}",
    "\u{202e}txt.exe",
    "\u{fffd}\u{fffe}\u{ffff}",
    "\u{10ffff}",
    "\u{e000}\u{f8ff}",
    "é",
    "e\u{301}",
    "ﬀ",
    "ß",
    "İı",
    "Ω≈ç√∫˜µ≤≥÷",
    "日本語の報告書.pdf",
    "תקציב 2026",
    "تقرير",
    "𝒜𝓃𝓃𝓊𝒶𝓁",
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢",
    "null",
    "undefined",
    "NaN",
    "true",
    "0",
    "-1",
    "1e309",
    "__proto__",
    "../../etc/passwd",
    "C:\\con\\aux",
    "'; DROP TABLE records; --",
    "<script>alert(1)</script>",
    "${jndi:ldap://127.0.0.1/a}",
    "%00%2e%2e%2f",
];

pub(super) fn text(edge: u32) -> BoxedStrategy<String> {
    let tidy = (select(WORDS.as_slice()), select(WORDS.as_slice())).prop_map(|(a, b)| format!("{a} {b}"));
    let odd = prop_oneof![
        1_300 => select(ODD.as_slice()).prop_map(str::to_owned),
        600 => any::<String>(),
        99 => (select(ODD.as_slice()), 1..200_usize).prop_map(|(text, times)| text.repeat(times)),
        1 => (0..=64_usize).prop_map(|more| "x".repeat(1024 * 1024 + more)),
    ];
    mix(edge, tidy, odd)
}

/// Generates the name of a member that no schema lists.
fn key(edge: u32) -> BoxedStrategy<String> {
    let odd = select(&["", "a.b", "a/b", "~", "$ref", "__proto__", "constructor", "é", "\u{0}", "with space"][..]);
    mix(edge, select(WORDS.as_slice()).prop_map(str::to_owned), odd.prop_map(str::to_owned))
}

/// Generates objects without rules for their members.
pub(super) fn object(edge: u32) -> BoxedStrategy<Value> {
    let scalar = move || {
        prop_oneof![
            4 => text(edge).prop_map(Value::String),
            2 => integer(edge, None, None),
            1 => number(edge),
            1 => any::<bool>().prop_map(Value::Bool),
            1 => Just(Value::Null),
        ]
    };
    let flat = |members: std::ops::RangeInclusive<usize>| {
        vec((key(edge), scalar()), members).prop_map(|members| Value::Object(members.into_iter().collect()))
    };
    // Deeper than most programs expect, but within the 128 levels that serde_json reads.
    let deep = (20..100_u32, any::<bool>()).prop_map(|(depth, list)| {
        let nest = |inner, _| if list { json!([inner]) } else { json!({"deeper": inner}) };
        json!({"deeper": (0..depth).fold(Value::Null, nest)})
    });
    let nested = (flat(0..=2), flat(1..=3), vec(scalar(), 0..4)).prop_map(|(mut object, inner, list)| {
        object["within"] = inner;
        object["list"] = list.into();
        object
    });
    mix(
        edge,
        flat(0..=3),
        prop_oneof![4 => nested, 2 => deep, 1 => flat(50..=200), 1 => Just(Value::Object(Map::new()))],
    )
}

pub(super) fn integer(edge: u32, minimum: Option<i64>, maximum: Option<i64>) -> BoxedStrategy<Value> {
    let (least, most) = (minimum.unwrap_or(i64::MIN), maximum.unwrap_or(i64::MAX));
    let tidy = if maximum.is_none() { 0.max(least)..=100_000.max(least) } else { least..=most };
    let limits = [
        least,
        most,
        0,
        1,
        -1,
        127,
        128,
        255,
        256,
        65_535,
        65_536,
        2_147_483_647,
        2_147_483_648,
        -2_147_483_649,
        9_007_199_254_740_991,
        9_007_199_254_740_992,
        9_007_199_254_740_993,
    ];
    let limits: Vec<i64> = limits.into_iter().filter(|limit| (least..=most).contains(limit)).collect();
    mix(edge, tidy.prop_map(Value::from), select(limits).prop_map(Value::from))
}

pub(super) fn number(edge: u32) -> BoxedStrategy<Value> {
    let tidy = (0..10_000_000_i64)
        .prop_map(|cents| if cents % 100 == 0 { json!(cents / 100) } else { json!(hundredth(cents)) });
    let odd = select(&[0.0, -0.0, 0.1, 1e21, 1e308, 5e-324, -1.5, 9_007_199_254_740_993.0, 1e-7][..]);
    mix(edge, tidy, odd.prop_map(|number| Number::from_f64(number).map_or(Value::Null, Value::Number)))
}

#[expect(clippy::cast_precision_loss, reason = "sums of money are far below 2^53 cents")]
fn hundredth(cents: i64) -> f64 {
    cents as f64 / 100.0
}

pub(super) fn uuid(edge: u32) -> BoxedStrategy<String> {
    let tidy = any::<[u8; 16]>().prop_map(|bytes| Builder::from_sha1_bytes(bytes).into_uuid().to_string());
    let random = any::<[u8; 16]>().prop_map(|bytes| Builder::from_random_bytes(bytes).into_uuid().to_string());
    let upper = any::<[u8; 16]>().prop_map(|bytes| Uuid::from_bytes(bytes).to_string().to_uppercase());
    let limits = select(vec![Uuid::nil(), Uuid::max()]).prop_map(|uuid| uuid.to_string());
    mix(edge, tidy, prop_oneof![random, upper, limits])
}

/// The years 2010 to 2039, in seconds since 1970.
const YEARS: std::ops::Range<i64> = 1_262_304_000..2_208_988_800;

pub(super) fn date_time(edge: u32) -> BoxedStrategy<String> {
    let tidy = (YEARS, 0..1_000_i64).prop_map(|(seconds, millis)| {
        let timestamp = jiff::Timestamp::from_millisecond(seconds * 1_000 + millis);
        timestamp.map_or_else(|_| unreachable!("the years are in range"), |timestamp| format!("{timestamp:.3}"))
    });
    let odd = [
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999Z",
        "1970-01-01T00:00:00Z",
        "2000-02-29T23:59:59Z",
        "2016-12-31T23:59:60Z",
        "2024-02-29T12:00:00.000Z",
        "2026-03-29T02:30:00.000+01:00",
        "2026-11-24T00:00:00.123456789Z",
        "2026-11-24T00:00:00-00:00",
        "2026-11-24T14:00:00.000+14:00",
        "2038-01-19T03:14:08.000Z",
        "9999-12-31T23:59:59.999Z",
    ];
    mix(edge, tidy, select(odd.to_vec()).prop_map(str::to_owned))
}

pub(super) fn date(edge: u32) -> BoxedStrategy<String> {
    let tidy = (2010..2040_u16, 1..=12_u8, 1..=28_u8).prop_map(|(y, m, d)| format!("{y}-{m:02}-{d:02}"));
    mix(edge, tidy, select(vec!["0001-01-01", "1970-01-01", "2024-02-29", "9999-12-31"]).prop_map(str::to_owned))
}

pub(super) fn uri(edge: u32) -> BoxedStrategy<String> {
    let tidy = select(WORDS.as_slice()).prop_map(|word| format!("https://www.example.com/{word}"));
    let odd = [
        "https://[::1]:8080/",
        "http://user:password@example.com:81/a?b=c&d=%00#e",
        "urn:example:a:b",
        "mailto:a@example.com",
        "https://xn--nxasmq6b.example/",
    ];
    mix(edge, tidy, select(odd.to_vec()).prop_map(str::to_owned))
}
