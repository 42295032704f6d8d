//! Contents of notifications: mostly what is documented, written in any way that is allowed, and damaged now and then.

use fastrand::Rng;

use crate::translate::catalogue::{ContentPlace, FieldType, Fields, Message};

/// What may stand in the place of any value. A number that is nearer to the bounds of 64 bits than doubles tell apart
/// is not among them, for the validator reads doubles.
const STRAYS: [&str; 54] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1",
    "1.0",
    "-0.0",
    "1e2",
    "10e-1",
    "1.5",
    "1.10",
    "1E+18",
    "1e19",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854777856",
    "12345678901234567890123",
    "1e300",
    "253402300799999",
    "253402300800000",
    "-1.0",
    r#""""#,
    r#""a""#,
    r#""人人人""#,
    r#""人人人人人人人""#,
    r#""true""#,
    r#""Y""#,
    r#""f""#,
    r#""12""#,
    r#""-0""#,
    r#""01""#,
    r#""1.10""#,
    r#""1e2""#,
    r#""+1""#,
    r#""253402300800000""#,
    r#""2024-03-15 10:30:00""#,
    r#""2023-02-29 10:30:00""#,
    r#""2024-03-15T10:30:00+08:00""#,
    r#""2023-02-29T10:30:00.5+08:00""#,
    r#""2024-03-15T24:00:00+08:00""#,
    r#""2024-03-15T02:30:00Z""#,
    r#""%41+%e4%ba%ba""#,
    r#""%""#,
    r#""paid\n""#,
    "{}",
    "[]",
    r#"{"at":1}"#,
    "[1,\"2\",[\"y\"]]",
    r#""{}""#,
    r#""[\"1\"]""#,
    r#""[1""#,
];

/// A source of contents, the same for the same seed.
pub(super) struct Contents {
    rng: Rng,
    /// Damage is done once in so many values.
    rarity: u32,
}

impl Contents {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), rarity: 1 }
    }

    pub(super) fn is_odd(&mut self) -> bool {
        self.rng.bool()
    }

    /// A `notify_time`.
    pub(super) fn time(&mut self) -> String {
        self.value(&FieldType::DateTime).trim_matches('"').replace(r"\n", " ")
    }

    /// The parameters that hold a content for `message`.
    pub(super) fn of(&mut self, message: &Message) -> Vec<(String, String)> {
        self.rarity = self.rng.u32(2..200);
        let nothing = Vec::new();
        let members = message.fields.as_ref().map_or(nothing, |fields| self.members(fields));
        if message.content == ContentPlace::Parameters {
            let plain = |(name, value): (String, String)| {
                (name, serde_json::from_str::<String>(&value).unwrap_or(value))
            };
            members.into_iter().map(plain).collect()
        } else {
            vec![("biz_content".to_owned(), object(&members))]
        }
    }

    fn is_damaged(&mut self) -> bool {
        self.rng.u32(0..self.rarity) == 0
    }

    fn stray(&mut self) -> String {
        STRAYS[self.rng.usize(0..STRAYS.len())].to_owned()
    }

    /// The members of an object that holds `fields`, as JSON.
    fn members(&mut self, fields: &Fields) -> Vec<(String, String)> {
        let mut members = Vec::new();
        let chosen: Vec<&str> =
            fields.exactly_one_of().iter().map(|group| &*group[self.rng.usize(0..group.len())]).collect();
        let grouped: Vec<&String> = fields.exactly_one_of().iter().flatten().collect();
        for field in fields.iter() {
            let is_wanted = if grouped.contains(&&field.name) {
                chosen.contains(&&*field.name)
            } else {
                field.required || self.rng.bool()
            };
            if is_wanted != self.is_damaged() {
                members.push((field.name.clone(), self.value(&field.kind)));
            }
        }
        if self.rng.u32(0..8) == 0 && (!fields.is_complete() || self.is_damaged()) {
            members.push(("x_new".to_owned(), self.stray()));
        }
        self.rng.shuffle(&mut members);
        members
    }

    /// A value of this type, as JSON.
    fn value(&mut self, kind: &FieldType) -> String {
        if self.is_damaged() {
            return self.stray();
        }
        match kind {
            FieldType::Text { max_length, encoded, .. } => {
                let length = self.rng.usize(0..=max_length.unwrap_or(40).min(200));
                let char =
                    if *encoded { ["a", "+", "人"] } else { ["a", r"\u4eba", "😀"] }[self.rng.usize(0..3)];
                format!("\"{}\"", char.repeat(length))
            }
            FieldType::Enum { values } => {
                let spelling = &values[self.rng.usize(0..values.len())].spelling;
                let upper = self.rng.bool();
                format!(
                    "\"{}\"",
                    if upper { spelling.to_ascii_uppercase() } else { spelling.to_ascii_lowercase() }
                )
            }
            FieldType::Integer => self.number(|rng| rng.i64(..).to_string()),
            FieldType::Decimal { max_length } => {
                let digits = max_length.unwrap_or(9).saturating_sub(3).min(7);
                let whole = 10_i64.saturating_pow(u32::try_from(digits).unwrap());
                self.number(|rng| format!("{}.{:02}", rng.i64(0..whole), rng.u8(0..100)))
            }
            FieldType::Boolean { spelling } => {
                let (yes, no) = spelling.words();
                let word = if self.rng.bool() { yes } else { no };
                if self.rng.bool() { format!("\"{word}\"") } else { self.rng.bool().to_string() }
            }
            FieldType::TimestampMs => self.number(|rng| rng.u64(0..253_402_300_800_000).to_string()),
            FieldType::DateTime => {
                let [month, hour, minute] = [self.rng.u8(1..13), self.rng.u8(0..24), self.rng.u8(0..60)];
                let fraction = if self.rng.bool() { "" } else { ".123456789" };
                format!(
                    "\"20{:02}-{month:02}-{:02} {hour:02}:{minute:02}:59{fraction}\"",
                    minute,
                    self.rng.u8(1..29)
                )
            }
            FieldType::Json { holds } => {
                let json = match holds {
                    Some(holds) => self.value(holds),
                    None => [r#"{"a":1.0,"a.b":[null]}"#, "[]", "{}"][self.rng.usize(0..3)].to_owned(),
                };
                if self.rng.bool() { json } else { serde_json::to_string(&json).unwrap() }
            }
            FieldType::List { items } => {
                let items: Vec<String> = (0..self.rng.usize(0..4)).map(|_| self.value(items)).collect();
                format!("[{}]", items.join(","))
            }
            FieldType::Object { fields } => object(&self.members(fields)),
        }
    }

    /// A number as it is, or as text.
    fn number(&mut self, digits: impl Fn(&mut Rng) -> String) -> String {
        let digits = digits(&mut self.rng);
        if self.rng.bool() { digits } else { format!("\"{digits}\"") }
    }
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{}:{value}", serde_json::Value::from(&**name))).collect();
    format!("{{{}}}", members.join(","))
}
