//! `--hostile`: what somebody could send who has genuine notifications, but not the private key.
//!
//! Each attack begins with a notification of its own that is genuinely signed and then never sent as it was. It has
//! passed when the answer is `success`. Some attacks can be read as what was signed: there `success` is no alarm, and
//! is reported as `taken`.

mod attack;
mod flat;
mod frames;
mod message;
mod requests;

use serde::Serialize;
use tokio::task::JoinSet;

use self::attack::{Attack, Forger, Meaning, Sends};
use super::deliveries::Stopped;
use super::show::{Show, counted};
use super::{Plan, confirmed};
use crate::tools::sender::{self, Address, Heard, Unheard};
use crate::verify::SignedForm;

/// Something genuine that the address should accept, and the attacks on that kind.
struct Group {
    /// What it is about, for people.
    subject: &'static str,
    control: Sends,
    attacks: Vec<Attack>,
    is_accepted: fn(&Heard) -> bool,
}

/// All that was found, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Findings {
    genuine: Vec<Control>,
    attacks: Vec<Finding>,
    refused: usize,
    passed: usize,
    taken: usize,
    finished: bool,
    /// Whether somebody ended it.
    interrupted: bool,
}

/// What a genuine one heard.
#[derive(Debug, Serialize)]
struct Control {
    subject: &'static str,
    answer: String,
    accepted: bool,
}

/// What an attack heard.
#[derive(Debug, Serialize)]
struct Finding {
    attack: &'static str,
    does: &'static str,
    answer: String,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Refused,
    Passed,
    Taken,
}

/// Attacks the address of `plan` until all is done or `stop` is. Whether the genuine ones were accepted, and no attack was.
pub(super) async fn attack<W: std::io::Write>(
    plan: &Plan,
    stop: impl Future<Output = ()>,
    show: &mut Show<W>,
) -> Result<bool, Stopped> {
    let mut findings = Findings {
        genuine: Vec::new(),
        attacks: Vec::new(),
        refused: 0,
        passed: 0,
        taken: 0,
        finished: false,
        interrupted: false,
    };
    let outcome = {
        let mut stop = std::pin::pin!(stop);
        tokio::select! {
            () = &mut stop => None,
            outcome = all(plan, &mut findings, show) => Some(outcome),
        }
    };
    show.clear();
    findings.interrupted = outcome.is_none();
    outcome.transpose()?;
    let is_sound = findings.finished && findings.passed == 0;
    conclude(&findings, show)?;
    Ok(is_sound)
}

async fn all<W: std::io::Write>(
    plan: &Plan,
    findings: &mut Findings,
    show: &mut Show<W>,
) -> Result<(), Stopped> {
    show.say(&format!("Attacking {}. What is genuine first, to see that it is accepted:", plan.to))?;
    let Some(form) = accepted_form(plan, findings, show).await? else { return Ok(()) };
    let forger = Forger::new(plan, form).map_err(Stopped::Unusable)?;
    for group in groups(&forger).map_err(Stopped::Unusable)? {
        if findings.attacks.is_empty() {
            show.say("\nverdict   answer                    attack")?;
        } else if !control(&plan.to, &group, findings, show).await? {
            let attacks = counted(u64::try_from(group.attacks.len()).unwrap_or_default(), "attack");
            show.say(&format!("It takes no {}, so {attacks} of that kind are left out.", group.subject))?;
            continue;
        }
        let mut attacks = group.attacks.into_iter().peekable();
        while let Some(next) = attacks.peek() {
            show.note(format!("{}: {}", next.name, next.does));
            let at_once = attacks.by_ref().take(plan.concurrency).collect();
            for finding in run(&plan.to, at_once, group.is_accepted).await {
                findings.add(finding, show)?;
            }
        }
    }
    show.say("\nSomething genuine once more, to see that it was the attacks that were refused and not this sender:")?;
    let last = forger.genuine().map_err(Stopped::Unusable)?;
    let heard = send(&plan.to, &forger.posted(&last)).await;
    findings.finished = controlled("message, at the end", &heard, is_success, findings, show)?;
    Ok(())
}

/// The form in which a genuine message is accepted, if it is in one.
async fn accepted_form<W: std::io::Write>(
    plan: &Plan,
    findings: &mut Findings,
    show: &mut Show<W>,
) -> Result<Option<SignedForm>, Stopped> {
    let forms = [(SignedForm::V1, "message signed as v1"), (SignedForm::V2, "message signed as v2")];
    let mut accepted = None;
    for (form, subject) in forms {
        if plan.shape.form.is_some_and(|wanted| wanted != form) {
            continue;
        }
        let forger = Forger::new(plan, form).map_err(Stopped::Unusable)?;
        let genuine = forger.genuine().map_err(Stopped::Unusable)?;
        let heard = send(&plan.to, &forger.posted(&genuine)).await;
        if controlled(subject, &heard, is_success, findings, show)? && accepted.is_none() {
            accepted = Some(form);
        }
    }
    if accepted.is_some() && findings.genuine.iter().any(|control| !control.accepted) {
        show.say(
            "Alipay signs messages in both forms: in front of the real one, this address would lose some.",
        )?;
    }
    Ok(accepted)
}

