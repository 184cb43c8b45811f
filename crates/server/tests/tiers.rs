//! The tier rule: arrows go down only, never sideways, and what is below names nobody's machinery.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const WORDS: &[&str] = &["clock", "errors", "config"];
const CONCERNS: &[&str] = &["auth", "cache", "limits", "monitor"];

/// What each crate may depend on among ours. A new entry is the change that needs the most thought.
const MAY_USE: &[(&str, &[&[&str]])] = &[
    ("clock", &[]),
    ("errors", &[&["clock"]]),
    ("config", &[&["clock"]]),
    ("auth", &[WORDS]),
    ("cache", &[WORDS]),
    ("limits", &[WORDS]),
    ("monitor", &[WORDS]),
    ("tower", &[WORDS, CONCERNS]),
    ("redis", &[WORDS, CONCERNS]),
    ("sql", &[WORDS, CONCERNS]),
    ("lifecycle", &[WORDS, CONCERNS]),
    ("client", &[WORDS, CONCERNS]),
    ("server", &[WORDS, CONCERNS, &["tower", "redis", "sql", "lifecycle", "client"]]),
];

/// They show and measure; nothing stands on them.
const EXEMPT: &[&str] = &["examples", "benches"];

/// Other people's machinery, for adapters only; a name stands for all that begin with it.
const MACHINERY: &[&str] =
    &["hyper", "tower", "axum", "actix", "tonic", "warp", "rocket", "reqwest", "sqlx", "redis"];

/// Conversions that the orphan rule keeps out of every other crate; each behind a feature.
const CONVERSIONS: &[(&str, &str)] =
    &[("errors", "axum-core"), ("errors", "actix-web"), ("errors", "tonic")];

/// What concerns may use of tokio, and never in a signature.
const OF_TOKIO: &[&str] = &["sync", "time", "rt"];

/// What concerns never name in public.
const UNSPEAKABLE: &[&str] = &["tokio", "hyper", "tower", "axum", "actix", "tonic"];

/// The most packages that a crate may bring along, itself counted.
const CEILINGS: &[(&str, usize)] = &[("limits", 25), ("errors", 20)];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output();
    let output = output.expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Our packages by their short names.
fn packages() -> BTreeMap<String, Value> {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps", "--locked"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages").iter();
    packages
        .map(|package| (short(&package["name"]).expect("ours").to_owned(), package.clone()))
        .collect()
}

fn short(name: &Value) -> Option<&str> {
    name.as_str()?.strip_prefix("gabion-")
}

/// What a package needs to be built, not to be tested.
fn dependencies(package: &Value) -> impl Iterator<Item = &Value> {
    let all = package["dependencies"].as_array().expect("dependencies").iter();
    all.filter(|dependency| dependency["kind"] != "dev")
}

