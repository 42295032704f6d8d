//! Lists the files in `messages/` with what is needed of each before it is used, so that adding a message is adding a
//! file.
//!
//! The files are read line by line: the keys of the message and of its fields each have a line of their own. A test
//! holds what is found here to what the files say.

use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() -> io::Result<()> {
    writeln!(io::stdout(), "cargo::rerun-if-changed=messages")?;
    if is_release() && has_lld()? {
        // Functions that come out alike become one: a seventh of the binary.
        writeln!(io::stdout(), "cargo::rustc-link-arg-bins=-Wl,--icf=all")?;
        if libc_packs_relocations()? {
            // Where the addresses stand that are set at the start, in bits: a thirtieth of it.
            writeln!(io::stdout(), "cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs")?;
        }
    }
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("messages");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let mut list = format!(
        "/// The files in `messages/`, in alphabetical order.\npub(super) static BUILTIN: [Builtin; {}] = [\n",
        names.len()
    );
    for name in names {
        let path = folder.join(&name);
        list.push_str(&entry(
            &format!("messages/{name}"),
            &path.to_string_lossy(),
            &fs::read_to_string(&path)?,
        )?);
    }
    list.push_str("];\n");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("messages.rs"), list)
}

/// The entry of one file.
fn entry(file: &str, path: &str, text: &str) -> io::Result<String> {
    let named = [("msg_method", "MsgMethod"), ("notify_type", "NotifyType")];
    let name = named.iter().find_map(|(key, naming)| {
        text.lines().find_map(|line| string(line, key)).map(|name| (*naming, name))
    });
    let Some((naming, name)) = name else {
        return Err(io::Error::other(format!("{file} has no line with its msg_method or notify_type")));
    };
    let has_fields = text.lines().any(|line| line == "[[fields]]");
    let has_content = naming == "NotifyType" && text.lines().any(|line| line == "content = \"biz_content\"");
    let is_flat = naming == "NotifyType" && !has_content;
    // What stands above the first field is the message's own.
    let fields = text.split("\n[[fields]]\n").skip(1).filter(|_| is_flat).map(|field| {
        let Some(name) = field.lines().find_map(|line| string(line, "name")) else {
            return Err(io::Error::other(format!("{file} has a field without a line with its name")));
        };
        let is_json = field.lines().find_map(|line| string(line, "type")) == Some("json");
        let is_free_text = is_json || field.lines().any(|line| line == "free_text = true");
        Ok(format!("({name:?}, {is_free_text}), "))
    });
    let parameters = if has_content {
        "(\"biz_content\", true)".to_owned()
    } else {
        fields.collect::<io::Result<String>>()?
    };
    Ok(format!(
        "    Builtin::new({file:?}, Naming::{naming}, {name:?}, {has_fields}, &[{parameters}], include_str!({path:?})),\n"
    ))
}

/// The text in quotes that `line` gives to `key`.
fn string<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')
}

fn is_release() -> bool {
    env::var("PROFILE").is_ok_and(|profile| profile == "release")
}

/// Whether Rust links by the linker that it brings, which it does for this target alone.
fn has_lld() -> io::Result<bool> {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    if env::var("TARGET").is_ok_and(|target| target != TARGET) {
        return Ok(false);
    }
    let rustc = env::var("RUSTC").map_err(io::Error::other)?;
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output()?.stdout;
    let sysroot = String::from_utf8(sysroot).map_err(io::Error::other)?;
    Ok(Path::new(sysroot.trim_end()).join("lib/rustlib").join(TARGET).join("bin/gcc-ld/ld.lld").exists())
}

/// Whether the C library of this machine is glibc of 2.36 or later, which reads packed relocations.
fn libc_packs_relocations() -> io::Result<bool> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output()?.stdout;
    let said = String::from_utf8(said).map_err(io::Error::other)?;
    let version = said.trim_end().strip_prefix("glibc ").and_then(|version| version.split_once('.'));
    Ok(version.is_some_and(|(major, minor)| {
        let number = |text: &str| text.parse::<u32>().unwrap_or(0);
        (number(major), number(minor)) >= (2, 36)
    }))
}
