//! The kinds of notification that come to one address, and what each may look like.
//!
//! A kind is told by what a notification carries. All of it is signed, so nobody but the signer chooses it.

use super::SignedForm::{self, V1, V2};
use crate::receive::form::Form;

/// A kind of notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A message of the message service: `msg_method` names it, `biz_content` holds it.
    Message,
    /// The check of the address when it is set up: `service` is `alipay.service.check`.
    GatewayCheck,
    /// A flat notification, such as a trade's: `notify_type` names it, its fields are parameters.
    Flat,
}

/// The parameters of a gateway check; it has no others.
pub(super) const GATEWAY_CHECK: &[&str] = &["biz_content", "charset", "service", "sign", "sign_type"];

/// The parameters of flat notifications that hold free text, in which `&` and `=` are welcome.
const FREE_TEXT: &[&str] = &["body", "contactor", "name", "refund_reason", "subject", "title", "trans_memo"];

/// Every parameter that means something in some kind of notification.
///
/// Sources: the documents of the platform on the message service, trade, pre-authorisation and the service market.
const KNOWN: &[&str] = &[
    "agreement_no",
    "amount",
    "app_id",
    "auth_app_id",
    "auth_no",
    "bank_ack_time",
    "biz_content",
    "body",
    "buyer_email",
    "buyer_id",
    "buyer_logon_id",
    "buyer_open_id",
    "buyer_pay_amount",
    "charset",
    "commodity_order_id",
    "contactor",
    "credit_amount",
    "dback_amount",
    "dback_status",
    "discount",
    "encrypt_type",
    "external_agreement_no",
    "fund_amount",
    "fund_bill_list",
    "gmt_close",
    "gmt_create",
    "gmt_payment",
    "gmt_refund",
    "gmt_trans",
    "invoice_amount",
    "is_total_fee_adjust",
    "merchant_app_id",
    "merchant_pid",
    "merge_pay_status",
    "method",
    "msg_app_id",
    "msg_method",
    "msg_type",
    "msg_uid",
    "name",
    "notify_id",
    "notify_time",
    "notify_type",
    "open_id",
    "operation_id",
    "operation_type",
    "order_detail_results",
    "order_item_num",
    "order_ticket",
    "order_time",
    "out_biz_no",
    "out_merge_no",
    "out_order_no",
    "out_request_no",
    "out_trade_no",
    "passback_params",
    "payee_logon_id",
    "payee_user_id",
    "payer_logon_id",
    "payer_user_id",
    "payment_type",
    "phone",
    "point_amount",
    "pre_auth_type",
    "price",
    "quantity",
    "receipt_amount",
    "refund_amount",
    "refund_fee",
    "refund_reason",
    "refund_status",
    "rest_amount",
    "rest_credit_amount",
    "rest_fund_amount",
    "seller_email",
    "seller_id",
    "send_back_fee",
    "service",
    "service_code",
    "sign",
    "sign_type",
    "status",
    "subject",
    "timestamp",
    "title",
    "total_amount",
    "total_fee",
    "total_freeze_amount",
    "total_freeze_credit_amount",
    "total_freeze_fund_amount",
    "total_pay_amount",
    "total_pay_credit_amount",
    "total_pay_fund_amount",
    "total_price",
    "total_unfreeze_amount",
    "total_unfreeze_credit_amount",
    "total_unfreeze_fund_amount",
    "trade_no",
    "trade_status",
    "trans_memo",
    "use_coupon",
    "utc_timestamp",
    "version",
    "voucher_detail_list",
];

impl Kind {
    /// The kind of `form`, if it is one that we know.
    pub(super) fn of(form: &Form) -> Option<Self> {
        if form.get("msg_method").is_some() {
            Some(Self::Message)
        } else if let Some(service) = form.get("service") {
            (service == b"alipay.service.check").then_some(Self::GatewayCheck)
        } else {
            form.get("notify_type").map(|_| Self::Flat)
        }
    }

    /// The forms in which notifications of this kind are signed, the likelier one first.
    pub(super) fn forms(self, form: &Form) -> &'static [SignedForm] {
        match self {
            Self::Message => &[V1, V2],
            Self::GatewayCheck => &[V2, V1],
            Self::Flat => match form.get("notify_type") {
                Some(b"servicemarket_order_notify") => &[V2, V1],
                // It carries an envelope like a message's, and which form it is signed in is not documented.
                Some(b"open_app_auth_notify") => &[V1, V2],
                Some(_) | None => &[V1],
            },
        }
    }

    /// Whether the parameter `name` of this kind is free text.
    pub(super) fn is_free_text(self, name: &[u8]) -> bool {
        self == Self::Flat && is_in(name, FREE_TEXT)
    }
}

/// Whether `name` means something in some kind of notification.
pub(super) fn is_known(name: &[u8]) -> bool {
    is_in(name, KNOWN)
}

fn is_in(name: &[u8], list: &[&str]) -> bool {
    list.binary_search_by(|item| item.as_bytes().cmp(name)).is_ok()
}

/// Whether `form` has only the parameters of a gateway check.
pub(super) fn is_only_a_gateway_check(form: &Form) -> bool {
    form.iter().all(|(name, _)| is_in(name, GATEWAY_CHECK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_so_that_they_can_be_searched() {
        for list in [GATEWAY_CHECK, FREE_TEXT, KNOWN] {
            assert!(list.is_sorted_by(|one, next| one < next), "{list:?}");
        }
        assert!(FREE_TEXT.iter().all(|name| is_known(name.as_bytes())));
    }
}
