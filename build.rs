//! Lists the files in `messages/`, so that adding a message is adding a file.

use std::io::{self, Write};
use std::path::Path;
use std::{env, fs};

fn main() -> io::Result<()> {
    writeln!(io::stdout(), "cargo::rerun-if-changed=messages")?;
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("messages");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let entries = names.iter().map(|name| {
        let path = folder.join(name).to_string_lossy().into_owned();
        format!("    ({:?}, include_str!({path:?})),\n", format!("messages/{name}"))
    });
    let list = format!("&[\n{}]\n", entries.collect::<String>());
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("messages.rs"), list)
}