fn stands_for(prefix: &str, name: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

#[test]
fn the_table_names_every_crate() {
    let known = MAY_USE.iter().map(|(name, _)| *name).chain(EXEMPT.iter().copied());
    let packages = packages();
    let found: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    assert_eq!(found, known.collect());
}

#[test]
fn arrows_go_down_only() {
    let packages = packages();
    for (name, allowed) in MAY_USE {
        for dependency in dependencies(&packages[*name]) {
            let Some(other) = short(&dependency["name"]) else { continue };
            let may = allowed.iter().any(|tier| tier.contains(&other));
            assert!(may, "gabion-{name} must not depend on gabion-{other}");
        }
    }
}

#[test]
fn concerns_and_words_depend_on_nobodys_machinery() {
    let packages = packages();
    for name in WORDS.iter().chain(CONCERNS) {
        for dependency in dependencies(&packages[*name]) {
            let other = dependency["name"].as_str().expect("a name");
            let converts = CONVERSIONS.contains(&(*name, other)) && dependency["optional"] == true;
            let machinery = MACHINERY.iter().any(|prefix| stands_for(prefix, other));
            assert!(converts || !machinery, "gabion-{name} must not depend on {other}");
            assert!(other != "tokio" || !WORDS.contains(name), "gabion-{name} needs no runtime");
        }
    }
    for (own, client) in [("sql", "sqlx"), ("redis", "redis")] {
        for (name, package) in packages.iter().filter(|(name, _)| *name != own) {
            let uses = dependencies(package).any(|dependency| dependency["name"] == client);
            assert!(!uses, "{client} is gabion-{own}'s alone, not gabion-{name}'s");
        }
    }
}

#[test]
fn concerns_use_of_tokio_what_needs_no_driver() {
    let packages = packages();
    for name in CONCERNS {
        for dependency in dependencies(&packages[*name]).filter(|it| it["name"] == "tokio") {
            let features = dependency["features"].as_array().expect("features").iter();
            for feature in features.filter_map(Value::as_str) {
                assert!(OF_TOKIO.contains(&feature), "gabion-{name} must not use tokio/{feature}");
            }
        }
    }
}

#[test]
fn public_signatures_of_concerns_name_nobodys_machinery() {
    for name in CONCERNS {
        let files = sources(&root().join("crates").join(name).join("src"));
        assert!(!files.is_empty(), "gabion-{name} has no sources");
        for file in files {
            let found = unspeakable(&fs::read_to_string(&file).expect("a source"));
            assert!(found.is_empty(), "{}: {found:#?}", file.display());
        }
    }
}

#[test]
fn what_crates_bring_along_is_bounded() {
    for (name, _) in MAY_USE {
        let package = format!("gabion-{name}");
        let tree = ["tree", "-p", &package, "-e", "normal", "--prefix", "none", "--locked"];
        let tree = cargo(&tree);
        let versions: BTreeSet<String> = tree
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect();
        let count = versions.len();
        println!("{package:<18} {count:>4} packages");
        if let Some((_, most)) = CEILINGS.iter().find(|(own, _)| own == name) {
            assert!(
                count <= *most,
                "{package} brings {count} packages, {most} are allowed: {tree}"
            );
        }
    }
}

/// The Rust files below `folder` that are not tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let is = |name: &str| path.file_stem().is_some_and(|stem| stem == name);
        if is("tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The public signatures in `source` that name machinery, by its path or by an imported name.
fn unspeakable(source: &str) -> Vec<String> {
    let tokens = without_tests(&tokens(source));
    let imported = imported(&tokens);
    let mut found = Vec::new();
    for signature in signatures(&tokens) {
        let names = |(at, token): (usize, &String)| {
            let path = signature.get(at + 1).is_some_and(|next| next == "::");
            let is_type = token.starts_with(char::is_uppercase);
            let machinery = UNSPEAKABLE.iter().any(|prefix| stands_for(prefix, token));
            (machinery && path) || (imported.contains(token) && (is_type || path))
        };
        if signature.iter().enumerate().any(names) {
            found.push(signature.join(" "));
        }
    }
    found
}

/// Words and signs; comments and the content of texts are left out.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = text(rest) {
            length
        } else if is_word(first) {
            let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            tokens.push(rest[..end].to_owned());
            end
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            if !first.is_whitespace() {
                tokens.push(rest[..length].to_owned());
            }
            length
        };
        rest = &rest[length..];
    }
    tokens
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// The length of the text or character that `rest` begins with.
fn text(rest: &str) -> Option<usize> {
    let raw = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'));
    if let Some(raw) = raw {
        let marks = raw.bytes().take_while(|byte| *byte == b'#').count();
        if raw[marks..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(marks));
            let begun = rest.len() - raw.len() + marks + 1;
            return Some(rest[begun..].find(&end).map_or(rest.len(), |at| begun + at + end.len()));
        }
    }
    let quote = rest.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    // A lifetime is no character.
    if quote == '\'' && !rest.starts_with("'\\") && rest.chars().nth(2) != Some('\'') {
        return None;
    }
    let mut escaped = false;
    let end = rest[1..].char_indices().find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    Some(end.map_or(rest.len(), |(at, _)| at + 2))
}

