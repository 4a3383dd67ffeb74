//! Any delivery: it is taken as its text says, if its signature is that of the whole body.

use std::fmt::Write as _;
use std::sync::LazyLock;

use aws_lc_rs::hmac;
use http::HeaderValue;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::event::Malformed;
use super::*;
use crate::property::cases::cases;
use crate::property::mutation::{any_bytes, any_json, recorded};
use crate::revocation::record::Event;

const SECRET: &str = "whsec-of-the-project";

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    static BODIES: LazyLock<Vec<Value>> = LazyLock::new(|| {
        let recorded = recorded("webhooks.json");
        let events = recorded["events"].as_array().unwrap().iter();
        let bodies = events.map(|event| event["body"].as_str().unwrap());
        let mut bodies: Vec<Value> = bodies
            .map(|body| serde_json::from_str(body).unwrap())
            .collect();
        for name in NAMES {
            // Few members, so that a change hits one that counts.
            bodies.push(json!({
                "id": "0000000000000007", "seq": 7, "type": name,
                "payload": { "user": { "id": "someone-with-a-name", "temporarily_disabled_from": null } },
                "context": { "timestamp": 1_795_511_449 },
            }));
        }
        bodies
    });
    // Whether the window lies ahead is a matter of a second.
    let off_by = prop::option::weighted(0.9, 0..3_u64);
    let dated = (any::<Index>(), any_date(), any::<bool>(), off_by).prop_map(
        |(body, date, own, off_by)| {
            let mut body = body.get(&BODIES).clone();
            let place = if own { "/payload" } else { "/payload/user" };
            if let Some(object) = body.pointer_mut(place) {
                object["temporarily_disabled_from"] = json!(date);
            }
            if let (Some(second), Some(off_by)) = (second(&date), off_by) {
                body["context"]["timestamp"] = json!((second + off_by).saturating_sub(1));
            }
            body.to_string().into_bytes()
        },
    );
    prop_oneof![2 => any_json(&BODIES), 1 => dated]
}

fn any_date() -> impl Strategy<Value = String> {
    "(19|20|99|00)[0-9]{2}-(0[1-9]|1[0-3])-([0-2][0-9]|30|31)[Tt ]([01][0-9]|2[0-4]):[0-5][0-9]:([0-5][0-9]|60)(\\.[0-9]{0,3})?(Z|z|[+-][01][0-9]:[0-6][0-9]|)"
}

const NAMES: [&str; 9] = [
    "user.disabled",
    "user.reenabled",
    "user.deleted",
    "user.anonymized",
    "user.deletion_scheduled",
    "user.deletion_unscheduled",
    "user.anonymization_scheduled",
    "user.anonymization_unscheduled",
    "user.created",
];

/// Who is meant, and what happened. `None` for a delivery of no effect.
type Expected = Option<(String, String, Event)>;

fn expected(body: &[u8]) -> Option<Expected> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let payload = body.get("payload")?.as_object()?;
    body.get("id")?.as_str()?;
    let (seq, at) = (
        body.get("seq")?.as_u64()?,
        body.pointer("/context/timestamp")?.as_u64()?,
    );
    let name = body.get("type")?.as_str()?;
    // The first second of the year 10000.
    if at >= 253_402_300_800 {
        return None;
    }
    if name == "user.created" || !NAMES.contains(&name) {
        return Some(None);
    }
    let id = body.pointer("/payload/user/id")?.as_str()?;
    if id.is_empty() || id.len() > 8_192 {
        return None;
    }
    let window = |value: Option<&Value>| match value {
        None | Some(Value::Null) => Some(None),
        Some(value) => second(value.as_str()?).map(Some),
    };
    let of_user = window(body.pointer("/payload/user/temporarily_disabled_from"));
    let begin = if name == "user.disabled" {
        window(payload.get("temporarily_disabled_from"))?.or(of_user?)
    } else {
        of_user?
    };
    let ahead = begin.filter(|begin| *begin > at);
    let ends = match name {
        "user.disabled" => ahead.is_none(),
        "user.reenabled" => false,
        name => !name.ends_with("_unscheduled"),
    };
    let window = ahead.filter(|_| name != "user.reenabled");
    Some(Some((
        id.to_owned(),
        name.to_owned(),
        Event {
            seq,
            at,
            ends,
            window,
        },
    )))
}

