//! The files that `alipay-sidecar keygen` writes, found by what they hold.

use std::{collections::HashMap, fs, path::Path, path::PathBuf, process::Command};

use base64::prelude::{BASE64_STANDARD, Engine};

/// A form in which the console, its tools or an SDK keeps a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum KeyForm {
    PrivatePkcs8Pem,
    PrivatePkcs8Bare,
    PrivatePkcs1Pem,
    PrivatePkcs1Bare,
    PublicSpkiPem,
    PublicSpkiBare,
    PublicPkcs1Pem,
    Certificate,
}

impl KeyForm {
    pub(crate) const PUBLIC: &[Self] =
        &[Self::PublicSpkiPem, Self::PublicSpkiBare, Self::PublicPkcs1Pem, Self::Certificate];

    /// The form of a file's text, or `None` for a text that holds no key.
    fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(pem) = text.strip_prefix("-----BEGIN ") {
            return match pem.split_once("-----")?.0 {
                "PRIVATE KEY" => Some(Self::PrivatePkcs8Pem),
                "RSA PRIVATE KEY" => Some(Self::PrivatePkcs1Pem),
                "PUBLIC KEY" => Some(Self::PublicSpkiPem),
                "RSA PUBLIC KEY" => Some(Self::PublicPkcs1Pem),
                "CERTIFICATE" => Some(Self::Certificate),
                _ => None,
            };
        }
        let bare: String = text.split_ascii_whitespace().collect();
        let der = BASE64_STANDARD.decode(bare).ok()?;
        // SEQUENCE, four bytes with its length; then what comes first in it.
        match der.get(4..)? {
            [0x02, 0x01, 0x00, 0x30, ..] => Some(Self::PrivatePkcs8Bare),
            [0x02, 0x01, 0x00, 0x02, ..] => Some(Self::PrivatePkcs1Bare),
            [0x30, 0x0d, ..] => Some(Self::PublicSpkiBare),
            _ => None,
        }
    }
}

/// One throwaway key pair in all its forms.
pub(crate) struct Keys {
    files: HashMap<KeyForm, PathBuf>,
}

impl Keys {
    /// A new pair in a directory of its own that is called `name`.
    pub(crate) fn generate(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop").join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir).unwrap();
        }
        let output =
            Command::new(env!("CARGO_BIN_EXE_alipay-sidecar")).arg("keygen").arg(&dir).output().unwrap();
        assert!(output.status.success(), "keygen: {}", String::from_utf8_lossy(&output.stderr));
        assert!(
            dir.join("alipay.pem").is_file(),
            "keygen wrote no alipay.pem, which the default config reads"
        );

        let mut files = HashMap::new();
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if let Some(form) = fs::read_to_string(&path).ok().as_deref().and_then(KeyForm::of) {
                let earlier = files.insert(form, path);
                assert_eq!(earlier, None, "keygen wrote {form:?} twice");
            }
        }
        Self { files }
    }

    /// The file that holds the key in this form.
    pub(crate) fn file(&self, form: KeyForm) -> &Path {
        self.files.get(&form).unwrap_or_else(|| panic!("keygen wrote no {form:?}, only {:?}", self.files))
    }
}
