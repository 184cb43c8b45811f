//! Tokens: issue, verify, and find again what was verified; beside jsonwebtoken.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use gabion_auth::{
    Algorithm, Claims, Issuer, KeyResolver, KeyRing, Principal, Revocations, Roles, Session,
    SessionId, SigningKey, TokenError, Username, VerifiedTokens, Verifier, VerifyingKey,
};
use gabion_clock::{Clock, SystemClock, UnixTime};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::Order;

const SECRET: &[u8] = b"an HS256 secret of thirty-two by";
const NAME: &str = "gabion";
const LEEWAY: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);

/// Tokens of many sessions, all good for the next hour.
pub struct Tokens {
    texts: Vec<String>,
    sessions: Vec<Session>,
    key: SigningKey,
    /// The same key for the peer.
    peer: (EncodingKey, DecodingKey),
    now: UnixTime,
}

/// One key for both sides.
fn keys(algorithm: Algorithm) -> (SigningKey, (EncodingKey, DecodingKey)) {
    const MADE: &str = "the library makes keys that it reads";
    let ours = |document: &[u8]| SigningKey::from_pkcs8(algorithm, document).expect(MADE);
    match algorithm {
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate().expect(MADE);
            let document = pair.to_pkcs8v1().expect(MADE);
            let public = DecodingKey::from_ed_der(pair.public_key().as_ref());
            let document = document.as_ref();
            (ours(document), (EncodingKey::from_ed_der(document), public))
        }
        Algorithm::Es256 => {
            let (form, unused) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
            let document = EcdsaKeyPair::generate_pkcs8(form, &unused).expect(MADE);
            let document = document.as_ref();
            let pair = EcdsaKeyPair::from_pkcs8(form, document).expect(MADE);
            let public = DecodingKey::from_ec_der(pair.public_key().as_ref());
            (ours(document), (EncodingKey::from_ec_der(document), public))
        }
        Algorithm::Rs256 => {
            let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect(MADE);
            let document: Pkcs8V1Der<'_> = pair.as_der().expect(MADE);
            let document = document.as_ref();
            let public = DecodingKey::from_rsa_der(pair.public_key().as_ref());
            // The peer wants the RSAPrivateKey (RFC 8017 §A.1.2) that the document of a key of 2048
            // bits holds from its 26th byte on.
            (ours(document), (EncodingKey::from_rsa_der(&document[26..]), public))
        }
        _ => (
            SigningKey::hs256(SECRET).expect("the secret has 32 bytes"),
            (EncodingKey::from_secret(SECRET), DecodingKey::from_secret(SECRET)),
        ),
    }
}

impl Tokens {
    /// `count` of them with HS256, each of its own session and account.
    ///
    /// # Panics
    ///
    /// Never: the names and the secret are well formed.
    #[must_use]
    pub fn new(count: usize) -> Arc<Self> {
        Self::signed_by(Algorithm::Hs256, count)
    }

    /// The same with another algorithm.
    ///
    /// # Panics
    ///
    /// When the cryptography library makes no key.
    #[must_use]
    pub fn signed_by(algorithm: Algorithm, count: usize) -> Arc<Self> {
        let now = SystemClock::new().unix();
        let (key, peer) = keys(algorithm);
        let session = |i: usize| Session {
            id: SessionId::random(),
            username: Username::parse(&format!("user-{i:07}")).expect("a name of known characters"),
            generation: 0,
            created_at: now,
            refreshed_at: now,
            expires_at: now + HOUR * 24,
            address: String::from("192.0.2.1"),
        };
        let sessions: Vec<Session> = (0..count).map(session).collect();
        let issuer = Issuer::new(key.clone(), NAME, NAME, HOUR);
        let roles = Roles::new(["user"]);
        let texts = sessions.iter().map(|session| issuer.issue(session, &roles, now)).collect();
        Arc::new(Self { texts, sessions, key, peer, now })
    }

    /// The tokens.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Whose token each is.
    #[must_use]
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// The peer's name of their algorithm.
    fn peers_algorithm(&self) -> jsonwebtoken::Algorithm {
        let name = self.key.algorithm().as_str();
        name.parse().expect("both have the registered names")
    }

    /// What verifies them.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        Verifier::new(One(self.key.verifying_key()), NAME, NAME, LEEWAY)
    }
}

