use std::{
    fs::{self, File},
    io,
    net::SocketAddr,
    slice,
};

use gabion_config::{Checks, io_reason};
use gabion_limits::{HostRule, TrustedProxies};

use crate::{
    listen::tls::{CERT_FILE, KEY_FILE, files, provider},
    settings::ServerSettings,
};

/// What no single key can tell: values that must fit each other or the world.
pub(super) fn fit(settings: &ServerSettings, checks: &mut Checks<'_>) {
    let server = &settings.server;
    for network in &server.trusted_proxies {
        if TrustedProxies::new(slice::from_ref(network)).is_err() {
            let message = "is not a network, accepts networks as 10.0.0.0/8 and addresses";
            checks.refuse_item("server.trusted_proxies", network, message);
        }
    }
    for host in &server.allowed_hosts {
        if HostRule::new(slice::from_ref(host)).is_err() {
            let message = "is not a host, accepts names and addresses without a port";
            checks.refuse_item("server.allowed_hosts", host, message);
        }
    }
    match server.admin_listen.parse() {
        Err(_) if server.admin_listen.is_empty() => {}
        Err(_) => {
            let message = "is not an address, accepts an address and port as 127.0.0.1:8081 or \
                           [::1]:8081, or nothing";
            checks.refuse(ADMIN, message);
        }
        Ok(admin) if checks.are_known(&["server.listen", ADMIN]) => {
            if overlap(server.listen, admin) {
                let listen = server.listen;
                let message = format!(
                    "is taken by server.listen ({listen}), accepts another address or port, or nothing"
                );
                checks.refuse(ADMIN, message);
            }
        }
        Ok(_) => {}
    }
    if server.proxy_protocol
        && server.trusted_proxies.is_empty()
        && checks.are_known(&[PROXY_PROTOCOL, PROXIES])
    {
        let message =
            format!("needs {PROXIES}, accepts true where that names the proxies, or false");
        checks.refuse(PROXY_PROTOCOL, message);
    }
    tls(settings, checks);
    let (min, max) = (settings.auth.password.min_length, settings.auth.password.max_length);
    if min > max && checks.are_known(&[MIN, MAX]) {
        // Told of the one that somebody set.
        if checks.is_set(MIN) {
            let message = format!("is more than {MAX}, accepts at most its value, {max}");
            checks.refuse(MIN, message);
        } else {
            let message = format!("is less than {MIN}, accepts at least its value, {min}");
            checks.refuse(MAX, message);
        }
    }
    let (access, refresh) = (settings.auth.access_ttl, settings.auth.refresh_ttl);
    if access > refresh && checks.are_known(&[ACCESS, REFRESH]) {
        // A session that ends before its tokens could not be ended any more.
        if checks.is_set(REFRESH) {
            let message = format!("is less than {ACCESS}, accepts at least its value, {access:?}");
            checks.refuse(REFRESH, message);
        } else {
            let message = format!("is more than {REFRESH}, accepts at most its value, {refresh:?}");
            checks.refuse(ACCESS, message);
        }
    }
    let blocklist = &settings.auth.password.blocklist_file;
    if !blocklist.is_empty()
        && let Some(fault) = unreadable(blocklist)
    {
        let message = format!("{fault}, accepts a file with a password a line, or nothing");
        checks.refuse("auth.password.blocklist_file", message);
    }
}

/// Why the file at `path` cannot be read.
fn unreadable(path: &str) -> Option<String> {
    let told = |error: io::Error| Some(format!("cannot be read: {}", io_reason(&error)));
    match fs::metadata(path) {
        // To open a pipe is to wait for somebody who writes to it.
        Ok(metadata) if !metadata.is_file() => Some("is not a file".to_owned()),
        Ok(_) => File::open(path).err().and_then(told),
        Err(error) => told(error),
    }
}

/// Certificate and key are read, so that a start or a reload does not find out too late.
fn tls(settings: &ServerSettings, checks: &mut Checks<'_>) {
    let set = |file: &String| !file.is_empty();
    let alone = match (set(&settings.server.tls.cert_file), set(&settings.server.tls.key_file)) {
        (true, false) => Some((CERT_FILE, KEY_FILE)),
        (false, true) => Some((KEY_FILE, CERT_FILE)),
        _ => None,
    };
    if let Some((key, other)) = alone
        && checks.are_known(&[key, other])
    {
        checks.refuse(key, format!("needs {other} as well, accepts a file beside it, or nothing"));
    }
    if let Some(files) = files(settings)
        && let Err(error) = files.load(&provider())
    {
        checks.refuse(error.setting, error.fault.to_string());
    }
}

/// Whether who listens at one of the two keeps the other from being listened at.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    // Port 0 is another one each time.
    one.port() == other.port()
        && one.port() != 0
        && (one.ip() == other.ip() || one.is_ipv4() == other.is_ipv4() && everywhere)
}

const PROXIES: &str = "server.trusted_proxies";
const PROXY_PROTOCOL: &str = "server.proxy_protocol";
const ADMIN: &str = "server.admin_listen";
const MIN: &str = "auth.password.min_length";
const ACCESS: &str = "auth.access_ttl";
const REFRESH: &str = "auth.refresh_ttl";
const MAX: &str = "auth.password.max_length";

#[cfg(test)]
mod tests {
    use super::*;

    fn overlaps(one: &str, other: &str) -> bool {
        overlap(one.parse().unwrap(), other.parse().unwrap())
    }

    #[test]
    fn addresses_overlap_where_only_one_can_be_listened_at() {
        for (one, other, wanted) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("[::1]:80", "[::]:80", true),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("127.0.0.1:80", "[::]:80", false),
        ] {
            assert_eq!(overlaps(one, other), wanted, "{one} {other}");
        }
    }
}
