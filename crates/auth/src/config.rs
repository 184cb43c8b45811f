use std::time::Duration;

use gabion_config::{ByteSize, settings};

const MILLI: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const TEN_YEARS: Duration = Duration::from_secs(3650 * 86_400);

settings! {
    /// Tokens, passwords and logins.
    pub struct AuthConfig {
        /// Who issues the tokens: their `iss`.
        restart issuer: String = String::from("gabion");
        /// Whom the tokens are for: their `aud`.
        restart audience: String = String::from("gabion");
        /// How tokens are signed: HS256 with a secret that stays here, the others with a key pair whose
        /// public half is published. After a change a new key signs, and tokens of the old one stay good.
        restart algorithm: String = String::from("HS256"), in ["HS256", "EdDSA", "ES256", "RS256"].as_slice();
        /// How long an access token is good; counted in whole seconds, at least one.
        restart access_ttl: Duration = Duration::from_secs(3600), in MILLI..=YEAR;
        /// How long a refresh token is good, and with it a session that is not used.
        restart refresh_ttl: Duration = Duration::from_secs(30 * 86_400), in MILLI..=TEN_YEARS;
        /// How long a session is good in all, however often it is refreshed.
        restart session_ttl: Duration = Duration::from_secs(90 * 86_400), in MILLI..=TEN_YEARS;
        /// How far the clocks of issuer and verifier may differ.
        restart leeway: Duration = Duration::from_secs(30), in Duration::ZERO..=DAY;
        /// The first account.
        section bootstrap: BootstrapConfig = BootstrapConfig::default();
        /// What a password must be, and what hashing it costs.
        section password: PasswordConfig = PasswordConfig::default();
        /// What guessing passwords costs.
        section login: LoginConfig = LoginConfig::default();
    }
}

settings! {
    /// The account that an empty store begins with.
    pub struct BootstrapConfig {
        /// Its name.
        restart username: String = String::from("admin");
        /// A file with its password; empty: a random one, shown once.
        restart password_file: String = String::new();
    }
}

settings! {
    /// What a password must be, and what hashing it costs.
    pub struct PasswordConfig {
        /// Fewest Unicode code points, after NFC; less than 15 is unwise where the password is the
        /// only factor (NIST SP 800-63B-4 §3.1.1.2).
        restart min_length: usize = 15, in 1..=1024;
        /// Most Unicode code points, after NFC; no password is longer than 1024 bytes.
        restart max_length: usize = 256, in 1..=1024;
        /// Lowest zxcvbn score, 0 to 4.
        restart min_strength: u8 = 3, in 0..=4;
        /// Memory of one hash; argon2id wants at least 8 KiB for each lane.
        restart memory: ByteSize = ByteSize::mib(19), in ByteSize::kib(64)..=ByteSize::gib(1);
        /// Passes over the memory.
        restart passes: u32 = 2, in 1..=16;
        /// Lanes of the memory; more cost no less here, a hash runs on one thread.
        restart lanes: u32 = 1, in 1..=8;
        /// A file of refused passwords beside the list that ships: a filter made by `gabion blocklist
        /// build`, or at most 4 million lines of text; empty: none.
        restart blocklist_file: String = String::new();
        /// A file with secrets of at least 32 bytes that go into every hash, one a line, the first for
        /// new hashes; for its owner alone (0600). What was hashed with one needs it. Empty: none.
        restart pepper_file: String = String::new();
        /// How many hashes run at once, each in memory of its own; 0: one for each core, as far as
        /// they take no more than 256 MiB together.
        restart parallel_hashes: usize = 0, in 0..=1024;
    }
}

settings! {
    /// What guessing passwords costs.
    pub struct LoginConfig {
        /// Failed logins of an account within the window before each further one has to wait, from
        /// one second up; at most 100 in any 24 hours are evaluated, or 25 more than this where it
        /// is above 75.
        restart failures: u32 = 10, in 1..=1_000_000;
        /// Failed logins from an address, or a /64 network of IPv6, within the window, of whichever
        /// accounts, before each further one has to wait, from one second up to 15 minutes.
        restart address_failures: u32 = 1000, in 1..=1_000_000;
        /// The window.
        restart window: Duration = Duration::from_secs(900), in MILLI..=YEAR;
        /// Consecutive failures after which an administrator must help, by a new password or by
        /// enabling the account again; 0: never.
        restart hard_limit: u32 = 0, in 0..=1_000_000;
    }
}