/// The tokens without what stands under `#[cfg(test)]`.
fn without_tests(tokens: &[String]) -> Vec<String> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().take(mark.len()).eq(mark.iter()) {
            at = item_end(tokens, at + mark.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Behind the item that begins at `at`: its braces, or its semicolon.
fn item_end(tokens: &[String], mut at: usize) -> usize {
    let mut depth = 0_u32;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" if depth == 1 => return at + 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// The names that `use` brings in from machinery.
fn imported(tokens: &[String]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let uses = tokens.iter().enumerate().filter(|(_, token)| *token == "use");
    for (at, _) in uses {
        let end =
            tokens[at..].iter().position(|token| token == ";").map_or(tokens.len(), |n| at + n);
        let path = &tokens[at + 1..end];
        let machinery = |token: &String| UNSPEAKABLE.iter().any(|it| stands_for(it, token));
        if !path.iter().find(|token| *token != "::").is_some_and(machinery) {
            continue;
        }
        for (at, token) in path.iter().enumerate() {
            let next = path.get(at + 1).map(String::as_str);
            let is_name = token.starts_with(is_word) && !["as", "_"].contains(&token.as_str());
            if !is_name || next == Some("as") {
                continue;
            }
            if token == "self" {
                // `a::{self, B}` brings in `a`, which stands three tokens before.
                names.extend(at.checked_sub(3).and_then(|before| path.get(before)).cloned());
            } else if next != Some("::") {
                names.insert(token.clone());
            }
        }
    }
    names
}

/// What of each public item its users see; and the heads of all implementations.
fn signatures(tokens: &[String]) -> Vec<&[String]> {
    let mut signatures = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).map(String::as_str);
        if token == "impl" && begins_an_item(tokens, at) {
            signatures.push(&tokens[at..head_end(tokens, at)]);
        } else if token == "pub" && next != Some("(") {
            let whole = ["enum", "trait", "union"].map(Some).contains(&next)
                || next == Some("unsafe")
                || next == Some("auto");
            let end = if whole { item_end(tokens, at) } else { head_end(tokens, at) };
            // The fields behind are private, or items of their own.
            let fields = |token: &String| next == Some("struct") && token == "(";
            let fields = tokens[at..end].iter().position(fields);
            signatures.push(&tokens[at..fields.map_or(end, |fields| at + fields)]);
        }
    }
    signatures
}

fn begins_an_item(tokens: &[String], at: usize) -> bool {
    at == 0 || ["}", ";", "]", "{", "unsafe"].contains(&tokens[at - 1].as_str())
}

/// Where the head of an item or the type of a field ends.
fn head_end(tokens: &[String], begun: usize) -> usize {
    let mut depth = 0_u32;
    for (at, token) in tokens.iter().enumerate().skip(begun) {
        match token.as_str() {
            "(" | "[" | "<" => depth += 1,
            ")" | "]" if depth == 0 => return at,
            // The arrow before a result closes nothing.
            ">" if tokens[at - 1] == "-" || tokens[at - 1] == "=" => {}
            ")" | "]" | ">" => depth = depth.saturating_sub(1),
            "{" | "}" | ";" => return at,
            "," if depth == 0 => return at,
            _ => {}
        }
    }
    tokens.len()
}

#[test]
fn the_scan_sees_what_users_see() {
    for seen in [
        "pub fn wait(&self) -> tokio::sync::OwnedSemaphorePermit {}",
        "use tokio::sync::{Mutex as Lock, Notify};\npub fn told(&self, by: &Notify) {}",
        "use tokio::sync::{Mutex as Lock, Notify};\npub struct A { pub lock: Lock<u8> }",
        "use tokio::{sync::mpsc};\npub type Queue = mpsc::Sender<u8>;",
        "use tokio::sync::{self, Notify};\npub const fn a() -> sync::Notify {}",
        "pub enum Cause { Http(hyper::Error) }",
        "pub trait Layered { fn layer(&self) -> tower_layer::Identity; }",
        "impl<S> tower::Service<S> for Mine {}",
        "pub use tokio::time::Instant;",
        "pub struct Tuple(pub axum::Router);",
        "pub async fn many<A, B>(a: A, b: B) -> Result<A, tonic::Status> where A: Send {}",
    ] {
        assert_eq!(unspeakable(seen).len(), 1, "{seen}");
    }
}

#[test]
fn the_scan_passes_what_users_do_not_see() {
    for unseen in [
        "use tokio::sync::Notify;\npub struct A { notify: Notify, pub count: u32 }",
        "pub fn wait(&self) { tokio::spawn(async {}); }",
        "pub struct Tuple(tokio::sync::Notify);",
        "pub(crate) fn wait() -> tokio::sync::Notify {}",
        "/// As tokio::time does.\npub fn a(tokio: u8) {}",
        "#[cfg(test)]\nmod tests { pub fn a() -> tokio::Runtime {} }\npub fn b() {}",
        "pub fn text() -> &'static str { \"pub fn a() -> tokio::Runtime\" }",
        "use tokio::time;\npub fn after(time: u8) {}",
        "pub fn a(quote: char) -> bool { quote == '\"' } fn b() -> tokio::Runtime {}",
        "pub fn tower_of(x: u8) {}",
        "pub fn raw() { let _ = r#\"pub fn \" -> tokio::x\"#; }",
    ] {
        assert_eq!(unspeakable(unseen), Vec::<String>::new(), "{unseen}");
    }
}
