//! Tokens that say anything, signed with the server's own key or with a stranger's.

use std::{fmt::Display, fs};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gabion_clock::{Clock, SystemClock};
use serde_json::Value;

use crate::{
    client::Request,
    server::{Home, PASSWORD, Server, Tokens},
};

pub(super) const VERIFY: &str = "/api/auth/verify";

/// An attack: what is sent, and which row of the list of attacks it belongs to.
pub(super) struct Case {
    pub(super) row: &'static str,
    pub(super) name: String,
    pub(super) request: Request,
}

impl Case {
    /// A token where a token belongs.
    pub(super) fn token(row: &'static str, name: impl Display, token: impl Display) -> Self {
        Self::request(row, name, Request::get(VERIFY).bearer(&token.to_string()))
    }

    pub(super) fn request(row: &'static str, name: impl Display, request: Request) -> Self {
        Self { row, name: name.to_string(), request }
    }
}

/// A JSON object as it is written: members may be there twice, and values need not be JSON.
#[derive(Clone)]
pub(super) struct Members(Vec<(String, String)>);

impl Members {
    pub(super) fn of(json: &Value) -> Self {
        let members = json.as_object().expect("an object").iter();
        Self(members.map(|(name, value)| (name.clone(), value.to_string())).collect())
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(own, _)| own != name);
        self
    }

    /// In its place where there is such a member, otherwise at the end.
    pub(super) fn with(mut self, name: &str, value: impl Display) -> Self {
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, own)) => *own = value.to_string(),
            None => return self.and(name, value),
        }
        self
    }

    /// One more, whether there is such a member or not; `name` is written as it is.
    pub(super) fn and(mut self, name: &str, value: impl Display) -> Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The value of a member as it is written.
    pub(super) fn value(&self, name: &str) -> &str {
        self.0.iter().find(|(own, _)| own == name).map_or("null", |(_, value)| value)
    }

    pub(super) fn text(&self) -> String {
        let members = self.0.iter().map(|(name, value)| format!("\"{name}\":{value}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

/// Makes tokens like one that the server issued, each with one thing changed.
#[derive(Clone)]
pub(super) struct Mint {
    pub(super) header: Members,
    pub(super) claims: Members,
    secret: Vec<u8>,
}

impl Mint {
    /// Knows the key of the server that issued `token` and keeps its data in `home`.
    pub(super) fn of(home: &Home, token: &str) -> Self {
        let without = Self::without_key(token);
        let kid: Value = serde_json::from_str(without.header.value("kid")).expect("a kid");
        let secret = secret(home, kid.as_str().expect("a name"));
        without.signing_with(&secret)
    }

    /// Knows what anybody knows of `token`.
    pub(super) fn without_key(token: &str) -> Self {
        let mut parts = token.split('.').map(decoded);
        let (header, claims) = (parts.next().expect("a header"), parts.next().expect("claims"));
        Self { header: Members::of(&header), claims: Members::of(&claims), secret: Vec::new() }
    }

    /// The same under another secret.
    pub(super) fn signing_with(&self, secret: &[u8]) -> Self {
        Self { secret: secret.to_owned(), ..self.clone() }
    }

    pub(super) fn secret(&self) -> &[u8] {
        &self.secret
    }

    pub(super) fn token(&self) -> String {
        self.of_texts(self.header.text(), self.claims.text())
    }

    pub(super) fn header(&self, name: &str, value: impl Display) -> String {
        self.with_header(|header| header.with(name, value))
    }

    pub(super) fn claim(&self, name: &str, value: impl Display) -> String {
        self.with_claims(|claims| claims.with(name, value))
    }

    pub(super) fn with_header(&self, change: impl FnOnce(Members) -> Members) -> String {
        self.of_texts(change(self.header.clone()).text(), self.claims.text())
    }

    pub(super) fn with_claims(&self, change: impl FnOnce(Members) -> Members) -> String {
        self.of_texts(self.header.text(), change(self.claims.clone()).text())
    }

    /// A signed token of whatever the two parts are.
    pub(super) fn of_texts(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        self.signed(&format!("{}.{}", encode(header), encode(claims)))
    }

    /// `message` with its right signature.
    pub(super) fn signed(&self, message: &str) -> String {
        format!("{message}.{}", self.signature(HMAC_SHA256, message))
    }

    pub(super) fn signature(&self, algorithm: hmac::Algorithm, message: &str) -> String {
        let key = hmac::Key::new(algorithm, &self.secret);
        encode(hmac::sign(&key, message.as_bytes()))
    }

    /// The first two parts of its token.
    pub(super) fn message(&self) -> String {
        format!("{}.{}", encode(self.header.text()), encode(self.claims.text()))
    }
}

/// The secret of the key of that name.
fn secret(home: &Home, kid: &str) -> Vec<u8> {
    let json = |name: &str| {
        let file = fs::read(home.data(name)).ok()?;
        Some(serde_json::from_slice::<Value>(&file).expect("JSON"))
    };
    let jwk = match json("keys/ring.jwks") {
        Some(set) => {
            let keys = set["keys"].as_array().expect("keys").iter();
            keys.into_iter().find(|key| key["kid"] == kid).cloned()
        }
        None => json("keys/signing.jwk"),
    };
    let jwk = jwk.expect("the key is where keys are");
    URL_SAFE_NO_PAD.decode(jwk["k"].as_str().expect("a secret")).expect("base64url")
}

fn decoded(part: &str) -> Value {
    let json = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&json).unwrap_or_default()
}

pub(super) fn encode(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemClock::new().unix().as_secs()
}

/// A server with what attacks it.
pub(super) struct Target {
    pub(super) server: Server,
    pub(super) tokens: Tokens,
    pub(super) mint: Mint,
    /// Goes last: the server lives in it.
    _home: Home,
}

impl Target {
    /// A server with `sets`, whose key is known where it is a secret.
    pub(super) fn start(sets: &[&str]) -> Self {
        let home = Home::new();
        let server = home.start(sets);
        let tokens = server.login("admin", PASSWORD);
        let symmetric = tokens.access.starts_with(&encode("{\"alg\":\"HS256\","));
        let mint = if symmetric {
            Mint::of(&home, &tokens.access)
        } else {
            Mint::without_key(&tokens.access)
        };
        Self { server, tokens, mint, _home: home }
    }

    /// The token with nothing changed is accepted, and each of `cases` refused.
    #[track_caller]
    pub(super) fn refuses(&self, cases: &[Case]) {
        assert!(self.server.accepts(&self.mint.token()), "a token with nothing changed");
        self.refuses_all(cases);
        self.is_well();
    }

    /// Sends every case, and tells all that were not refused as they must be.
    #[track_caller]
    pub(super) fn refuses_all(&self, cases: &[Case]) {
        let mut faults = Vec::new();
        for Case { row, name, request } in cases {
            let answer =
                match crate::client::Client::connect(self.server.address()).try_send(request) {
                    Ok(answer) => answer,
                    Err(error) => {
                        faults.push(format!("[{row}] {name}: no answer, {error}"));
                        continue;
                    }
                };
            let code = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
            let code = code["code"].as_str().unwrap_or_default();
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            if (answer.status, code) != (401, "unauthenticated") || !challenge.starts_with("Bearer")
            {
                let status = answer.status;
                faults.push(format!("[{row}] {name}: {status} {code} challenge {challenge:?}"));
            }
        }
        assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), cases.len(), faults.join("\n"));
    }

    /// Sends every case, and tells all that were not accepted.
    #[track_caller]
    pub(super) fn accepts(&self, cases: &[Case]) {
        let refused = cases.iter().filter(|case| self.server.send(&case.request).status != 200);
        let refused: Vec<_> = refused.map(|case| format!("[{}] {}", case.row, case.name)).collect();
        assert!(refused.is_empty(), "refused:\n{}", refused.join("\n"));
    }

    /// Nothing has broken, and whoever was let in before still is.
    #[track_caller]
    pub(super) fn is_well(&self) {
        assert!(self.server.accepts(&self.tokens.access));
        let log = self.server.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}
