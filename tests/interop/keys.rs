//! The files that `alipay-sidecar keygen` writes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A form in which the console, its tools or an SDK keeps a key.
#[derive(Clone, Copy, Debug)]
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

    fn file_name(self) -> &'static str {
        match self {
            Self::PrivatePkcs8Pem => "alipay_private_key.pem",
            Self::PrivatePkcs8Bare => "alipay_private_key_pkcs8.txt",
            Self::PrivatePkcs1Pem => "alipay_private_key_pkcs1.pem",
            Self::PrivatePkcs1Bare => "alipay_private_key_pkcs1.txt",
            Self::PublicSpkiPem => "alipay.pem",
            Self::PublicSpkiBare => "alipay_public_key.txt",
            Self::PublicPkcs1Pem => "alipay_public_key_pkcs1.pem",
            Self::Certificate => "alipayCertPublicKey_RSA2.crt",
        }
    }
}

/// One throwaway key pair in all its forms.
pub(crate) struct Keys {
    dir: PathBuf,
}

impl Keys {
    /// A new pair in a directory of its own that is called `name`.
    pub(crate) fn generate(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop").join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir).unwrap();
        }
        let keygen =
            Command::new(env!("CARGO_BIN_EXE_alipay-sidecar")).arg("keygen").arg(&dir).output().unwrap();
        assert!(keygen.status.success(), "keygen: {}", String::from_utf8_lossy(&keygen.stderr));
        Self { dir }
    }

    /// The file that holds the content key.
    pub(crate) fn content_key(&self) -> PathBuf {
        self.dir.join("content_key.txt")
    }

    /// Writes a file beside the keys, where the configuration finds it by its name.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.join(name), text).unwrap();
    }

    /// The file that holds the key in this form.
    pub(crate) fn file(&self, form: KeyForm) -> PathBuf {
        let file = self.dir.join(form.file_name());
        assert!(file.is_file(), "keygen wrote no {}", form.file_name());
        file
    }
}
