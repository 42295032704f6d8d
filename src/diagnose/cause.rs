//! The one table of causes: why a signature does not hold, and what to do about it.
//!
//! Log, report and documents all read this table.

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $name:ident => $label:literal, $remedy:literal;)+) => {
        /// Why the signature of a notification does not hold.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Cause { $($(#[doc = $doc])+ $name,)+ }

        impl Cause {
            /// Every cause: those of keys, of hashes and forms, of the way, of the content.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name of the cause, in the log and in JSON.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)+ }
            }

            /// What it is, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// What to do about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)+ }
            }
        }
    };
}

causes! {
    // The key.
    /// None of the keys that are there made this signature: the key is not Alipay's for this app, `sign` was changed, or the sender is not Alipay.
    NoKeyOpens => "no_key_opens",
        "copy Alipay's public key (支付宝公钥) of this very app: 开放平台 → 应用 → 开发设置 → 接口加签方式 → 查看支付宝公钥; not your app's own (应用公钥), not that of another app, of RSA or of the sandbox; `check --app-public-key FILE` says whether it is your own";
    /// The key in the place of Alipay's is your app's own public key (应用公钥), which verifies nothing of Alipay's.
    AppKey => "app_key",
        "copy Alipay's public key (支付宝公钥) instead: 开放平台 → 应用 → 开发设置 → 接口加签方式 → 查看支付宝公钥";
    /// The certificate is that of an authority that issues certificates, not Alipay's own.
    AuthorityKey => "authority_key",
        "configure alipayCertPublicKey_RSA2.crt, not alipayRootCert.crt";
    /// The key is that of the sandbox, whose notifications are signed with a key of their own.
    SandboxKey => "sandbox_key",
        "take the key of the environment that sends: production and sandbox have consoles of their own";
    /// The signature was made with the key of another app.
    KeyOfOtherApp => "key_of_other_app",
        "compare app_id and key of both apps in the console: each app that signs with RSA2 has a key of Alipay's of its own";
    /// The signature has another length than the key makes: one of the two is for RSA (1,024 bits), the other for RSA2 (2,048 bits).
    KeyLength => "key_length",
        "copy the key for the sign_type that the notification names, or better: switch the app to RSA2 in the console and take that key";
    /// The app that the notification is for is not configured.
    UnknownApp => "unknown_app",
        "add an [[apps]] with this app_id and Alipay's public key for it";
    // The signature itself.
    /// There is no `sign`.
    Unsigned => "unsigned",
        "look whether all that was posted was captured; what has no sign does not come from Alipay";
    /// `sign` is cut, has lost its capitals or its small letters, or is not the base64 of a signature.
    SignDamaged => "sign_damaged",
        "look at what cuts or changes long values: a column of a table, a log, a copy by hand; a sign of RSA2 has 344 characters";
    /// The notification was signed with RSA, which is SHA-1, and that is not allowed.
    Sha1 => "sha1",
        "choose RSA2 (SHA-256) for the app in the console; verify.allow_sha1 is for the meantime";
    /// The signature was made with another hash than SHA-256 or SHA-1, which Alipay does not use.
    OtherHash => "other_hash",
        "whoever signs this must sign with SHA256withRSA (RSA2)";
    /// The signature holds in a form of the signed text that `verify.form` does not allow, or in which Alipay does not sign this kind of notification.
    FormNotAllowed => "form_not_allowed",
        "set verify.form = \"auto\"; where it is that already, whoever signs this must leave sign_type out of the text, as Alipay does for this kind";
    /// The signature holds over what was received; it is refused for another reason.
    RefusedOtherwise => "refused_otherwise",
        "see the reason for which `run` refuses it";
    // The way.
    /// The body was not parsed as a form: all of it became one name or one value.
    UnparsedBody => "unparsed_body",
        "read the body as application/x-www-form-urlencoded, also where the content type goes on with `; text/html; charset=UTF-8`";
    /// A value was percent-decoded once more than it was encoded.
    DecodedTwice => "decoded_twice",
        "decode once: hand on the raw body, and do not call a decoder on what a framework has parsed";
    /// A value is percent-encoded still: it was not decoded, or was encoded twice.
    NotDecoded => "not_decoded",
        "decode each value once, `+` as a space, before the signed text is made; hand on the raw body as it came";
    /// A value that is percent-encoded in itself was decoded and encoded again in another style.
    EncodingRewritten => "encoding_rewritten",
        "hand on each value as it came: do not decode and encode again what is percent-encoded in it";
    /// A `+` became a space.
    PlusAsSpace => "plus_as_space",
        "send or store the raw body as it came: a `+` that is not written %2B is a space in a form";
    /// Characters were HTML-escaped.
    HtmlEscaped => "html_escaped",
        "verify before any filter against XSS, or exempt this path from it";
    /// Quotes or other characters are escaped with backslashes still.
    BackslashEscaped => "backslash_escaped",
        "undo magic quotes before the check (stripslashes, wp_unslash), take text out of JSON with a parser, or read the raw body";
    /// Values were taken as lists of one, or were joined with a copy of themselves.
    ListValues => "list_values",
        "take the first item of each list, as parse_qsl or request.form.to_dict() do";
    /// A parameter is there that Alipay did not send.
    ExtraParameter => "extra_parameter",
        "verify the body alone: not the query string, nothing that a router, a session or a framework adds";
    /// A parameter that was signed is missing.
    MissingParameter => "missing_parameter",
        "verify all parameters that came, not a fixed list of them; leave out sign, and sign_type only in form v1";
    /// A parameter with an empty value is missing: it was signed and then dropped.
    EmptyDropped => "empty_dropped",
        "keep empty values when the form is read: parse_qs(…, keep_blank_values=True), or read the raw body";
    /// A parameter has another value than was signed, or `sign_type` names another hash than the signature was made with.
    ParameterChanged => "parameter_changed",
        "pass parameters on as they came: also charset, when the text is converted";
    /// JSON was read and written again, with other spaces, escapes or order, or in a list or a string.
    JsonRewritten => "json_rewritten",
        "verify the text of the value as it came, and read the JSON afterwards";
    /// White space was added, removed or changed, such as by trimming or by breaking lines.
    WhiteSpace => "white_space",
        "neither trim values nor break lines or change their ends, and copy without the white space around";
    /// Text was converted to another charset before the check.
    Transcoded => "transcoded",
        "verify the bytes as they came, and convert afterwards; the charset of the notification says from what";
    /// Bytes were read as ISO-8859-1 or Windows-1252.
    ReadAsLatin1 => "read_as_latin1",
        "read the request in the charset that the notification names, before anything reads a parameter: setCharacterEncoding, or the raw bytes";
    /// Text in UTF-8 was read as GBK.
    ReadAsGbk => "read_as_gbk",
        "read the request in the charset that the notification names: UTF-8 here";
    /// Text was read or written in a wrong charset, and what that does not have was replaced, as by `?`: it cannot be brought back.
    TextLost => "text_lost",
        "read the request in the charset that the notification names, or verify the raw bytes";
    // None of these.
    /// The key is right, and the content is not what was signed; none of the changes that were tried explains it.
    ContentChanged => "content_changed",
        "capture the raw body as early as possible, and ask `explain` again: what it shows as the signed text has to be what Alipay sent, parameter by parameter";
}