fn groups(forger: &Forger<'_>) -> Result<Vec<Group>, String> {
    let mut messages = message::attacks(forger)?;
    messages.extend(requests::attacks(forger)?);
    messages.extend(frames::attacks(forger)?);
    let mut groups = vec![
        Group {
            subject: "message",
            control: forger.posted(&forger.genuine()?),
            attacks: messages,
            is_accepted: is_success,
        },
        Group {
            subject: "trade notification",
            control: forger.posted(&flat::trade(forger)?),
            attacks: flat::attacks(forger)?,
            is_accepted: is_success,
        },
        Group {
            subject: "gateway check",
            control: forger.posted(&flat::check(forger)?),
            attacks: flat::attacks_on_the_check(forger)?,
            is_accepted: confirmed::is_confirmed,
        },
    ];
    if let Some(encrypted) = forger.encrypted()? {
        groups.push(Group {
            subject: "encrypted message",
            control: forger.posted(&encrypted),
            attacks: message::attacks_on_encryption(forger, &encrypted),
            is_accepted: is_success,
        });
    }
    Ok(groups)
}

async fn control<W: std::io::Write>(
    to: &Address,
    group: &Group,
    findings: &mut Findings,
    show: &mut Show<W>,
) -> Result<bool, Stopped> {
    let heard = send(to, &group.control).await;
    controlled(group.subject, &heard, group.is_accepted, findings, show)
}

/// Tells what something genuine heard, and whether it was accepted.
fn controlled<W: std::io::Write>(
    subject: &'static str,
    heard: &Result<Vec<Heard>, Unheard>,
    is_accepted: fn(&Heard) -> bool,
    findings: &mut Findings,
    show: &mut Show<W>,
) -> Result<bool, Stopped> {
    let accepted = heard.as_ref().is_ok_and(|heard| heard.iter().any(is_accepted));
    let answer = told(heard);
    let verdict = if accepted { "accepted" } else { "REFUSED" };
    show.say(&format!("{verdict:<9} {answer:<25} genuine {subject}"))?;
    findings.genuine.push(Control { subject, answer, accepted });
    Ok(accepted)
}

/// Sends all `attacks` at once, and returns what was found in their order.
async fn run(to: &Address, attacks: Vec<Attack>, is_accepted: fn(&Heard) -> bool) -> Vec<Finding> {
    let mut running = JoinSet::new();
    for (index, attack) in attacks.into_iter().enumerate() {
        let to = to.clone();
        running.spawn(async move {
            let heard = send(&to, &attack.sends).await;
            let has_passed = heard.as_ref().is_ok_and(|heard| heard.iter().any(is_accepted));
            let verdict = match (has_passed, attack.meaning) {
                (false, _) => Verdict::Refused,
                (true, Meaning::Forged) => Verdict::Passed,
                (true, Meaning::Lenient) => Verdict::Taken,
            };
            (index, Finding { attack: attack.name, does: attack.does, answer: told(&heard), verdict })
        });
    }
    let mut found = running.join_all().await;
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, finding)| finding).collect()
}

async fn send(to: &Address, sends: &Sends) -> Result<Vec<Heard>, Unheard> {
    match sends {
        Sends::Request(request) => sender::exchange(to, (**request).clone()).await.map(|heard| vec![heard]),
        Sends::Bytes(bytes) => frames::exchange(to, bytes).await,
    }
}

fn told(heard: &Result<Vec<Heard>, Unheard>) -> String {
    match heard {
        Ok(heard) => heard.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        Err(unheard) => unheard.to_string(),
    }
}

fn is_success(heard: &Heard) -> bool {
    heard.is_success()
}

impl Findings {
    fn add<W: std::io::Write>(&mut self, finding: Finding, show: &mut Show<W>) -> Result<(), Stopped> {
        let (count, verdict) = match finding.verdict {
            Verdict::Refused => (&mut self.refused, "refused"),
            Verdict::Passed => (&mut self.passed, "PASSED"),
            Verdict::Taken => (&mut self.taken, "taken"),
        };
        *count = count.saturating_add(1);
        show.say(&format!("{verdict:<9} {:<25} {}: {}", finding.answer, finding.attack, finding.does))?;
        self.attacks.push(finding);
        Ok(())
    }
}

fn conclude<W: std::io::Write>(findings: &Findings, show: &mut Show<W>) -> Result<(), Stopped> {
    if !findings.attacks.is_empty() {
        let attacks = counted(u64::try_from(findings.attacks.len()).unwrap_or_default(), "attack");
        show.say(&format!(
            "\n{attacks}: {} refused, {} PASSED, {} taken.",
            findings.refused, findings.passed, findings.taken
        ))?;
        if findings.passed > 0 {
            show.say("PASSED: what nobody signed was answered with `success`.")?;
        }
        if findings.taken > 0 {
            show.say("taken: harmless if the app read exactly what was signed, and nothing beside it.")?;
        }
    }
    match (findings.interrupted, findings.attacks.is_empty()) {
        (true, true) => show.say("\nInterrupted before the first attack was over: nothing is known of forgeries.")?,
        (true, false) => {
            show.say("Interrupted: of the attacks that were not over nothing is known, so this proves nothing.")?;
        }
        (false, true) => show.say(
            "\nNothing genuine was accepted, so nothing can be learnt of forgeries. Is --private-key the other half of the \
             key over there, --app-id its app, and does the app accept?",
        )?,
        (false, false) if !findings.finished => {
            show.say("Something genuine was refused at the end: what was refused proves nothing.")?;
        }
        (false, false) => {}
    }
    if show.is_silent() {
        show.json(findings)?;
    }
    Ok(())
}