/// One key under its name, as a key ring of one.
struct One(Arc<VerifyingKey>);

impl KeyResolver for One {
    fn resolve(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
        (kid? == self.0.id().as_str()).then(|| Arc::clone(&self.0))
    }
}

/// Our verifier: every token as if it had never been seen.
pub struct Cold {
    verifier: Verifier,
    tokens: Arc<Tokens>,
    order: Order,
}

impl Cold {
    /// Over `tokens` in uniform order.
    #[must_use]
    pub fn new(tokens: &Arc<Tokens>) -> Self {
        let order = Order::uniform(tokens.texts.len());
        Self { verifier: tokens.verifier(), tokens: Arc::clone(tokens), order }
    }

    /// Verifies the next token.
    ///
    /// # Errors
    ///
    /// Never: the tokens are good.
    #[inline]
    pub fn verify(&mut self) -> Result<Claims, TokenError> {
        let token = &self.tokens.texts[self.order.next_index()];
        self.verifier.verify(token, self.tokens.now)
    }
}

/// jsonwebtoken with a prepared key and every check that ours makes.
pub struct Jsonwebtoken {
    key: DecodingKey,
    validation: Validation,
    tokens: Arc<Tokens>,
    order: Order,
}

#[derive(Serialize, Deserialize)]
struct PeerClaims {
    iss: String,
    aud: String,
    sub: String,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: String,
    sid: String,
    roles: Vec<String>,
}

impl Jsonwebtoken {
    /// Over `tokens` in uniform order.
    #[must_use]
    pub fn new(tokens: &Arc<Tokens>) -> Self {
        let mut validation = Validation::new(tokens.peers_algorithm());
        validation.set_issuer(&[NAME]);
        validation.set_audience(&[NAME]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY.as_secs();
        let order = Order::uniform(tokens.texts.len());
        let key = tokens.peer.1.clone();
        Self { key, validation, tokens: Arc::clone(tokens), order }
    }

    /// Verifies the next token: signature and registered claims by the library; type, key name, `iat`
    /// and the two identifiers, which it does not look at, by hand.
    #[inline]
    pub fn verify(&mut self) -> Option<(Username, SessionId, SessionId, Roles)> {
        let token = &self.tokens.texts[self.order.next_index()];
        let data = jsonwebtoken::decode::<PeerClaims>(token, &self.key, &self.validation).ok()?;
        let typ = data.header.typ.as_deref() == Some("at+jwt");
        let kid = data.header.kid.as_deref() == Some(self.tokens.key.id().as_str());
        let claims = data.claims;
        let begun = claims.iat <= (self.tokens.now + LEEWAY).as_secs() && claims.iat < claims.exp;
        if !(typ && kid && begun) {
            return None;
        }
        let subject =
            Username::parse(&claims.sub).ok().filter(|name| name.as_str() == claims.sub)?;
        let roles = Roles::new(&claims.roles);
        Some((subject, claims.sid.parse().ok()?, claims.jti.parse().ok()?, roles))
    }
}

/// Tokens that were verified before, and sessions that have ended meanwhile.
pub struct Remembered {
    verified: VerifiedTokens<Principal>,
    /// Asked each time whether a key was taken away meanwhile.
    verifier: Verifier,
    revocations: Revocations,
    /// In the order in which they come: a server has read the token just now.
    drawn: Vec<String>,
    at: usize,
    now: UnixTime,
}

/// A power of two.
const DRAWN: usize = 1 << 15;

impl Remembered {
    /// All of `tokens` were verified; they come in skewed order, as those of real callers do. A
    /// thousand other sessions have ended.
    ///
    /// # Panics
    ///
    /// Never: the tokens are good.
    #[must_use]
    pub fn new(tokens: &Arc<Tokens>) -> Self {
        let count = tokens.texts.len();
        // Room to spare: what is measured is a hit.
        let verified = VerifiedTokens::new(count * 2, LEEWAY);
        let ring = Arc::new(KeyRing::ephemeral());
        let issuer = Issuer::new(Arc::clone(&ring), NAME, NAME, HOUR);
        let roles = Roles::new(["user"]);
        let verifier = Verifier::new(ring, NAME, NAME, LEEWAY);
        let texts: Vec<String> =
            tokens.sessions.iter().map(|one| issuer.issue(one, &roles, tokens.now)).collect();
        for token in &texts {
            let claims = verifier.verify(token, tokens.now).expect("issued just now");
            verified.insert(token, verifier.epoch(), Arc::new(claims.into()));
        }
        let revocations = Revocations::new();
        (0..1000).for_each(|_| revocations.end(SessionId::random(), tokens.now + HOUR));
        let mut order = Order::skewed(count);
        let drawn = (0..DRAWN).map(|_| texts[order.next_index()].clone()).collect();
        Self { verified, verifier, revocations, drawn, at: 0, now: tokens.now }
    }