impl Cause {
    /// Whether the key is right, and only what it signed has changed on its way.
    pub const fn is_of_content(self) -> bool {
        match self {
            Self::NoKeyOpens
            | Self::AppKey
            | Self::AuthorityKey
            | Self::SandboxKey
            | Self::KeyOfOtherApp
            | Self::KeyLength
            | Self::UnknownApp
            | Self::Unsigned
            | Self::SignDamaged
            | Self::Sha1
            | Self::OtherHash
            | Self::FormNotAllowed
            | Self::RefusedOtherwise => false,
            Self::UnparsedBody
            | Self::DecodedTwice
            | Self::NotDecoded
            | Self::EncodingRewritten
            | Self::PlusAsSpace
            | Self::HtmlEscaped
            | Self::BackslashEscaped
            | Self::ListValues
            | Self::ExtraParameter
            | Self::MissingParameter
            | Self::EmptyDropped
            | Self::ParameterChanged
            | Self::JsonRewritten
            | Self::WhiteSpace
            | Self::Transcoded
            | Self::ReadAsLatin1
            | Self::ReadAsGbk
            | Self::TextLost
            | Self::ContentChanged => true,
        }
    }
}

impl Cause {
    /// Whether it is about which parameters there are, or about one of few values, and not about how a text is written.
    pub(super) const fn is_of_presence(self) -> bool {
        matches!(
            self,
            Self::ExtraParameter | Self::MissingParameter | Self::EmptyDropped | Self::ParameterChanged
        )
    }

    /// Whether it is about how often a value is percent-encoded.
    const fn is_of_encoding(self) -> bool {
        matches!(self, Self::NotDecoded | Self::DecodedTwice | Self::EncodingRewritten)
    }

    /// Whether the two are steps of the same, so that undoing one after the other explains no more than one of them.
    pub(super) fn is_akin_to(self, other: Self) -> bool {
        self == other || (self.is_of_encoding() && other.is_of_encoding())
    }

    /// The one thing that happened to a parameter if this and then `next` would have to be undone in it, where the two
    /// are no two things: one takes back what the other does, or both are steps of the same.
    pub(super) fn as_one_with(self, next: Self) -> Option<Self> {
        let are = |one: Self, other: Self| (self, next) == (one, other) || (self, next) == (other, one);
        if self == next {
            Some(self)
        } else if self.is_of_encoding() && next.is_of_encoding() {
            Some(Self::EncodingRewritten)
        } else if are(Self::Transcoded, Self::ReadAsGbk) {
            Some(Self::Transcoded)
        } else if self == Self::ExtraParameter && matches!(next, Self::MissingParameter | Self::EmptyDropped)
        {
            Some(Self::ParameterChanged)
        } else if matches!(self, Self::MissingParameter | Self::EmptyDropped) {
            // Nothing can have happened to what is not there.
            Some(self)
        } else if next == Self::ExtraParameter {
            // Nor does it matter what happened to what does not belong there.
            Some(next)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cause_has_a_label_of_its_own_a_meaning_and_a_remedy() {
        let labels: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.label()).collect();
        assert_eq!(labels.len(), Cause::ALL.len());
        for cause in Cause::ALL {
            assert!(
                cause
                    .label()
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            );
            assert!(cause.meaning().ends_with('.') && !cause.remedy().is_empty(), "{cause:?}");
        }
    }
}
