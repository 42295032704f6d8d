//! Attacks on what is no message: a trade, whose fields are parameters, and the check of the address.

use super::super::kinds::GATEWAY_CHECK;
use super::attack::{Attack, Forger};
use crate::tools::sender::Notification;
use crate::verify::SignedForm::{V1, V2};

const TRADE: &str = "trade_status_sync";
const AMOUNT: &str = "88.00";

/// A genuine trade.
pub(super) fn trade(forger: &Forger<'_>) -> Result<Notification, String> {
    forger.sign_in(forger.unsigned(TRADE)?, V1)
}

/// Attacks on a trade.
pub(super) fn attacks(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let with = |params: &[(&str, &str)]| {
        let trade =
            params.iter().fold(forger.unsigned(TRADE)?, |trade, (name, value)| trade.set(name, value));
        forger.sign_in(trade, V1)
    };
    // The text of the subject ends with an amount, and a name that sorts after it to swallow the genuine amount.
    let dear = with(&[("subject", "tea&total_amount=8888.00&total_b="), ("total_amount", AMOUNT)])?;
    let dear = dear.set("subject", "tea").set("total_amount", "8888.00");
    let dear = dear.set("total_b", format!("&total_amount={AMOUNT}"));
    let status = with(&[])?;
    let folded_status = format!("{}&trade_status={}", status.text("trade_no"), status.text("trade_status"));
    let order = with(&[])?;
    let folded_order =
        format!("{}&passback_params={}", order.text("out_trade_no"), order.text("passback_params"));
    Ok(vec![
        forger.forged("trade_amount", "total_amount changed", &with(&[])?.set("total_amount", "0.01")),
        forger.forged(
            "trade_status",
            "trade_status changed",
            &with(&[("trade_status", "WAIT_BUYER_PAY")])?.set("trade_status", "TRADE_SUCCESS"),
        ),
        forger.forged(
            "trade_order",
            "out_trade_no changed: a payment for another order",
            &with(&[])?.set("out_trade_no", "SHOP17"),
        ),
        forger.forged("trade_unsigned", "without a signature", &with(&[])?.without("sign")),
        forger.forged(
            "trade_folded_status",
            "trade_status folded into trade_no",
            &status.clone().set("trade_no", folded_status).without("trade_status"),
        ),
        forger.forged(
            "trade_folded_order",
            "passback_params folded into out_trade_no: another number for the same order",
            &order.clone().set("out_trade_no", folded_order).without("passback_params"),
        ),
        forger.forged("trade_split_amount", "another total_amount written by text of the subject", &dear),
        forger.lenient(
            "trade_other_app",
            "genuine, but for another app: fine only if Alipay's key is this app's alone",
            with(&[("app_id", "2099000000000000")])?.body(),
        ),
        forger.lenient(
            "trade_old",
            "genuine, but from 2024: fine only if the app knows every id again for ever",
            with(&[("notify_time", "2024-03-15 10:30:02")])?.body(),
        ),
    ])
}

/// A genuine check of the address.
pub(super) fn check(forger: &Forger<'_>) -> Result<Notification, String> {
    forger.sign_in(forger.unsigned(GATEWAY_CHECK)?, V2)
}

/// Attacks on the check of the address, all of which ask for a signature of the app's own key.
pub(super) fn attacks_on_the_check(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let app_id = &forger.plan.shape.app_id;
    let other = check(forger)?.tampered("biz_content", app_id, "2099000000000000");
    let entity = check(forger)?;
    let entity_text = entity
        .text("biz_content")
        .replace("<XML>", "<!DOCTYPE XML [<!ENTITY a SYSTEM \"file:///etc/hostname\">]><XML>");
    Ok(vec![
        forger.forged("check_unsigned", "without a signature", &check(forger)?.without("sign")),
        forger.forged("check_other_app", "AppId changed", &other),
        forger.forged("check_charset", "charset changed", &check(forger)?.set("charset", "gb18030")),
        forger.forged("check_entity", "an external entity added", &entity.set("biz_content", entity_text)),
    ])
}
