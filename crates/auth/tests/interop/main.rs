//! Two other implementations, PyJWT and joserfc, take our tokens, and we take theirs: for each algorithm,
//! with keys that travel as JSON Web Keys.
//!
//! It takes Python, and once the package registry. Where one is missing, the test says so on standard
//! error and is no failure.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gabion_auth::{
    Algorithm, Issuer, KeyId, KeyResolver, Roles, Session, SessionId, SigningKey, Username,
    Verifier, VerifyingKey,
};
use gabion_clock::{Clock, SystemClock};
use serde_json::{Value, json};

const REQUIREMENTS: &str = include_str!("requirements.txt");
const HOUR: Duration = Duration::from_secs(3600);
const SECRET: [u8; 32] = *b"a secret that both sides know...";

/// One key for tokens that name it.
struct One(Arc<VerifyingKey>);

impl KeyResolver for One {
    fn resolve(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
        (kid? == self.0.id().as_str()).then(|| Arc::clone(&self.0))
    }
}

fn session() -> Session {
    let now = SystemClock::new().unix();
    Session {
        id: SessionId::from_bits(1),
        username: Username::parse("ann").expect("a name"),
        generation: 0,
        created_at: now,
        refreshed_at: now,
        expires_at: now + HOUR * 24,
        address: String::new(),
    }
}

/// A token of ours for each algorithm, with what verifies it.
fn ours() -> (Vec<KeyId>, Vec<Value>) {
    let now = SystemClock::new().unix();
    let issue = |algorithm: Algorithm| {
        let key = match algorithm {
            Algorithm::Hs256 => SigningKey::hs256(&SECRET).expect("long enough"),
            _ => SigningKey::generate(algorithm).expect("a key"),
        };
        let issuer = Issuer::new(key.clone(), "gabion", "gabion", HOUR);
        let token = issuer.issue(&session(), &Roles::new(["user"]), now);
        let secret = || json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET) });
        let jwk = key.verifying_key().to_jwk().unwrap_or_else(secret);
        let alg = algorithm.as_str();
        (key.id().clone(), json!({ "alg": alg, "jwk": jwk, "token": token, "sub": "ann" }))
    };
    Algorithm::ALL.into_iter().map(issue).unzip()
}

fn key(jwk: &Value) -> Arc<VerifyingKey> {
    if jwk["kty"] == "oct" {
        let text = |name: &str| jwk[name].as_str().expect("text");
        let secret = URL_SAFE_NO_PAD.decode(text("k")).expect("base64url");
        let id = KeyId::parse(text("kid")).expect("a name");
        return SigningKey::hs256_named(id, &secret).expect("long enough").verifying_key();
    }
    Arc::new(VerifyingKey::from_jwk(jwk).unwrap_or_else(|error| panic!("{error}: {jwk}")))
}

#[test]
fn others_take_our_tokens_and_we_take_theirs() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => {
            // Not through `eprintln`, which a test that passes swallows.
            let told = format!("\nSKIPPED: tokens of PyJWT and joserfc: {why}\n");
            io::stderr().write_all(told.as_bytes()).unwrap();
            return;
        }
    };
    let now = SystemClock::new().unix();
    let claims = json!({
        "iss": "gabion", "aud": "gabion", "sub": "eve", "iat": now.as_secs(), "nbf": now.as_secs(),
        "exp": now.as_secs() + 600, "jti": SessionId::random().to_string(),
        "sid": SessionId::random().to_string(), "roles": ["user"],
    });
    let (names, tokens) = ours();
    let answer = ask(&python, &json!({ "claims": claims, "tokens": tokens }));
    assert_eq!(answer["faults"], json!([]), "{:#}", answer["faults"]);
    for (name, theirs) in names.iter().zip(answer["thumbprints"].as_array().unwrap()).skip(1) {
        assert_eq!(name.as_str(), theirs, "RFC 7638");
    }
    let theirs = answer["tokens"].as_array().unwrap();
    assert_eq!(theirs.len(), 2 * Algorithm::ALL.len());
    for one in theirs {
        let (peer, alg, token) = (&one["peer"], &one["alg"], one["token"].as_str().unwrap());
        let key = key(&one["jwk"]);
        assert_eq!(key.algorithm().as_str(), alg);
        let verifier = Verifier::new(One(key), "gabion", "gabion", Duration::from_secs(30));
        let claims = verifier.verify(token, now);
        let claims = claims.unwrap_or_else(|error| panic!("{peer} {alg}: {error}: {token}"));
        assert_eq!(claims.subject.as_str(), "eve");
        let changed = token.replacen('.', ".A", 1);
        assert!(verifier.verify(&changed, now).is_err());
    }
}

/// Python with the two libraries, made once for all runs; why not, otherwise.
fn python() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop-python");
    let (python, made) = (folder.join("bin/python"), folder.join("requirements.txt"));
    if fs::read_to_string(&made).is_ok_and(|made| made == REQUIREMENTS) {
        return Ok(python);
    }
    let _ = fs::remove_dir_all(&folder);
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let wanted = folder.join("wanted.txt");
    fs::write(&wanted, REQUIREMENTS).map_err(|error| error.to_string())?;
    let install =
        ["-m", "pip", "install", "--quiet", "--no-deps", "--retries", "1", "--requirement"];
    run(Command::new(&python).args(install).arg(&wanted))?;
    // Last: what is interrupted is begun anew.
    fs::rename(&wanted, &made).map_err(|error| error.to_string())?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = format!("{command:?}");
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{name}: {}", last_line(&output))),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

fn last_line(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    told.trim_end().lines().next_back().unwrap_or("no reason given").to_owned()
}

fn ask(python: &Path, request: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/peers.py");
    let mut command = Command::new(python);
    command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("Python starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(request.to_string().as_bytes()).expect("the script reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the script ends");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"))
}
