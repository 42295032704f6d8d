//! What the proxy refused: how it is looked at, and what the log says of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::opened::Opened;
use super::{Budget, Candidate, Case, Cause, Diagnosis, Parameters, Reading, diagnose, opens, readings};
use crate::config::{Config, KeySource};
use crate::rejection::{Evidence, Reason};

/// How many bytes are hashed in search of a cause.
const BYTES: u64 = 16 * 1024 * 1024;
/// How long a cause is searched for.
const PATIENCE: Duration = Duration::from_millis(100);
/// How many keys of other apps are tried.
const MAX_OTHERS: usize = 32;

/// What was refused, and what the log says of it.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) evidence: Evidence,
    pub(crate) reason: Reason,
    pub(crate) app_id: Option<String>,
    pub(crate) notify_id: Option<String>,
    pub(crate) trace_id: Option<String>,
    /// The configuration by which it was refused.
    pub(crate) config: Arc<Config>,
}

/// Which keys are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// Those of the app that it claims to be for.
    Own,
    /// Some of the other apps.
    Others,
    /// First these, then those.
    All,
}

impl Refused {
    /// What its signature holds, if one of these keys opens it.
    pub(super) fn opens_with(&self, keys: Keys) -> Option<Opened> {
        opens(&self.case(keys))
    }

    /// Why its signature does not hold.
    pub(super) fn diagnose(&self) -> Diagnosis {
        let now = Instant::now();
        let deadline = now.checked_add(PATIENCE).unwrap_or(now);
        diagnose(&self.case(Keys::All), Budget { bytes: BYTES, deadline })
    }

    fn case(&self, keys: Keys) -> Case<'_> {
        let config = &self.config;
        let readings = match &self.evidence {
            Evidence::Body(body) => readings(body),
            Evidence::Form(form) => vec![Reading { cause: None, parameters: Parameters::from(form) }],
        };
        let claimed: Option<Vec<u8>> =
            readings.iter().find_map(|reading| reading.parameters.app_id()).map(<[u8]>::to_vec);
        let is_own = |app_id: &str| Some(app_id.as_bytes()) == claimed.as_deref();
        let candidates = |own: bool| {
            config.apps.iter().filter(move |app| is_own(&app.app_id) == own).flat_map(|app| {
                app.keys.iter().map(|configured| Candidate {
                    app_id: &app.app_id,
                    key: &configured.key,
                    file: match &configured.source {
                        KeySource::File(name) => Some(name),
                        KeySource::Inline => None,
                    },
                })
            })
        };
        let own = candidates(true).take(if keys == Keys::Others { 0 } else { usize::MAX });
        let others = candidates(false).take(if keys == Keys::Own { 0 } else { MAX_OTHERS });
        Case {
            keys: own.chain(others).collect(),
            policy: &config.policy,
            catalogue: &config.catalogue,
            own_keys: config.apps.iter().filter_map(|app| Some(app.answer.as_ref()?.fingerprint())).collect(),
            reason: Some(self.reason),
            is_configured: true,
            placeholder: None,
            readings,
        }
    }

    /// Writes labels and names that are known, never values. What nobody of ours signed is worth no warning: anybody can send it.
    pub(super) fn tell(&self, diagnosis: &Diagnosis) {
        let cause = diagnosis.cause();
        // Where a value came undecoded, a piece of it stands where a name would: only what is known to be one is told.
        let known = &self.config.policy.parameters;
        let mut names: Vec<&str> = Vec::new();
        for name in diagnosis.findings.iter().flat_map(|finding| &finding.parameters) {
            let told = known.names(false, None).find(|known| known == name).unwrap_or("…");
            if !names.contains(&told) {
                names.push(told);
            }
        }
        names.truncate(8);
        let other = diagnosis.findings.get(1).map(|finding| finding.cause.label());
        macro_rules! write_line {
            ($level:ident) => {
                $level!(
                    event = "diagnosis",
                    likely_cause = cause.label(),
                    and_cause = other,
                    proven = diagnosis.is_proven,
                    parameters = (!names.is_empty()).then(|| names.join(", ")),
                    reason = self.reason.rule().label,
                    app_id = self.app_id,
                    notify_id = self.notify_id,
                    trace_id = self.trace_id,
                    "{}",
                    cause.remedy()
                )
            };
        }
        if diagnosis.opened.is_some() || (cause == Cause::AppKey && diagnosis.is_proven) {
            write_line!(warn);
        } else {
            write_line!(info);
        }
    }
}
