//! The report as JSON, for scripts.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::doubts::Doubt;
use super::report::{answer, label, show};
use super::{Next, Report};
use crate::diagnose::{Diagnosis, Parameters, Shape};
use crate::verify::key::{Hash, hex};

impl Report<'_> {
    /// Writes the report as one JSON object.
    pub(super) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let parameters = self.capture.parameters();
        let texts: Vec<Value> = parameters.shapes().map(|shape| text(&parameters, shape)).collect();
        let pairs: Vec<Value> = parameters
            .iter()
            .map(|(name, value)| json!({ "name": show(name), "value": show(value) }))
            .collect();
        let opens =
            self.diagnosis.as_ref().and_then(|diagnosis| diagnosis.opened.as_ref()).map(|(place, _)| *place);
        let keys: Vec<Value> = self
            .keys
            .iter()
            .enumerate()
            .map(|(place, known)| {
                json!({
                    "app_id": known.app_id,
                    "entry": known.entry,
                    "file": known.file,
                    "fingerprint": known.key.fingerprint().to_string(),
                    "bits": known.key.bits(),
                    "opens_the_signature": opens.map(|opening| opening == place),
                })
            })
            .collect();
        let report = json!({
            "verified": self.verified.is_some(),
            "app_id": self.verified.as_ref().map(|(app_id, _)| app_id),
            "form": self.verified.as_ref().map(|(_, form)| form.label()),
            "run": self.next(),
            "diagnosis": self.diagnosis.as_ref().map(|told| diagnosis(told, &self.doubts(told))),
            "received": { "as": self.capture.form, "bytes": self.capture.body.len(), "parameters": pairs,
                "notes": self.capture.notes },
            "signed_texts": texts,
            "keys": keys,
        });
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)
    }

    fn next(&self) -> Value {
        match &self.next {
            Next::Forward => json!({ "does": "forward" }),
            Next::Confirm => json!({ "does": "confirm" }),
            Next::Refuse(rejection) => json!({
                "does": "refuse",
                "answer": answer(rejection, self),
                "reason": rejection.reason().rule().label,
                "cause": rejection.cause().map(ToString::to_string),
            }),
        }
    }
}

fn text(parameters: &Parameters, shape: Shape) -> Value {
    let text = parameters.signed_text(shape);
    let digest = parameters.digest(shape, Hash::Sha256);
    json!({ "form": label(shape), "bytes": text.len(), "sha256": hex(digest.as_ref()), "text": show(&text) })
}

fn diagnosis(diagnosis: &Diagnosis, doubts: &[Doubt]) -> Value {
    let doubts: Vec<Value> =
        doubts.iter().map(|doubt| json!({ "what": doubt.what, "find_out": doubt.find_out })).collect();
    let causes: Vec<Value> = diagnosis
        .findings
        .iter()
        .map(|finding| {
            json!({
                "cause": finding.cause.label(),
                "meaning": finding.cause.meaning(),
                "remedy": finding.cause.remedy(),
                "parameters": finding.parameters,
            })
        })
        .collect();
    let difference = diagnosis.difference.as_ref().map(|difference| {
        json!({
            "parameter": difference.name,
            "at": difference.at,
            "received": difference.received.as_deref().map(show),
            "signed": difference.signed.as_deref().map(show),
        })
    });
    let opened = diagnosis
        .opened
        .as_ref()
        .map(|(_, opened)| json!({ "hash": opened.hash.to_string(), "digest": hex(&opened.digest) }));
    json!({
        "proven": diagnosis.is_proven,
        "causes": causes,
        "maybe": doubts,
        "difference": difference,
        "signature_holds": opened,
        "signed_text": diagnosis.signed.as_ref().map(|(signed, shape)| text(signed, *shape)),
        "trials": diagnosis.trials,
        "cut_short": diagnosis.is_cut_short,
    })
}
