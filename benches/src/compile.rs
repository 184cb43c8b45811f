//! Binaries, built by the same cargo that runs the bench.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// Runs `cargo build --release` with `arguments` in `folder`; its progress goes to the terminal. The
/// binaries that came out, by name.
///
/// # Errors
///
/// When cargo cannot be started or ends with an error.
pub fn binaries(
    cargo: &Path,
    folder: &Path,
    arguments: &[&str],
) -> io::Result<HashMap<String, PathBuf>> {
    let output = Command::new(cargo)
        .args(["build", "--release", "--message-format=json-render-diagnostics"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        let command = format!("cargo build --release {}", arguments.join(" "));
        return Err(io::Error::other(format!(
            "{command} in {}: {}",
            folder.display(),
            output.status
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(binary).collect())
}

/// Name and file of the binary that a line of cargo's messages tells of.
fn binary(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let file = message.get("executable")?.as_str()?;
    Some((message["target"]["name"].as_str()?.to_owned(), file.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_about_binaries_name_one() {
        let line = r#"{"reason":"compiler-artifact","target":{"name":"a"},"executable":"/x/a"}"#;
        assert_eq!(binary(line), Some(("a".into(), "/x/a".into())));
        for line in [r#"{"reason":"compiler-artifact","executable":null}"#, r#"{}"#, "text"] {
            assert_eq!(binary(line), None, "{line}");
        }
    }
}
