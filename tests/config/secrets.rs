//! Every message about keys and secrets, which says what is wrong and quotes none of them.

use super::*;

#[test]
fn a_key_that_is_none_is_named_but_never_quoted() {
    let env = |name: &str| (name == "KEY_FILE").then(|| "keys/of-the-environment.pem".to_owned());
    let said = refused_with("keys.toml", env);
    assert!(!said.contains("of-the-environment") && !said.contains("MII"), "{said}");
    assert_snapshot!(said, @r#"
    keys.toml:4:3  apps[0].alipay_public_key_files[0]  "../keys/absent.pem" (../keys/absent.pem) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
    keys.toml:5:3  apps[0].alipay_public_key_files[1]  "../keys" (../keys) cannot be read: it is not a file
        relative paths start at the folder of the configuration file; check name and rights
    keys.toml:6:3  apps[0].alipay_public_key_files[2]  "../keys/page.html" (../keys/page.html) holds no key that can be used: this is a page of HTML or XML: copy Alipay's public key (支付宝公钥) from the console
    keys.toml:7:3  apps[0].alipay_public_key_files[3]  "../keys/test-private-key.pem" (../keys/test-private-key.pem) holds no key that can be used: this is a private key: only its owner should have it, and it verifies nothing; configure Alipay's public key (支付宝公钥) here
    keys.toml:8:3  apps[0].alipay_public_key_files[4]  "../keys/test-1024-bits.pem" (../keys/test-1024-bits.pem) holds no key that can be used: this RSA key has 1,024 bits, and 2,048 to 8,192 are allowed: it may be the one for RSA (SHA-1); copy the one for RSA2
    keys.toml:9:3  apps[0].alipay_public_key_files[5]  this is a key, not the name of a file
        write the name of its file here, or move the key itself to alipay_public_keys
    keys.toml:10:3  apps[0].alipay_public_key_files[6]  "${KEY_FILE}" (filled in) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
    keys.toml:13:3  apps[0].alipay_public_keys[0]  this is empty: copy Alipay's public key (支付宝公钥) from the console
    keys.toml:14:3  apps[0].alipay_public_keys[1]  this is a number, perhaps an app_id: copy Alipay's public key (支付宝公钥) from the console
    keys.toml:15:3  apps[0].alipay_public_keys[2]  this has 18 characters, and an RSA2 key has at least 360: a part is missing, or it is something else; copy Alipay's public key (支付宝公钥) from the console
    keys.toml:16:3  apps[0].alipay_public_keys[3]  this is a private key: only its owner should have it, and it verifies nothing; configure Alipay's public key (支付宝公钥) here
    "#);
}

#[test]
fn a_secret_is_named_by_its_file_and_never_quoted() {
    let env = |name: &str| (name == "KEY_FILE").then(|| "keys/of-the-environment.pem".to_owned());
    let said = refused_with("secrets.toml", env);
    assert!(
        !said.contains("of-the-environment") && !said.contains("dGhl") && !said.contains("c2Vj"),
        "{said}"
    );
    assert_snapshot!(said, @r#"
    secrets.toml:4:20  apps[0].content_key_file  "../keys/absent.txt" (../keys/absent.txt) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
    secrets.toml:5:24  apps[0].app_private_key_file  "../keys/absent.pem" (../keys/absent.pem) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
    secrets.toml:10:20  apps[1].content_key_file  "../keys/test-private-key.pem" (../keys/test-private-key.pem) holds no content key: this is a private key, which decrypts nothing here (your app's own belongs into app_private_key_file): copy the AES key (接口内容加密方式) from the console, 24 characters that end in ==
    secrets.toml:11:24  apps[1].app_private_key_file  "../keys/content-key.txt" (../keys/content-key.txt) holds no private key that can be used: this is a symmetric key of 16 bytes, which may belong into content_key_file: name the file of your app's own private key (应用私钥), PKCS#8 or PKCS#1, as PEM or bare base64
    secrets.toml:16:20  apps[2].content_key_file  this is a key, not the name of a file
        write the name of its file here, a file that only its owner can read
    secrets.toml:17:24  apps[2].app_private_key_file  this is a key, not the name of a file
        write the name of its file here, a file that only its owner can read
    secrets.toml:22:20  apps[3].content_key_file  "../keys/page.html" (../keys/page.html) holds no content key: this is not base64: copy the AES key (接口内容加密方式) from the console, 24 characters that end in ==
    secrets.toml:23:24  apps[3].app_private_key_file  "../keys/test-b.crt" (../keys/test-b.crt) holds no private key that can be used: this is a public key or a certificate, which signs nothing: name the file of your app's own private key (应用私钥), PKCS#8 or PKCS#1, as PEM or bare base64
    secrets.toml:28:20  apps[4].content_key_file  a string is expected, and this is a list
        put it in quotes, with its unit if it has one
    secrets.toml:29:24  apps[4].app_private_key_file  this is a key, not the name of a file
        write the name of its file here, a file that only its owner can read
    secrets.toml:36:20  apps[5].content_key_file  "${KEY_FILE}" (filled in) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
    secrets.toml:37:24  apps[5].app_private_key_file  "${KEY_FILE}" (filled in) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
    "#);
}

#[test]
fn a_secret_that_is_none_is_named_but_never_quoted() {
    let of = |name: &str| {
        let text = format!("[upstream]\nhmac_key_file = \"{FIXTURES}/keys/{name}\"");
        errors(&text).replace(FIXTURES, "…").lines().next().unwrap().to_owned()
    };
    let files = ["absent.hmac", "", "two.hmac", "short.hmac", "page.html", "test-private-key.pem"];
    assert_snapshot!(files.map(of).join("\n"), @r#"
    2:17  upstream.hmac_key_file  "…/keys/absent.hmac" cannot be read: No such file or directory (os error 2)
    2:17  upstream.hmac_key_file  "…/keys/" cannot be read: it is not a file
    2:17  upstream.hmac_key_file  "…/keys/two.hmac" holds no secret that can be used: there is space or a line break in it, and one secret is one word; make one with `openssl rand -base64 32`, and give it to the app too
    2:17  upstream.hmac_key_file  "…/keys/short.hmac" holds no secret that can be used: it has 5 bytes once decoded, and 24 to 64 are allowed; make one with `openssl rand -base64 32`, and give it to the app too
    2:17  upstream.hmac_key_file  "…/keys/page.html" holds no secret that can be used: this is not base64 with the characters + and / and its padding; make one with `openssl rand -base64 32`, and give it to the app too
    2:17  upstream.hmac_key_file  "…/keys/test-private-key.pem" holds no secret that can be used: this is a key or a certificate in PEM, and a secret is random bytes in base64; make one with `openssl rand -base64 32`, and give it to the app too
    "#);
    let secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    for written in [secret, &format!("whsec_{secret}"), &format!("{secret}{secret}{secret}")] {
        let said = errors(&format!("[upstream]\nhmac_key_file = \"{written}\""));
        assert!(!said.contains("MfKQ"), "{said}");
    }
    assert_snapshot!(errors(&format!("[upstream]\nhmac_key_file = \"{secret}\"")), @r#"
    2:17  upstream.hmac_key_file  this is a secret, not the name of a file
        write the name of its file here, and give the app another secret: this one is known now
    "#);
}