/// RFC 3339 §5.6, rounded up to a second: counted from the years before, and not from an era.
fn second(text: &str) -> Option<u64> {
    let (local, rest) = text.split_at_checked(19)?;
    for (place, wanted) in [(4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":")] {
        wanted.find(local.as_bytes()[place] as char)?;
    }
    let digits = |text: &str| {
        let are_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|_| are_digits)
    };
    let part = |from: usize, length: usize| digits(local.get(from..from + length)?);
    let (year, month, day) = (part(0, 4)?, part(5, 2)?, part(8, 2)?);
    let (hour, minute, second) = (part(11, 2)?, part(14, 2)?, part(17, 2)?);
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let february = if is_leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = lengths.get(usize::try_from(month - 1).ok()?)?;
    if !(1..=*length).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (zone, has_fraction) = match rest.strip_prefix('.') {
        None => (rest, false),
        Some(rest) => {
            let zone = rest.trim_start_matches(|char: char| char.is_ascii_digit());
            let fraction = rest
                .strip_suffix(zone)
                .filter(|fraction| !fraction.is_empty())?;
            (zone, fraction.contains(|digit| digit != '0'))
        }
    };
    let east = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign @ ("+" | "-"), offset) if offset.len() == 5 => {
            let (hours, minutes) = offset.split_once(':')?;
            let (hours, minutes) = (digits(hours)?, digits(minutes)?);
            if hours > 23 || minutes > 59 || offset.find(':') != Some(2) {
                return None;
            }
            let minutes = hours * 60 + minutes;
            if sign == "+" { minutes } else { -minutes }
        }
        _ => return None,
    };
    let leap_days = (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let in_year: i64 = lengths[..usize::try_from(month - 1).ok()?].iter().sum();
    let days = year * 365 + leap_days + in_year + day - 1 - 719_528;
    let seconds = ((days * 24 + hour) * 60 + minute - east) * 60 + second + i64::from(has_fraction);
    let seconds = u64::try_from(seconds.max(0)).ok()?;
    Some(seconds).filter(|seconds| *seconds < 253_402_300_800)
}

fn hex_of(body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let mut text = String::new();
    for byte in hmac::sign(&key, body).as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The signature of the body if it is `None`, and else these fields.
fn any_signatures() -> impl Strategy<Value = Option<Vec<Vec<u8>>>> {
    static SIGNATURES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let right = hex_of(b"{}");
        let fields = [right.to_uppercase(), format!("sha256={right}"), right];
        fields.map(String::into_bytes).into()
    });
    let fields = prop::collection::vec(any_bytes(&SIGNATURES), 0..3);
    prop_oneof![1 => Just(None), 1 => fields.prop_map(Some)]
}

proptest! {
    #![proptest_config(cases(256, 100_000))]

    #[test]
    fn property_any_delivery_is_taken_as_its_signed_text_says(
        body in any_body(),
        signatures in any_signatures(),
    ) {
        static SECRETS: LazyLock<WebhookSecrets> =
            LazyLock::new(|| WebhookSecrets::new("webhooks", ["another", SECRET]).unwrap());
        let mut headers = HeaderMap::new();
        let right = hex_of(&body).into_bytes();
        let body_of_signatures: &[u8] = if signatures.is_some() { b"{}" } else { &body };
        let is_signed = signatures.as_ref().is_none_or(|fields| *fields == [hex_of(b"{}").into_bytes()]);
        for field in signatures.unwrap_or_else(|| vec![right]) {
            // What HTTP itself does not carry cannot come.
            let Ok(field) = HeaderValue::from_bytes(&field) else { return Ok(()) };
            headers.append(SIGNATURE, field);
        }
        let signed = |body: &[u8]| {
            signature(&headers).is_some_and(|signature| SECRETS.signed(body, &signature))
        };
        prop_assert_eq!(signed(body_of_signatures), is_signed);
        let mut other = body_of_signatures.to_vec();
        other.push(b' ');
        prop_assert!(!signed(&other));

        let found = event::read(&body);
        if let Ok(Some(delivery)) = &found {
            let shown = format!("{delivery:?}");
            prop_assert!(delivery.user.len() < 8 || !shown.contains(&*delivery.user), "{}", shown);
        }
        let found = found.map(|delivery| {
            delivery.map(|delivery| {
                (delivery.user.into_string(), delivery.event_type.name().to_owned(), delivery.event)
            })
        });
        prop_assert_eq!(found, expected(&body).ok_or(Malformed), "{}", String::from_utf8_lossy(&body));
    }
}