    /// Finds the next token, which asks for its expiry and for its key too.
    #[inline]
    pub fn find(&mut self) -> Option<Arc<Principal>> {
        self.at = (self.at + 1) & (DRAWN - 1);
        self.verified.get(&self.drawn[self.at], self.verifier.epoch(), self.now)
    }

    /// The same, and asks whether the session has ended.
    #[inline]
    pub fn find_unless_ended(&mut self) -> Option<Arc<Principal>> {
        self.find().filter(|principal| !self.revocations.ended(principal.session))
    }
}

/// Our issuer.
pub struct Issuing {
    issuer: Issuer,
    tokens: Arc<Tokens>,
    order: Order,
    roles: Roles,
}

impl Issuing {
    /// For the sessions of `tokens`.
    #[must_use]
    pub fn new(tokens: &Arc<Tokens>) -> Self {
        Self {
            issuer: Issuer::new(tokens.key.clone(), NAME, NAME, HOUR),
            tokens: Arc::clone(tokens),
            order: Order::uniform(tokens.texts.len()),
            roles: Roles::new(["user"]),
        }
    }

    /// A token for the next session.
    #[inline]
    pub fn issue(&mut self) -> String {
        let session = &self.tokens.sessions[self.order.next_index()];
        self.issuer.issue(session, &self.roles, self.tokens.now)
    }
}

/// jsonwebtoken issuing the same.
pub struct JsonwebtokenIssuing {
    key: EncodingKey,
    header: Header,
    tokens: Arc<Tokens>,
    order: Order,
}

impl JsonwebtokenIssuing {
    /// For the sessions of `tokens`.
    #[must_use]
    pub fn new(tokens: &Arc<Tokens>) -> Self {
        let mut header = Header::new(tokens.peers_algorithm());
        header.typ = Some(String::from("at+jwt"));
        header.kid = Some(tokens.key.id().as_str().to_owned());
        let order = Order::uniform(tokens.texts.len());
        Self { key: tokens.peer.0.clone(), header, tokens: Arc::clone(tokens), order }
    }

    /// A token for the next session.
    #[inline]
    pub fn issue(&mut self) -> Option<String> {
        let session = &self.tokens.sessions[self.order.next_index()];
        let iat = self.tokens.now.as_secs();
        let claims = PeerClaims {
            iss: NAME.to_owned(),
            aud: NAME.to_owned(),
            sub: session.username.as_str().to_owned(),
            exp: iat + HOUR.as_secs(),
            nbf: iat,
            iat,
            jti: SessionId::random().to_string(),
            sid: session.id.to_string(),
            roles: vec![String::from("user")],
        };
        jsonwebtoken::encode(&self.header, &claims, &self.key).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_verifiers_find_the_same() {
        for algorithm in Algorithm::ALL {
            let tokens = Tokens::signed_by(algorithm, 50);
            let (mut ours, mut peer) = (Cold::new(&tokens), Jsonwebtoken::new(&tokens));
            for _ in 0..100 {
                let claims = ours.verify().unwrap();
                let (subject, session, id, roles) = peer.verify().unwrap();
                assert_eq!((claims.subject, claims.session), (subject, session));
                assert_eq!((claims.id, claims.roles), (id.bits(), roles));
            }
        }
    }

    #[test]
    fn every_look_up_is_a_hit() {
        let mut remembered = Remembered::new(&Tokens::new(50));
        assert!((0..100).all(|_| remembered.find_unless_ended().is_some()));
    }

    #[test]
    fn what_the_peer_issues_our_verifier_takes() {
        for algorithm in Algorithm::ALL {
            let tokens = Tokens::signed_by(algorithm, 5);
            let token = JsonwebtokenIssuing::new(&tokens).issue().unwrap();
            assert!(tokens.verifier().verify(&token, tokens.now).is_ok(), "{algorithm}");
        }
    }
}
